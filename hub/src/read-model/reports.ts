import type { PipelineName } from '@fairlead/shared/ids';
import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import { isReportNews, type ReportSaid, type TargetReport } from '../domain/promotion/index.ts';
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
 * pipelines that have a report by which a decision may differ.
 */
export function createRecordReports(orm: Orm): RecordReports {
  const { epochOrdinal, held, replace, changeHealth, checkpoint } = prepareStatements(orm);
  const isNewer = (report: ReceivedReport, ordinal: number, before: HeldReport | undefined) => {
    if (before === undefined || ordinal > before.ordinal) return true;
    return ordinal === before.ordinal && report.sequence > before.sequence;
  };
  return (reports, streamSequence) => {
    const pipelines = new Set<string>();
    for (const report of reports) {
      const { cluster, pipeline, stage } = report;
      const ordinal = epochOrdinal(report);
      const before = held.get({ cluster, pipeline, stage });
      if (isNewer(report, ordinal, before)) {
        replace(report, ordinal, nextHealth(report, ordinal, before));
        if (!isReportNews(before, report)) continue;
      } else {
        const change = before && ordinal === before.ordinal && lateBreak(report, before);
        if (!change) continue;
        changeHealth.run({ cluster, pipeline, stage, ...change });
      }
      pipelines.add(report.pipeline);
    }
    checkpoint.run({ streamSequence });
    return pipelines;
  };
}

/** Since when the generation is healthy without a break, by the receive time and sequence of the first such report. */
type HealthyTime = {
  readonly healthySince: number | null;
  readonly healthySinceSequence: number | null;
  readonly healthBreaks: number;
};

type HeldReport = HealthyTime &
  ReportSaid & {
    readonly ordinal: number;
    readonly sequence: number;
    readonly receivedAt: number;
  };

/** Healthy before it has settled is what ran before; healthy while something is done again is no break. */
function nextHealth(
  { generation, phase, health, sequence, receivedAt }: ReceivedReport,
  ordinal: number,
  before: HeldReport | undefined,
): HealthyTime {
  const same = before?.generation === generation ? before : undefined;
  const { healthySince = null, healthBreaks = 0 } = same ?? {};
  const isWell = health === 'healthy' && phase !== 'failed';
  const isBreak = healthySince !== null && !isWell;
  if (!isWell || (healthySince === null && !['settled', 'prune-held'].includes(phase))) {
    const breaks = healthBreaks + (isBreak ? 1 : 0);
    return { healthySince: null, healthySinceSequence: null, healthBreaks: breaks };
  }
  if (same === undefined || healthySince === null) {
    return { healthySince: receivedAt, healthySinceSequence: sequence, healthBreaks };
  }
  // Sequences of another agent epoch start over, and all of them are later than the time before.
  const sinceSequence = same.ordinal === ordinal ? same.healthySinceSequence : 0;
  return { healthySince, healthySinceSequence: sinceSequence, healthBreaks };
}

/**
 * A report that comes after newer ones can still tell of a break between them. How soon after it all was well again is not
 * known, so the time starts with the newest report; the same report again changes nothing.
 */
function lateBreak(report: ReceivedReport, before: HeldReport): HealthyTime | undefined {
  const { healthySinceSequence, sequence, receivedAt, healthBreaks } = before;
  const isWell = report.health === 'healthy' && report.phase !== 'failed';
  if (isWell || healthySinceSequence === null || report.generation !== before.generation) {
    return undefined;
  }
  if (report.sequence <= healthySinceSequence) return undefined;
  return {
    healthySince: receivedAt,
    healthySinceSequence: sequence,
    healthBreaks: healthBreaks + 1,
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
      .select({
        ordinal: reportTable.epochOrdinal,
        sequence: reportTable.sequence,
        generation: reportTable.generation,
        phase: reportTable.phase,
        health: reportTable.health,
        terminal: reportTable.terminal,
        receivedAt: reportTable.receivedAt,
        healthySince: reportTable.healthySince,
        healthySinceSequence: reportTable.healthySinceSequence,
        healthBreaks: reportTable.healthBreaks,
      })
      .from(reportTable)
      .where(ofTarget(reportTable))
      .prepare(),
    changeHealth: orm
      .update(reportTable)
      .set({
        healthySince: sql`${sql.placeholder('healthySince')}`,
        healthySinceSequence: sql`${sql.placeholder('healthySinceSequence')}`,
        healthBreaks: sql`${sql.placeholder('healthBreaks')}`,
      })
      .where(ofTarget(reportTable))
      .prepare(),
    replace: (report: ReceivedReport, ordinal: number, healthyTime: HealthyTime): void => {
      const { cluster, objects, pipeline, stage } = report;
      put({ ...reportRow(report, ordinal), ...healthyTime });
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

function reportRow(
  report: ReceivedReport,
  epochOrdinal: number,
): Omit<typeof reportTable.$inferInsert, keyof HealthyTime> {
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
