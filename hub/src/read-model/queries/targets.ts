import type { CommitId, StageName } from '@fairlead/shared/ids';
import { and, asc, eq, isNull, ne, or, type SQL, sql } from 'drizzle-orm';
import type { TargetReport } from '../../domain/promotion/index.ts';
import type { Assignment } from '../../domain/rollout/index.ts';
import type { Orm } from '../orm.ts';
import { clusterTable, reportObjectTable, reportTable, targetTable } from '../schema.ts';
import { afterText, type Page, type PageRequest, pageOf } from './page.ts';

export type ReportView = typeof reportTable.$inferSelect;
export type ReportObjectView = typeof reportObjectTable.$inferSelect;
export type TargetView = {
  readonly target: typeof targetTable.$inferSelect;
  readonly cluster?: typeof clusterTable.$inferSelect;
  readonly report?: ReportView;
  readonly objects: ReportObjectView[];
};
export type DatedAssignmentView = {
  readonly assignment: Assignment;
  readonly assignedAt: number;
  readonly reportedGeneration: number | null;
};
export type TargetFilter =
  | { readonly pipeline: string; readonly stage: string }
  | { readonly cluster: string }
  /** What is left in place, or being deleted, after its pipeline, stage or label went. */
  | {
      readonly orphans: true;
      readonly pipeline?: string;
      readonly stage?: string;
      readonly cluster?: string;
    };

export function targetQueries(orm: Orm) {
  const ofCluster = orm
    .select({
      assignment: targetTable.assignment,
      assignedAt: targetTable.assignedAt,
      reportedGeneration: reportTable.generation,
    })
    .from(targetTable)
    .leftJoin(
      reportTable,
      and(
        eq(reportTable.clusterId, targetTable.clusterId),
        eq(reportTable.pipeline, targetTable.pipeline),
        eq(reportTable.stage, targetTable.stage),
      ),
    )
    .where(eq(targetTable.clusterId, sql.placeholder('cluster')))
    .orderBy(asc(targetTable.pipeline), asc(targetTable.stage))
    .prepare();
  const one = orm
    .select({ assignment: targetTable.assignment })
    .from(targetTable)
    .where(
      and(
        eq(targetTable.clusterId, sql.placeholder('cluster')),
        eq(targetTable.pipeline, sql.placeholder('pipeline')),
        eq(targetTable.stage, sql.placeholder('stage')),
      ),
    )
    .prepare();
  const ofPipeline = orm
    .select()
    .from(reportTable)
    .where(eq(reportTable.pipeline, sql.placeholder('pipeline')))
    .orderBy(asc(reportTable.stage), asc(reportTable.clusterId))
    .prepare();
  const objects = orm
    .select()
    .from(reportObjectTable)
    .where(
      and(
        eq(reportObjectTable.clusterId, sql.placeholder('cluster')),
        eq(reportObjectTable.pipeline, sql.placeholder('pipeline')),
        eq(reportObjectTable.stage, sql.placeholder('stage')),
      ),
    )
    .orderBy(asc(reportObjectTable.ordinal))
    .prepare();

  return {
    /** Of every disposition: a withdrawn one is still what the agent must hear of. */
    assignmentsOf: (cluster: string): Assignment[] =>
      ofCluster.all({ cluster }).map(({ assignment }) => assignment),
    /** The same, with when each was assigned and the newest generation that its target has reported on. */
    datedAssignmentsOf: (cluster: string): DatedAssignmentView[] => ofCluster.all({ cluster }),
    assignment: (cluster: string, pipeline: string, stage: string): Assignment | undefined =>
      one.get({ cluster, pipeline, stage })?.assignment,
    /** The newest report of each of the pipeline's targets. */
    snapshotOf: (pipeline: string): TargetReport[] =>
      ofPipeline.all({ pipeline }).map(targetReport),
    listTargets: (filter: TargetFilter, page: PageRequest): Page<TargetView> => {
      const { items, next } = targetRows(orm, filter, page);
      const views = items.map(({ target, cluster, report }) => ({
        target,
        ...(cluster === null ? {} : { cluster }),
        ...(report === null ? {} : { report }),
        objects:
          report === null
            ? []
            : objects.all({
                cluster: target.clusterId,
                pipeline: target.pipeline,
                stage: target.stage,
              }),
      }));
      return { items: views, ...(next ? { next } : {}) };
    },
  };
}

function targetRows(orm: Orm, filter: TargetFilter, page: PageRequest) {
  const key = [0, 1, 2, 3].map((index) => afterText(page, index));
  const conditions = conditionsOf(filter);
  // A removed cluster's row stays for the audit; it is listed only while something of the target is still to be told.
  conditions.push(or(isNull(clusterTable.removedAt), sql`${targetTable.disposition} <> 'run'`));
  conditions.push(
    sql`(${targetTable.clusterName}, ${targetTable.pipeline}, ${targetTable.stage},
      ${targetTable.clusterId}) > (${key[0]}, ${key[1]}, ${key[2]}, ${key[3]})`,
  );
  const rows = orm
    .select({ target: targetTable, cluster: clusterTable, report: reportTable })
    .from(targetTable)
    .leftJoin(clusterTable, eq(clusterTable.id, targetTable.clusterId))
    .leftJoin(
      reportTable,
      and(
        eq(reportTable.clusterId, targetTable.clusterId),
        eq(reportTable.pipeline, targetTable.pipeline),
        eq(reportTable.stage, targetTable.stage),
      ),
    )
    .where(and(...conditions))
    .orderBy(
      asc(targetTable.clusterName),
      asc(targetTable.pipeline),
      asc(targetTable.stage),
      asc(targetTable.clusterId),
    )
    .limit(page.limit + 1)
    .all();
  return pageOf(rows, page.limit, ({ target }) => [
    target.clusterName,
    target.pipeline,
    target.stage,
    target.clusterId,
  ]);
}

function conditionsOf(filter: TargetFilter): (SQL | undefined)[] {
  if (!('orphans' in filter)) {
    return 'cluster' in filter
      ? [eq(targetTable.clusterName, filter.cluster), isNull(clusterTable.removedAt)]
      : [eq(targetTable.pipeline, filter.pipeline), eq(targetTable.stage, filter.stage)];
  }
  const { pipeline, stage, cluster } = filter;
  return [
    ne(targetTable.disposition, 'run'),
    ne(targetTable.cause, 'deleted'),
    ...(pipeline === undefined ? [] : [eq(targetTable.pipeline, pipeline)]),
    ...(stage === undefined ? [] : [eq(targetTable.stage, stage)]),
    ...(cluster === undefined ? [] : [eq(targetTable.clusterName, cluster)]),
  ];
}

function targetReport(row: ReportView): TargetReport {
  return {
    stage: row.stage as StageName,
    cluster: row.clusterId,
    agentEpoch: row.agentEpoch,
    sequence: row.sequence,
    generation: row.generation,
    commit: row.commit as CommitId,
    phase: row.phase,
    health: row.health,
    message: row.message,
    terminal: row.terminal,
    receivedAt: row.receivedAt,
    ...(row.healthySince === null ? {} : { healthySince: row.healthySince }),
    healthBreaks: row.healthBreaks,
    objectsTotal: row.objectsTotal,
    pruneHeldObjects: row.pruneHeldObjects,
    pruneHeldDigest: row.pruneHeldDigest,
  };
}
