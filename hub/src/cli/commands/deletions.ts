import type { Command } from 'commander';
import type { ChangeDocument, TargetDocument } from '../../http/index.ts';
import { segment } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { renderTable, type TableContent } from '../output.ts';
import { openSession, type Session } from '../session.ts';
import { relativeTime } from '../words.ts';

type OrderOptions = { confirm?: string; stage?: string; cluster?: string; reason: string };

/** The second order: deletes what removals left in place. */
export function addDeletionCommand(program: Command, context: CliContext): void {
  program
    .command('delete-objects')
    .description('delete what a removed pipeline, stage or label left in place in clusters')
    .argument('<pipeline>')
    .option('--stage <name>', 'only of this stage')
    .option('--cluster <name>', 'only in this cluster')
    .option('--confirm <pipeline>', 'the name again; without it, what would go is only shown')
    .option('--reason <text>', 'why, for the audit log', '')
    .action(async (pipeline: string, options: OrderOptions, command: Command) => {
      const { stage, cluster } = options;
      await order(await openSession(context, command), {
        name: pipeline,
        path: `/pipelines/${segment(pipeline)}:delete-objects`,
        query: { pipeline, stage, cluster },
        scope: { stage, cluster },
        options,
      });
    });
}

export function addClusterDeletionCommand(cluster: Command, context: CliContext): void {
  cluster
    .command('delete-objects')
    .description('delete everything that pipelines have left in place in a cluster')
    .argument('<name>')
    .option('--confirm <name>', 'the name again; without it, what would go is only shown')
    .option('--reason <text>', 'why, for the audit log', '')
    .action(async (name: string, options: OrderOptions, command: Command) => {
      await order(await openSession(context, command), {
        name,
        path: `/clusters/${segment(name)}:delete-objects`,
        query: { cluster: name },
        scope: {},
        options,
      });
    });
}

/** A person orders the deletion of what is listed now; if it is something else meanwhile, the hub refuses. */
async function order(
  session: Session,
  about: {
    name: string;
    path: string;
    query: Readonly<Record<string, string | undefined>>;
    scope: Readonly<Record<string, string | undefined>>;
    options: OrderOptions;
  },
): Promise<void> {
  const { name, options } = about;
  if (options.confirm !== undefined && options.confirm !== name) {
    throw new CliError(
      exitCodes.usage,
      `--confirm says "${options.confirm}" and not "${name}": nothing was deleted.`,
    );
  }
  const targets: TargetDocument[] = [];
  for await (const target of session.api.items<TargetDocument>('/orphans', about.query)) {
    if (target.clusterStatus !== 'removed' && target.clusterStatus !== 'revoked')
      targets.push(target);
  }
  const objects = targets.reduce((sum, { report }) => sum + (report?.objectsTotal ?? 0), 0);
  session.context.writeError(`${renderTable(orphansTable(targets, session.now))}\n`);
  if (options.confirm === undefined) {
    throw new CliError(
      exitCodes.usage,
      `${objects} objects would be deleted. Nothing was: add --confirm ${name} to order it.`,
    );
  }
  const { reason, confirm } = options;
  const body = { confirm, objects, reason, ...about.scope };
  const change = await session.api.send<ChangeDocument>('POST', about.path, body);
  session.print(
    change,
    () =>
      `${objects} objects are ordered to be deleted; \`fairlead get orphans\` shows how far it is.`,
  );
}

export function orphansTable(targets: readonly TargetDocument[], now: number): TableContent {
  return {
    columns: ['former target', 'cluster', 'state', 'since', 'objects', 'message'],
    rows: targets.map((target) => [
      `${target.pipeline}/${target.stage}`,
      target.clusterStatus === 'removed' ? `${target.cluster} (removed)` : target.cluster,
      stateOf(target),
      relativeTime(target.assignedAt, now),
      String(target.report?.objectsTotal ?? 'unknown'),
      target.report?.current === true || target.disposition === 'orphan'
        ? (target.report?.message ?? '')
        : 'the agent has not taken it up yet',
    ]),
    empty: 'Nothing is left in place.',
  };
}

function stateOf({ disposition, cause, report, generation }: TargetDocument): string {
  if (disposition === 'orphan') {
    return cause === 'deletion-expired' ? 'left in place, the order expired' : 'left in place';
  }
  return report?.generation === generation ? `ordered, ${report.phase}` : 'ordered';
}
