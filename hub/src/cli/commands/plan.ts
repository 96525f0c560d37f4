import type { Command } from 'commander';
import type { ClusterPlanDocument, PlanDocument } from '../../http/index.ts';
import { parseCommitArgument, parseStageReference, type StageReference } from '../arguments.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { openSession } from '../session.ts';
import { differenceText, objectText, oneLine, shortCommit } from '../words.ts';
import { stagePath } from './stages.ts';

type PlanOptions = { cluster?: string; exitCode?: boolean };

/** Both ask the clusters' agents, by dry run; they differ in what they ask about. */
const verbs = [
  {
    name: 'plan',
    description:
      'show what a release would change in the clusters of a stage, before it is promoted',
    release: 'commit id, or 7 or more digits of it (default: the newest release)',
    assigned: false,
  },
  {
    name: 'diff',
    description:
      'show how clusters differ from the release that they are assigned, or from another',
    release: 'commit id, or 7 or more digits of it (default: what each cluster is assigned)',
    assigned: true,
  },
] as const;

export function addPlanCommands(program: Command, context: CliContext): void {
  for (const verb of verbs) {
    program
      .command(verb.name)
      .description(verb.description)
      .argument('<pipeline/stage>', 'stage', parseStageReference)
      .argument('[release]', verb.release, parseCommitArgument)
      .option('--cluster <name>', 'ask this cluster only')
      .option('--exit-code', `exit with ${exitCodes.differs} when something would change`)
      .action(
        async (
          stage: StageReference,
          release: string | undefined,
          { cluster, exitCode }: PlanOptions,
          command: Command,
        ) => {
          const session = await openSession(context, command);
          const plan = await session.api.send<PlanDocument>('POST', `${stagePath(stage)}:plan`, {
            ...(release === undefined ? { assigned: verb.assigned } : { release }),
            ...(cluster === undefined ? {} : { cluster }),
          });
          session.print(plan, () => planText(plan));
          endWith(plan, exitCode === true);
        },
      );
  }
}

/** A plan that is missing is a failure, whatever the other clusters say. */
function endWith({ clusters, changes }: PlanDocument, isAsked: boolean): void {
  const failed = clusters.filter(({ error }) => error !== undefined);
  if (failed.length > 0) {
    const lines = failed.map(({ cluster, error }) => `${cluster}: ${oneLine(error ?? '')}`);
    throw new CliError(exitCodes.refused, `No plan of ${lines.join('\nNo plan of ')}`);
  }
  if (clusters.some(({ totals }) => totals.refuse > 0)) {
    throw new CliError(exitCodes.refused, 'The API server would refuse objects, marked "!".');
  }
  if (isAsked && changes) throw new CliError(exitCodes.differs, 'Something would change.');
}

function planText({ pipeline, stage, clusters }: PlanDocument): string {
  if (clusters.length === 0) return `No cluster belongs to ${pipeline}/${stage}.`;
  return clusters
    .filter(({ error }) => error === undefined)
    .map((plan) => clusterText(`${pipeline}/${stage}`, plan))
    .join('\n\n');
}

function clusterText(stage: string, plan: ClusterPlanDocument): string {
  const { cluster, release, totals, objects, objectsTruncated, pruneHeld } = plan;
  const lines = [`${stage} in ${cluster}, release ${shortCommit(release)}: ${totalsText(totals)}`];
  for (const { object, action, differences, differencesTotal, message } of objects) {
    const note = message === '' ? '' : `: ${oneLine(message)}`;
    lines.push(`  ${marks[action]} ${objectText(object)}${note}`);
    for (const difference of differences) lines.push(`      ${differenceText(difference)}`);
    const more = differencesTotal - differences.length;
    if (more > 0) lines.push(`      and ${more} more fields`);
  }
  if (objectsTruncated > 0) lines.push(`  and ${objectsTruncated} more objects`);
  if (pruneHeld !== undefined) lines.push(`  The removal would wait: ${oneLine(pruneHeld)}`);
  return lines.join('\n');
}

type Action = ClusterPlanDocument['objects'][number]['action'];
const marks: Readonly<Record<Action, string>> = {
  create: '+',
  configure: '~',
  prune: '-',
  keep: '=',
  refuse: '!',
};

function totalsText(totals: ClusterPlanDocument['totals']): string {
  const words = {
    create: 'to create',
    configure: 'to change',
    prune: 'to remove',
    keep: 'kept',
    refuse: 'refused',
    unchanged: 'unchanged',
  } as const;
  const parts = Object.entries(words).flatMap(([action, text]) => {
    const total = totals[action as keyof typeof words];
    return total === 0 ? [] : [`${total} ${text}`];
  });
  return parts.join(', ') || 'no objects';
}
