import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommitId, RepositoryName } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Clock, Instant, Random } from '@fairlead/shared/time';
import type { CommandHandler } from '../commands/index.ts';
import type { Actor } from '../decision-log/index.ts';
import type { PipelineDefinition, RepositoryDefinition } from '../domain/pipeline/definition.ts';
import type { PipelineState } from '../domain/promotion/index.ts';
import { contentRoot } from '../domain/rollout/index.ts';
import {
  createRepositoryPoller,
  type DiscoveryMemory,
  discover,
  type Git,
  type GitCredentials,
  type PipelineDiscovery,
  type PipelineToDiscover,
  type PolledRepository,
  type RepositoryPoller,
} from '../git/index.ts';
import { keptRefsCheckMs } from '../limits.ts';
import { dropKeptRefs, type KeptRefsOptions } from './kept-refs.ts';

const actor: Actor = { kind: 'hub', name: 'repositories' };

export type RepositoryReactorOptions = {
  readonly git: Git;
  readonly commands: CommandHandler;
  /** Defined repositories, and whether the last look at them failed. */
  readonly repositories: () => readonly (RepositoryDefinition & { readonly failing: boolean })[];
  readonly pipelinesOf: (repository: RepositoryName) => readonly PipelineDefinition[];
  readonly credentialsOf: (repository: RepositoryDefinition) => Promise<GitCredentials | undefined>;
  readonly mirrorsDirectory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly releasesDiscoveredBefore: KeptRefsOptions['releasesDiscoveredBefore'];
  /** Called after each look, with whether it failed. */
  readonly onPolled: (failed: boolean) => void;
};

export type RepositoryReactor = {
  /** Takes up added, changed and removed repositories; call it after any change of them. */
  readonly refresh: () => void;
  /** A webhook or a changed pipeline: look soon. False for an unknown repository. */
  readonly hint: (repository: RepositoryName) => boolean;
  readonly ended: () => Promise<void>;
};

export const mirrorDirectory = (mirrorsDirectory: string, repository: RepositoryName): string =>
  join(mirrorsDirectory, `${repository}.git`);

/** Keeps every repository's mirror and releases up to date: one fetch and one walk a look, for all its pipelines. */
export function createRepositoryReactor(options: RepositoryReactorOptions): RepositoryReactor {
  const { git, commands, clock, random, signal, logger, onPolled } = options;
  const memory: DiscoveryMemory = new Map();
  const keptRefsDueAt = new Map<RepositoryName, Instant>();

  const poll = async ({ definition }: Polled, stop: AbortSignal): Promise<void> => {
    const { name, url, branch } = definition;
    const directory = mirrorDirectory(options.mirrorsDirectory, name);
    await mkdir(options.mirrorsDirectory, { recursive: true });
    const credentials = await options.credentialsOf(definition);
    const { head } = await git.fetchMirror({ url, branch, directory, credentials, signal: stop });
    const state = await commands.repositoryState(name);
    const previous =
      state.status === 'defined' && state.head?.branch === branch ? state.head.commit : undefined;

    const pipelines = await Promise.all(
      options.pipelinesOf(name).map((pipeline) => pipelineToDiscover(commands, pipeline)),
    );
    const discovery = await discover({
      git,
      directory,
      head,
      previousHead: previous as CommitId | undefined,
      pipelines,
      memory,
    });
    // A release must stay fetchable when the branch drops it, so its ref comes before its record: once for all pipelines.
    const fresh = discovery.pipelines.flatMap(({ releases }) => releases);
    for (const commit of new Set(fresh.map((release) => release.commit))) {
      await git.keepRef(directory, commit);
    }
    for (const found of discovery.pipelines) await record(head, found);
    // Last, so that a crash before leads to the same discovery again rather than to a lost release.
    if (discovery.move !== 'none') {
      await commands.repository(
        name,
        { type: 'record-branch-moved', branch, commit: head, previous, kind: discovery.move },
        actor,
      );
    }
    const now = clock.now();
    if (now < (keptRefsDueAt.get(name) ?? 0)) return;
    keptRefsDueAt.set(name, now + keptRefsCheckMs);
    const names = options.pipelinesOf(name).map((pipeline) => pipeline.name);
    await dropKeptRefs(options, { directory, pipelines: names, at: now });
  };

  const record = async (head: CommitId, found: PipelineDiscovery) => {
    const { name, releases, onBranch } = found;
    const outcome = await commands.pipeline(
      name,
      { type: 'record-branch', head, releases, onBranch, at: clock.now() },
      actor,
    );
    if (!outcome.ok) {
      logger.warn({ pipeline: name, rejection: outcome.error }, 'releases were not recorded');
    }
  };

  const poller: RepositoryPoller<Polled> = createRepositoryPoller({
    clock,
    random,
    signal,
    failing: new Set(
      options
        .repositories()
        .filter(({ failing }) => failing)
        .map(({ name }) => name),
    ),
    poll: async (repository, stop) => {
      try {
        await poll(repository, stop);
        onPolled(false);
      } catch (error) {
        if (!stop.aborted) {
          onPolled(true);
          logger.warn({ err: error, repository: repository.name }, 'a repository cannot be read');
        }
        throw error;
      }
    },
    onFailing: async ({ name }, { error }) => {
      const message = error instanceof Error ? error.message : String(error);
      await commands.repository(name, { type: 'record-discovery-failure', message }, actor);
    },
    onRecovered: async ({ name }) => {
      await commands.repository(name, { type: 'record-discovery-recovery' }, actor);
    },
    onError: (repository, error) =>
      logger.error({ err: error, repository: repository.name }, 'a poll was not recorded'),
  });

  return {
    refresh: () =>
      poller.set(
        options.repositories().map((definition) => ({
          name: definition.name,
          pollIntervalMs: definition.pollIntervalMs,
          definition,
        })),
      ),
    hint: poller.hint,
    ended: poller.ended,
  };
}

type Polled = PolledRepository & { readonly definition: RepositoryDefinition };

async function pipelineToDiscover(
  commands: CommandHandler,
  pipeline: PipelineDefinition,
): Promise<PipelineToDiscover> {
  const { name, include, exclude, stages, releases } = pipeline;
  const state = await commands.pipelineState(name);
  const { quietPeriodMs, mustMatch } = releases;
  return {
    name,
    include,
    exclude,
    known: state.status === 'undefined' ? [] : knownCommits(state),
    content: {
      // A definition that the read model does not have yet is found out about with its first release.
      revision: state.status === 'undefined' ? 0 : state.revision,
      root: contentRoot(pipeline),
      stages: stages
        .filter(({ concernedBy }) => concernedBy.length > 0)
        .map((stage) => ({ name: stage.name, concernedBy: stage.concernedBy })),
      mustMatch,
      selective: quietPeriodMs > 0 || mustMatch.length > 0,
    },
  };
}

const knownCommits = ({
  releases,
  awaited,
}: Exclude<PipelineState, { status: 'undefined' }>): CommitId[] => [
  ...releases.map(({ commit }) => commit),
  ...(awaited === undefined ? [] : [awaited.release.commit]),
];
