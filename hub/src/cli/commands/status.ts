import type { Command } from 'commander';
import type { ExplanationDocument, StageDocument, StatusDocument } from '../../http/index.ts';
import { cliExplanationsMax, cliFreezesMax } from '../../limits.ts';
import { type ApiClient, segment } from '../api-client.ts';
import type { CliContext } from '../context.ts';
import { renderTable, type TableContent } from '../output.ts';
import { openSession } from '../session.ts';
import {
  aheadText,
  clusterStatus,
  frozenText,
  heldText,
  refText,
  relativeTime,
  shortCommit,
  stageHealth,
  stagePhase,
  targetsText,
  withdrawalText,
} from '../words.ts';
import { freezeEnd } from './freezes.ts';

export function addStatusCommand(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('show what runs where, and what waits for what')
    .action(async (_options: object, command: Command) => {
      const session = await openSession(context, command);
      const status = await session.api.get<StatusDocument>('/status');
      const waiting = session.output === 'table' ? await explainWaiting(session.api, status) : {};
      session.print(status, () => statusText(status, waiting, session.now));
    });
}

type Waiting = Readonly<Record<string, string>>;
const keyOf = ({ pipeline, name }: StageDocument): string => `${pipeline}/${name}`;

/** Why stages without the newest release do not have it, for the first ones; the rest can be asked one by one. */
async function explainWaiting(api: ApiClient, status: StatusDocument): Promise<Waiting> {
  const behind = status.pipelines.items.flatMap(({ newestRelease, stages }) =>
    newestRelease === undefined
      ? []
      : stages.filter(
          ({ currentRelease, held }) => currentRelease !== newestRelease && held === undefined,
        ),
  );
  const explained = await Promise.all(
    behind.slice(0, cliExplanationsMax).map(async (stage) => {
      const path = `/pipelines/${segment(stage.pipeline)}/stages/${segment(stage.name)}/explain`;
      // The table is worth more than this column: a stage may have been removed since.
      const found = await api.get<ExplanationDocument>(path).catch(() => undefined);
      return [keyOf(stage), found?.summary ?? ''] as const;
    }),
  );
  return Object.fromEntries(explained);
}

export function stagesTable(
  stages: readonly StageDocument[],
  { now, waiting = {} }: { now: number; waiting?: Waiting },
): TableContent {
  return {
    columns: ['stage', 'release', 'phase', 'targets', 'health', 'note'],
    rows: stages.map((stage) => [
      keyOf(stage),
      shortCommit(stage.currentRelease) || '—',
      stagePhase(stage, now),
      targetsText(stage),
      stageHealth(stage, now),
      noteOf(stage, { now, waiting }),
    ]),
    empty: 'No pipelines. Add one with `fairlead apply -f FILE`.',
  };
}

function noteOf(stage: StageDocument, { now, waiting }: { now: number; waiting: Waiting }): string {
  const notes = [
    frozenText(stage, now),
    heldText(stage, now),
    withdrawalText(stage),
    aheadText(stage),
    waiting[keyOf(stage)] ?? refText(stage),
  ];
  if (stage.health === 'unhealthy') notes.push(stage.healthMessage);
  return notes.filter((note) => note !== '').join('; ');
}

function frozenLines({ freezes = [] }: StatusDocument, now: number): string[] {
  const more = freezes.length - cliFreezesMax;
  return [
    ...freezes
      .slice(0, cliFreezesMax)
      .map((freeze) =>
        freeze.state === 'planned'
          ? `Freeze ${freeze.id} of ${freeze.covers} begins ${relativeTime(freeze.from, now)}: ${freeze.reason}`
          : `Frozen: ${freeze.covers}, by ${freeze.by}, ends ${freezeEnd(freeze, now)}: ${freeze.reason} (${freeze.id})`,
      ),
    ...(more > 0 ? [`and ${more} more: see \`fairlead get freezes\``] : []),
  ];
}

function statusText(status: StatusDocument, waiting: Waiting, now: number): string {
  const totals = Object.entries(status.clusterTotals)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`);
  const stages = status.pipelines.items.flatMap((pipeline) => pipeline.stages);
  const troubled = status.clusters.items.filter(({ status: state }) => state !== 'connected');
  const regressed = status.clusters.items.filter(({ epochRegressed }) => epochRegressed === true);
  const parts = [
    `Clusters: ${totals.join(', ') || 'none'}`,
    ...troubled.map((cluster) => `  ${cluster.name} is ${clusterStatus(cluster, now)}`),
    ...regressed.map(
      ({ name }) =>
        `  ${name}: epoch regressed, its agent holds newer assignments than this hub; ` +
        `see \`fairlead cluster show ${name}\``,
    ),
    ...configurationLines(status.configuration),
    ...frozenLines(status, now),
    '',
    renderTable(stagesTable(stages, { now, waiting })),
  ];
  if (status.pipelines.nextCursor || status.clusters.nextCursor) {
    parts.push('', 'There is more: see `fairlead get pipelines` and `fairlead cluster list`.');
  }
  return parts.join('\n');
}

/** What is not as the configuration repository says, and why; a line that says so where all is. */
function configurationLines(configuration: StatusDocument['configuration']): string[] {
  if (configuration === undefined) return [];
  const { applied, refused, failure, absent, overridden } = configuration;
  const head =
    applied === undefined
      ? 'Configuration: nothing applied yet'
      : `Configuration: commit ${shortCommit(applied.commit)}, ${applied.resources} resources`;
  const nameOf = ({ kind, name }: { kind: string; name: string }) =>
    `${kind.toLowerCase()}/${name}`;
  return [
    head,
    ...(failure === undefined ? [] : [`  the repository cannot be read: ${failure}`]),
    ...(refused === undefined
      ? []
      : [
          `  nothing of commit ${shortCommit(refused.commit)} is applied, for ${refused.faultsTotal} fault(s):`,
          ...refused.faults.map(({ path, message }) => `    ${path}: ${message}`),
        ]),
    ...absent.map(
      (each) => `  ${nameOf(each)} is in no file any more and stays until somebody removes it`,
    ),
    ...overridden.map((each) => `  ${nameOf(each)} was changed at the hub: ${each.reason}`),
  ];
}
