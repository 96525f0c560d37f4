import { readFile } from 'node:fs/promises';
import { Argument, type Command } from 'commander';
import type {
  AppliedDocument,
  ApprovalDocument,
  ChangeDocument,
  ClusterDocument,
  FreezeDocument,
  PipelineDocument,
  ReleaseDocument,
  RepositoryDocument,
  StageDocument,
  TargetDocument,
} from '../../http/index.ts';
import { cliInputBytesMax } from '../../limits.ts';
import { segment } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { renderTable, type TableContent } from '../output.ts';
import { openSession, type Session } from '../session.ts';
import { relativeTime, shortCommit } from '../words.ts';
import { approvalsTable } from './approvals.ts';
import { clustersTable } from './clusters.ts';
import { orphansTable } from './deletions.ts';
import { freezesTable } from './freezes.ts';
import { printRollouts } from './rollouts.ts';
import { stagesTable } from './status.ts';

export function addResourceCommands(program: Command, context: CliContext): void {
  program
    .command('apply')
    .description('create or change repositories and pipelines from YAML, all or none')
    .requiredOption('-f, --file <path>', 'file to read, or - for standard input')
    .option('--override <reason>', overrideText)
    .action(async ({ file, override }: { file: string; override?: string }, command: Command) => {
      const text = file === '-' ? await context.readInput() : await readDocument(file);
      const session = await openSession(context, command);
      const applied = await session.api.sendYaml<AppliedDocument>(
        `/apply${overrideQuery(override)}`,
        text,
      );
      session.print(applied, () => appliedText(applied));
    });
  program
    .command('get')
    .description('list resources, or show one')
    .addArgument(new Argument('<kind>').choices(kinds))
    .argument('[name]', 'of the resource; of the pipeline for what belongs to one')
    .action(async (kind: Kind, name: string | undefined, _options: object, command: Command) => {
      await readers[kind](await openSession(context, command), name);
    });
  program
    .command('delete')
    .description(
      'remove a repository or a pipeline; what runs in the clusters stays (see delete-objects)',
    )
    .addArgument(new Argument('<kind>').choices(['repository', 'pipeline']))
    .argument('<name>')
    .option('--override <reason>', overrideText)
    .action(
      async (kind: string, name: string, { override }: { override?: string }, command: Command) => {
        const session = await openSession(context, command);
        const plural = kind === 'pipeline' ? '/pipelines' : '/repositories';
        const path = `${plural}/${segment(name)}${overrideQuery(override)}`;
        const change = await session.api.remove<ChangeDocument>(path, {});
        session.print(change, () => `${kind}/${name} deleted`);
      },
    );
  const pipeline = program.command('pipeline').description('show pipelines');
  pipeline
    .command('show')
    .description("show a pipeline's stages and its newest releases")
    .argument('<name>')
    .action(async (name: string, _options: object, command: Command) => {
      await showPipeline(await openSession(context, command), name);
    });
}

const overrideText =
  'change what the configuration repository defines all the same, until its next commit; recorded';
const overrideQuery = (reason: string | undefined): string =>
  reason === undefined ? '' : `?overrideReason=${encodeURIComponent(reason)}`;

async function readDocument(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new CliError(exitCodes.usage, `${path} cannot be read.`, error);
  }
  if (Buffer.byteLength(text) <= cliInputBytesMax) return text;
  throw new CliError(exitCodes.usage, `${path} has more than ${cliInputBytesMax} bytes.`);
}

const appliedText = ({ resources }: AppliedDocument): string =>
  resources.map(({ kind, name, outcome }) => `${kind.toLowerCase()}/${name} ${outcome}`).join('\n');

const kinds = [
  'repositories',
  'pipelines',
  'releases',
  'rollouts',
  'clusters',
  'orphans',
  'approvals',
  'freezes',
] as const;
type Kind = (typeof kinds)[number];

/** One document by its name, or all of a kind. */
function reader<Item>(
  path: string,
  table: (items: readonly Item[], now: number) => TableContent,
): (session: Session, name: string | undefined) => Promise<void> {
  return async (session, name) => {
    if (name === undefined) {
      await session.printItems(session.api.items<Item>(path), (items) => table(items, session.now));
      return;
    }
    const item = await session.api.get<Item>(`${path}/${segment(name)}`);
    session.printTable(item, () => table([item], session.now));
  };
}

const readers: Record<Kind, (session: Session, name: string | undefined) => Promise<void>> = {
  repositories: reader<RepositoryDocument>('/repositories', repositoriesTable),
  pipelines: reader<PipelineDocument>('/pipelines', pipelinesTable),
  clusters: reader<ClusterDocument>('/clusters', clustersTable),
  freezes: async (session, name) => {
    if (name !== undefined) {
      throw new CliError(exitCodes.usage, 'Freezes have no names: use `fairlead get freezes`.');
    }
    const items = session.api.items<FreezeDocument>('/freezes');
    await session.printItems(items, (freezes) => freezesTable(freezes, session.now));
  },
  /** The name is that of a pipeline. */
  orphans: async (session, name) => {
    const items = session.api.items<TargetDocument>('/orphans', { pipeline: name });
    await session.printItems(items, (targets) => orphansTable(targets, session.now));
  },
  rollouts: printRollouts,
  /** Open ones; the name is that of a pipeline. */
  approvals: async (session, name) => {
    const items = session.api.items<ApprovalDocument>('/approvals', { pipeline: name });
    await session.printItems(items, (approvals) => approvalsTable(approvals, session.now));
  },
  releases: async (session, name) => {
    if (name === undefined) {
      throw new CliError(
        exitCodes.usage,
        'Releases belong to a pipeline: use `fairlead get releases PIPELINE`.',
      );
    }
    const items = session.api.items<ReleaseDocument>(`/pipelines/${segment(name)}/releases`);
    await session.printItems(items, (releases) => releasesTable(releases, session.now));
  },
};

function repositoriesTable(repositories: readonly RepositoryDocument[], now: number): TableContent {
  return {
    columns: ['name', 'url', 'branch', 'head', 'state'],
    rows: repositories.map(({ name, url, branch, head, headSeenAt, failure }) => [
      name,
      url,
      branch,
      shortCommit(head),
      failure
        ? `failing for ${relativeTime(failure.since, now).replace(/ ago$/, '')}: ${failure.message}`
        : head === undefined
          ? 'not read yet'
          : `moved ${relativeTime(headSeenAt, now)}`,
    ]),
    empty: 'No repositories. Add one with `fairlead apply -f FILE`.',
  };
}

function pipelinesTable(pipelines: readonly PipelineDocument[]): TableContent {
  return {
    columns: ['name', 'repository', 'stages', 'revision', 'project'],
    rows: pipelines.map(({ name, repository, revision, project, definition }) => [
      name,
      repository,
      definition.stages.map((stage) => stage.name).join(' → '),
      String(revision),
      project,
    ]),
    empty: 'No pipelines. Add one with `fairlead apply -f FILE`.',
  };
}

function releasesTable(releases: readonly ReleaseDocument[], now: number): TableContent {
  return {
    columns: ['release', 'position', 'subject', 'author', 'discovered', 'stages'],
    rows: releases.map((release) => [
      shortCommit(release.commit) + (release.orphaned ? ' (orphaned)' : ''),
      String(release.position),
      release.subject.length > 60 ? `${release.subject.slice(0, 59)}…` : release.subject,
      release.authorName,
      relativeTime(release.discoveredAt, now),
      release.stages
        .map(({ stage, state, current }) => `${stage}: ${state}${current ? ' *' : ''}`)
        .join(', '),
    ]),
    empty: 'No releases yet.',
  };
}

const releasesShown = 10;

async function showPipeline(session: Session, name: string): Promise<void> {
  const { api, now } = session;
  const path = `/pipelines/${segment(name)}`;
  const pipeline = await api.get<PipelineDocument>(path);
  const [stages, releases] = await Promise.all([
    collect(api.items<StageDocument>(`${path}/stages`)),
    api.get<{ items: ReleaseDocument[] }>(`${path}/releases`, { limit: releasesShown }),
  ]);
  session.print({ ...pipeline, stages, releases: releases.items }, () => {
    return [
      `${name} of repository ${pipeline.repository}, revision ${pipeline.revision}`,
      '',
      renderTable(stagesTable(stages, { now })),
      '',
      renderTable(releasesTable(releases.items, now)),
    ].join('\n');
  });
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
