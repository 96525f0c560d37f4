import type { PipelineName } from '@fairlead/shared/ids';
import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import type { TargetReport } from '../domain/promotion/index.ts';
import type { Orm } from './orm.ts';
import { preparedInsert } from './prepared.ts';
import {
  agentEpochTable,
  type ObjectName,
  reportCheckpointTable,
  reportDriftTable,
  reportObjectTable,
  reportTable,
} from './schema.ts';

export type ObjectReport = {
  readonly object: ObjectName;
  readonly health: TargetReport['health'];
  readonly message: string;
};

/** An object that is not as its commit wants it and is not repaired at once; values are JSON, empty where there is none. */
export type DriftOfObject = {
  readonly object: ObjectReport['object'];
  readonly state: 'reported' | 'fight';
  readonly change: 'changed' | 'deleted' | 'released';
  readonly managers: readonly string[];
  readonly differences: readonly {
    readonly path: string;
    readonly liveJson: string;
    readonly desiredJson: string;
  }[];
  readonly differencesTotal: number;
};

/** A report as it was received, with what is shown but decides nothing. */
export type ReceivedReport = TargetReport & {
  readonly pipeline: PipelineName;
  readonly objectsHealthy: number;
  /** The ones that are not healthy, worst first. */
  readonly objects: readonly ObjectReport[];
  readonly objectsTruncated: number;
  /** The first objects that a held prune would delete. */
  readonly pruneHeld: readonly ObjectName[];
  readonly drifts: readonly DriftOfObject[];
  readonly driftsTotal: number;
  readonly ignoredTotal: number;
};

export type RecordReports = (
  reports: readonly ReceivedReport[],
  streamSequence: number,
) => ReadonlySet<string>;

/**
 * Keeps the newest report of each target. Within one agent epoch the sequence decides; between two the one that was
 * seen first is the older, because an agent starts a new epoch when it has lost the one before. Arrival order never
 * decides, so a delivery repeated or out of order changes nothing. Runs inside the caller's transaction. Returns the
 * pipelines that have a report which they did not have before.
 */
export function createRecordReports(orm: Orm): RecordReports {
  const { epochOrdinal, held, replace, checkpoint } = prepareStatements(orm);
  const isNewer = (report: ReceivedReport, ordinal: number): boolean => {
    const { cluster, pipeline, stage } = report;
    const before = held.get({ cluster, pipeline, stage });
    if (before === undefined || ordinal > before.ordinal) return true;
    return ordinal === before.ordinal && report.sequence > before.sequence;
  };
  return (reports, streamSequence) => {
    const pipelines = new Set<string>();
    for (const report of reports) {
      const ordinal = epochOrdinal(report);
      if (!isNewer(report, ordinal)) continue;
      replace(report, ordinal);
      pipelines.add(report.pipeline);
    }
    checkpoint.run({ streamSequence });
    return pipelines;
  };
}

/** Reports are the most frequent of all writes, and building a statement costs more than running it. */
function prepareStatements(orm: Orm) {
  const ofTarget = <
    Table extends typeof reportTable | typeof reportObjectTable | typeof reportDriftTable,
  >(
    table: Table,
  ) =>
    and(
      eq(table.clusterId, sql.placeholder('cluster')),
      eq(table.pipeline, sql.placeholder('pipeline')),
      eq(table.stage, sql.placeholder('stage')),
    );
  const epochs = orm
    .select()
    .from(agentEpochTable)
    .where(eq(agentEpochTable.clusterId, sql.placeholder('cluster')))
    .prepare();
  const insertEpoch = preparedInsert(orm, agentEpochTable);
  const key = [reportTable.clusterId, reportTable.pipeline, reportTable.stage];
  const columns = Object.keys(
    getTableColumns(reportTable),
  ) as (keyof typeof reportTable.$inferInsert)[];
  const put = preparedInsert(orm, reportTable, { key, replace: columns });
  const removeObjects = orm.delete(reportObjectTable).where(ofTarget(reportObjectTable)).prepare();
  const insertObject = preparedInsert(orm, reportObjectTable);
  const removeDrifts = orm.delete(reportDriftTable).where(ofTarget(reportDriftTable)).prepare();
  const insertDrift = preparedInsert(orm, reportDriftTable);

  return {
    epochOrdinal: ({ cluster, agentEpoch }: ReceivedReport): number => {
      const known = epochs.all({ cluster });
      const found = known.find((row) => row.agentEpoch === agentEpoch);
      if (found !== undefined) return found.ordinal;
      const ordinal = known.length;
      insertEpoch({ clusterId: cluster, agentEpoch, ordinal });
      return ordinal;
    },
    held: orm
      .select({ ordinal: reportTable.epochOrdinal, sequence: reportTable.sequence })
      .from(reportTable)
      .where(ofTarget(reportTable))
      .prepare(),
    replace: (report: ReceivedReport, ordinal: number): void => {
      const { cluster, objects, pipeline, stage } = report;
      put(reportRow(report, ordinal));
      removeObjects.run({ cluster, pipeline, stage });
      for (const [index, { object, health, message }] of objects.entries()) {
        const target = { clusterId: cluster, pipeline, stage };
        insertObject({ ...target, ordinal: index, ...object, health, message });
      }
      removeDrifts.run({ cluster, pipeline, stage });
      for (const [ordinal, { object, ...drift }] of report.drifts.entries()) {
        insertDrift({ clusterId: cluster, pipeline, stage, ordinal, ...object, ...drift });
      }
    },
    checkpoint: orm
      .update(reportCheckpointTable)
      .set({ streamSequence: sql`${sql.placeholder('streamSequence')}` })
      .where(eq(reportCheckpointTable.id, 1))
      .prepare(),
  };
}

function reportRow(report: ReceivedReport, epochOrdinal: number): typeof reportTable.$inferInsert {
  const { pipeline, stage, agentEpoch, sequence, generation, commit, phase, health } = report;
  const { message, terminal, receivedAt, objectsTotal, objectsHealthy } = report;
  const { objectsTruncated, pruneHeldObjects, pruneHeld, pruneHeldDigest } = report;
  const { driftsTotal, ignoredTotal } = report;
  return {
    clusterId: report.cluster,
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
    pruneHeld,
    pruneHeldDigest,
    driftsTotal,
    ignoredTotal,
  };
}

export const reportStreamSequence = (orm: Orm): number =>
  orm.select().from(reportCheckpointTable).get()?.streamSequence ?? 0;
