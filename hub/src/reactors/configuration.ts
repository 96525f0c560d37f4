import type { CommitId, PipelineName, RepositoryName } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Fault } from '@fairlead/shared/problem';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Clock, Random } from '@fairlead/shared/time';
import type { CommandHandler } from '../commands/index.ts';
import type { ConfigurationRepository } from '../config/index.ts';
import type { Actor } from '../decision-log/index.ts';
import type { ResourceName } from '../domain/configuration/index.ts';
import {
  type PlacedResource,
  parseResourceFiles,
  type Resource,
  type ResourceFile,
  titleOfResource,
} from '../domain/pipeline/index.ts';
import {
  createRepositoryPoller,
  type Git,
  type GitCredentials,
  isGitError,
  readFiles,
} from '../git/index.ts';
import {
  configurationBytesMax,
  configurationFileBytesMax,
  configurationFilesMax,
  configurationResourcesMax,
} from '../limits.ts';
import type { Definitions } from '../resources/index.ts';

const actor: Actor = { kind: 'hub', name: 'configuration-repository' };
/** Of the webhook, and what the poller calls it. */
export const configurationRepositoryName = 'configuration-repository' as RepositoryName;

export type ConfigurationReactorOptions = {
  readonly repository: ConfigurationRepository;
  readonly git: Git;
  /** Its mirror. */
  readonly directory: string;
  readonly credentials: () => Promise<GitCredentials | undefined>;
  readonly commands: CommandHandler;
  readonly definitions: Definitions;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

export type ConfigurationReactor = {
  /** A webhook: look soon. */
  readonly hint: () => void;
  readonly ended: () => Promise<void>;
};

/**
 * Keeps the hub's repositories and pipelines as the head of a protected repository says: the whole commit or nothing of
 * it. What a commit does not name stays; it goes only by a document with the annotation that asks for it, or by a person.
 */
export function createConfigurationReactor(
  options: ConfigurationReactorOptions,
): ConfigurationReactor {
  const { repository, git, directory, commands, definitions, logger } = options;
  const { url, branch, path, pollIntervalMs } = repository;
  const source = `${url} ${branch} ${path}`;

  const poll = async (stop: AbortSignal): Promise<void> => {
    const credentials = await options.credentials();
    const { head } = await git.fetchMirror({ url, branch, directory, credentials, signal: stop });
    const { applied, refused } = await commands.configurationState();
    const isApplied = applied?.commit === head && applied.source === source;
    if (isApplied && refused === undefined) return;
    const read = await readCommitFiles(git, directory, { commit: head, path });
    const parsed = read.ok ? parseResourceFiles(read.value) : read;
    await definitions.exclusively(async () => {
      const placed = parsed.ok ? parsed.value : [];
      const faults = parsed.ok ? await faultsOf(placed) : parsed.error;
      if (faults.length > 0) return refuse(head, faults);
      await apply(head, placed);
    });
  };

  const faultsOf = async (placed: readonly PlacedResource[]): Promise<Fault[]> => {
    if (placed.length > configurationResourcesMax) {
      const message = `define ${placed.length} resources; at most ${configurationResourcesMax} are taken`;
      return [{ path: 'files', message }];
    }
    const reserved = placed.filter(
      ({ resource: { kind, definition } }) =>
        kind === 'Repository' && definition.name === configurationRepositoryName,
    );
    const faults = await definitions.check(
      placed.map(({ resource }) => resource),
      { everything: true },
    );
    return [
      ...reserved.map(({ resource }) => ({
        path: `${titleOfResource(resource)}: metadata.name`,
        message: 'is the name of the configuration repository itself',
      })),
      ...faults,
    ].map((fault) => inFile(fault, placed));
  };

  const refuse = async (commit: CommitId, faults: readonly Fault[]): Promise<void> => {
    logger.warn({ commit, faults: faults.slice(0, 5) }, 'a commit of the configuration is refused');
    await must(commands.configuration({ type: 'record-refused', commit, faults }, actor));
  };

  /** Each resource is a decision of its own; the commit counts as applied after the last, so a crash repeats the rest. */
  const apply = async (commit: CommitId, placed: readonly PlacedResource[]): Promise<void> => {
    const all = placed.map(({ resource }) => resource);
    const kept = all.filter(({ remove }) => !remove);
    const going = all.filter(({ remove }) => remove);
    for (const resource of inOrder(kept)) await define(resource);
    for (const resource of inOrder(going).reverse()) await remove(resource);
    await must(
      commands.configuration(
        {
          type: 'record-applied',
          commit,
          source,
          resources: kept.map(nameOf),
          removed: going.map(nameOf),
        },
        actor,
      ),
    );
    logger.info({ commit, resources: kept.length }, 'a commit of the configuration is applied');
  };

  const define = (resource: Resource): Promise<unknown> =>
    resource.kind === 'Repository'
      ? must(
          commands.repository(
            resource.definition.name,
            { type: 'define-repository', definition: resource.definition },
            actor,
          ),
        )
      : must(
          commands.pipeline(
            resource.definition.name,
            { type: 'define-pipeline', definition: resource.definition },
            actor,
          ),
        );

  /** What is gone already stays gone: the document may stand there for ever. */
  const remove = async ({ kind, definition: { name } }: Resource): Promise<void> => {
    if (kind === 'Repository') {
      const { status } = await commands.repositoryState(name);
      if (status === 'defined') {
        await must(commands.repository(name, { type: 'remove-repository' }, actor));
      }
      return;
    }
    const { status } = await commands.pipelineState(name);
    if (status === 'active') {
      await must(commands.pipeline(name as PipelineName, { type: 'remove-pipeline' }, actor));
    }
  };

  const poller = createRepositoryPoller({
    clock: options.clock,
    random: options.random,
    signal: options.signal,
    poll: async (_, stop) => {
      await poll(stop);
      await commands.configuration({ type: 'record-readable' }, actor);
    },
    onFailing: async (_, { error }) => {
      const message = error instanceof Error ? error.message : String(error);
      logger.warn({ err: error }, 'the configuration repository cannot be read');
      await commands.configuration({ type: 'record-unreadable', message }, actor);
    },
    onRecovered: async () => {},
    onError: (_, error) =>
      logger.error({ err: error }, 'a look at the configuration is not recorded'),
  });
  poller.set([{ name: configurationRepositoryName, pollIntervalMs }]);
  poller.hint(configurationRepositoryName);
  return {
    hint: () => {
      poller.hint(configurationRepositoryName);
    },
    ended: poller.ended,
  };
}

const nameOf = ({ kind, definition }: Resource): ResourceName => ({ kind, name: definition.name });

/** Repositories before the pipelines that use them. */
const inOrder = (resources: readonly Resource[]): Resource[] => [
  ...resources.filter(({ kind }) => kind === 'Repository'),
  ...resources.filter(({ kind }) => kind === 'Pipeline'),
];

/** The check has found what could be refused; the rest is for another look, and shown until then. */
async function must<Value>(
  outcome: Promise<Result<Value, { code: string; detail?: string }>>,
): Promise<Value> {
  const result = await outcome;
  if (result.ok) return result.value;
  const { code, detail = '' } = result.error;
  throw new Error(`A definition was refused (${code}): ${detail}`);
}

/** The fault with the file of the resource that it names. */
function inFile(fault: Fault, placed: readonly PlacedResource[]): Fault {
  const found = placed.find(({ resource }) =>
    fault.path.startsWith(`${titleOfResource(resource)}:`),
  );
  return found === undefined ? fault : { ...fault, path: `${found.file}: ${fault.path}` };
}

/** What is wrong with the commit itself is a fault of it; everything else is a failure to read. */
async function readCommitFiles(
  git: Git,
  directory: string,
  at: { commit: CommitId; path: string },
): Promise<Result<ResourceFile[], Fault[]>> {
  try {
    const files = await readFiles(git, directory, {
      ...at,
      isWanted: (path) => /\.ya?ml$/.test(path),
      filesMax: configurationFilesMax,
      fileBytesMax: configurationFileBytesMax,
      totalBytesMax: configurationBytesMax,
    });
    const decoder = new TextDecoder('utf-8', { fatal: true });
    return ok(files.map(({ path, data }) => ({ path, text: decoder.decode(data) })));
  } catch (error) {
    const ofCommit = ['path_not_found', 'limit_exceeded', 'submodule_found'] as const;
    if (isGitError(error) && ofCommit.some((code) => code === error.code)) {
      return err([{ path: at.path === '' ? '.' : at.path, message: error.message }]);
    }
    if (error instanceof TypeError) {
      return err([{ path: at.path, message: 'holds a file that is not text in UTF-8' }]);
    }
    throw error;
  }
}
