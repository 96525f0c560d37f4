import type { PipelineName } from '@fairlead/shared/ids';
import { and, eq } from 'drizzle-orm';
import type { TargetReport } from '../domain/promotion/commands.ts';
import type { Orm } from './orm.ts';
import {
  agentEpochTable,
  reportCheckpointTable,
  reportObjectTable,
  reportTable,
} from './schema.ts';

export type ObjectReport = {
  readonly object: {
    readonly group: string;
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
  };
  readonly health: TargetReport['health'];
  readonly message: string;
};

/** A report as it was received, with what is shown but decides nothing. */
export type ReceivedReport = TargetReport & {
  readonly pipeline: PipelineName;
  readonly objectsTotal: number;
  readonly objectsHealthy: number;
  /** The ones that are not healthy, worst first. */
  readonly objects: readonly ObjectReport[];
  readonly objectsTruncated: number;
  readonly pruneHeldObjects: number;
};

/**
 * Keeps the newest report of each target. Within one agent epoch the sequence decides; between two the one that was
 * seen first is the older, because an agent starts a new epoch when it has lost the one before. Arrival order never
 * decides, so a delivery repeated or out of order changes nothing. Runs inside the caller's transaction. Returns the
 * pipelines that have a report which they did not have before.
 */
export function recordReports(
  orm: Orm,
  reports: readonly ReceivedReport[],
  streamSequence: number,
): ReadonlySet<string> {
  const pipelines = new Set<string>();
  for (const report of reports) {
    const ordinal = epochOrdinal(orm, report);
    if (!isNewer(orm, report, ordinal)) continue;
    replace(orm, report, ordinal);
    pipelines.add(report.pipeline);
  }
  orm
    .update(reportCheckpointTable)
    .set({ streamSequence })
    .where(eq(reportCheckpointTable.id, 1))
    .run();
  return pipelines;
}

function epochOrdinal(orm: Orm, { cluster: clusterId, agentEpoch }: ReceivedReport): number {
  const known = orm
    .select()
    .from(agentEpochTable)
    .where(eq(agentEpochTable.clusterId, clusterId))
    .all();
  const found = known.find((row) => row.agentEpoch === agentEpoch);
  if (found !== undefined) return found.ordinal;
  const ordinal = known.length;
  orm.insert(agentEpochTable).values({ clusterId, agentEpoch, ordinal }).run();
  return ordinal;
}

const keyOf = ({ cluster, pipeline, stage }: ReceivedReport) =>
  and(
    eq(reportTable.clusterId, cluster),
    eq(reportTable.pipeline, pipeline),
    eq(reportTable.stage, stage),
  );

function isNewer(orm: Orm, report: ReceivedReport, ordinal: number): boolean {
  const held = orm
    .select({ ordinal: reportTable.epochOrdinal, sequence: reportTable.sequence })
    .from(reportTable)
    .where(keyOf(report))
    .get();
  if (held === undefined || ordinal > held.ordinal) return true;
  return ordinal === held.ordinal && report.sequence > held.sequence;
}

function replace(orm: Orm, report: ReceivedReport, ordinal: number): void {
  const { cluster: clusterId, objects, pipeline, stage } = report;
  const row = reportRow(report, ordinal);
  orm
    .insert(reportTable)
    .values(row)
    .onConflictDoUpdate({
      target: [reportTable.clusterId, reportTable.pipeline, reportTable.stage],
      set: row,
    })
    .run();
  orm
    .delete(reportObjectTable)
    .where(
      and(
        eq(reportObjectTable.clusterId, clusterId),
        eq(reportObjectTable.pipeline, pipeline),
        eq(reportObjectTable.stage, stage),
      ),
    )
    .run();
  for (const [index, { object, health, message }] of objects.entries()) {
    orm
      .insert(reportObjectTable)
      .values({ clusterId, pipeline, stage, ordinal: index, ...object, health, message })
      .run();
  }
}

function reportRow(report: ReceivedReport, epochOrdinal: number): typeof reportTable.$inferInsert {
  const { pipeline, stage, agentEpoch, sequence, generation, commit, phase, health } = report;
  const { message, terminal, receivedAt, objectsTotal, objectsHealthy } = report;
  const { objectsTruncated, pruneHeldObjects, cluster: clusterId } = report;
  return {
    clusterId,
    pipeline,
    stage,
    agentEpoch,
    epochOrdinal,
    sequence,
    generation,
    commit,
    phase,
    health,
    message,
    terminal,
    receivedAt,
    objectsTotal,
    objectsHealthy,
    objectsTruncated,
    pruneHeldObjects,
  };
}

export const reportStreamSequence = (orm: Orm): number =>
  orm.select().from(reportCheckpointTable).get()?.streamSequence ?? 0;
