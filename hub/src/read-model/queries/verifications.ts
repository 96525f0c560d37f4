import type { ClusterId, CommitId, PipelineName, RunId, StageName } from '@fairlead/shared/ids';
import { and, asc, count, desc, eq, gt, inArray, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import type { MetricSample, VerificationResult } from '../../domain/promotion/index.ts';
import type { VerificationOrder } from '../../domain/rollout/index.ts';
import { verificationRunsListedMax } from '../../limits.ts';
import type { Orm } from '../orm.ts';
import {
  metricAnalysisTable,
  metricSampleTable,
  verificationResultTable,
  verificationRunTable,
} from '../schema.ts';
import { afterNumber, afterText, type Page, type PageRequest, pageOf } from './page.ts';

export type VerificationRunView = typeof verificationRunTable.$inferSelect & {
  /** What the agent said, also where the hub had given the run up. */
  readonly result?: Omit<typeof verificationResultTable.$inferSelect, 'logTail'>;
};
export type VerificationFilter = {
  readonly pipeline?: string;
  readonly stage?: string;
  readonly commit?: string;
};
export type OpenAnalysis = Pick<
  typeof metricAnalysisTable.$inferSelect,
  'runId' | 'rule' | 'startedAt'
> & {
  readonly pipeline: PipelineName;
  readonly stage: StageName;
  readonly commit: CommitId;
  readonly samplesTotal: number;
  readonly sampledAt?: number;
};

export function verificationQueries(orm: Orm) {
  const { logTail: _, ...resultColumns } = {
    runId: verificationResultTable.runId,
    clusterId: verificationResultTable.clusterId,
    outcome: verificationResultTable.outcome,
    message: verificationResultTable.message,
    logTail: verificationResultTable.logTail,
    logTruncated: verificationResultTable.logTruncated,
    receivedAt: verificationResultTable.receivedAt,
  };
  const viewOf = (row: {
    run: typeof verificationRunTable.$inferSelect;
    result: VerificationRunView['result'] | null;
  }): VerificationRunView => ({ ...row.run, ...(row.result ? { result: row.result } : {}) });
  const ofRun = eq(verificationResultTable.runId, verificationRunTable.runId);

  // Every look at a pipeline and every agent's watch asks these, so they are prepared.
  const ordersOf = orm
    .select({ order: verificationRunTable.order })
    .from(verificationRunTable)
    .where(
      and(
        eq(verificationRunTable.clusterId, sql.placeholder('cluster')),
        isNull(verificationRunTable.endedAt),
        gt(verificationRunTable.deadlineAt, sql.placeholder('at')),
      ),
    )
    .orderBy(asc(verificationRunTable.startedAt), asc(verificationRunTable.runId))
    .limit(verificationRunsListedMax)
    .prepare();
  const resultsOf = orm
    .select({ result: verificationResultTable })
    .from(verificationRunTable)
    .innerJoin(verificationResultTable, ofRun)
    .where(
      and(
        eq(verificationRunTable.pipeline, sql.placeholder('pipeline')),
        isNull(verificationRunTable.endedAt),
      ),
    )
    .prepare();
  const openAnalyses = orm
    .select({
      runId: metricAnalysisTable.runId,
      pipeline: sql<PipelineName>`${metricAnalysisTable.pipeline}`,
      stage: sql<StageName>`${metricAnalysisTable.stage}`,
      commit: sql<CommitId>`${metricAnalysisTable.commit}`,
      rule: metricAnalysisTable.rule,
      startedAt: metricAnalysisTable.startedAt,
      samplesTotal: count(metricSampleTable.ordinal),
      sampledAt: sql<number | null>`max(${metricSampleTable.at})`,
    })
    .from(metricAnalysisTable)
    .leftJoin(metricSampleTable, eq(metricSampleTable.runId, metricAnalysisTable.runId))
    .where(isNull(metricAnalysisTable.endedAt))
    .groupBy(metricAnalysisTable.runId)
    .prepare();
  const openAnalysesOf = orm
    .select({ runId: metricAnalysisTable.runId })
    .from(metricAnalysisTable)
    .where(
      and(
        eq(metricAnalysisTable.pipeline, sql.placeholder('pipeline')),
        isNull(metricAnalysisTable.endedAt),
      ),
    )
    .prepare();

  return {
    /** What the cluster's agent is to run or to report on, oldest first; what is past its deadline is listed no more. */
    verificationOrdersOf: (cluster: ClusterId, at: number): VerificationOrder[] =>
      ordersOf.all({ cluster, at }).map(({ order }) => order),

    /** Results of runs that the core has not ended. */
    verificationResultsOf: (pipeline: PipelineName): VerificationResult[] =>
      resultsOf
        .all({ pipeline })
        .map(({ result: { runId, clusterId, outcome, message, receivedAt } }) => ({
          runId: runId as RunId,
          cluster: clusterId,
          outcome,
          message,
          receivedAt,
        })),

    /** Newest first. */
    listVerificationRuns: (
      filter: VerificationFilter,
      page: PageRequest,
    ): Page<VerificationRunView> => {
      const { pipeline, stage, commit } = filter;
      const table = verificationRunTable;
      const before = afterNumber(page, Number.MAX_SAFE_INTEGER);
      const conditions: (SQL | undefined)[] = [
        pipeline === undefined ? undefined : eq(table.pipeline, pipeline),
        stage === undefined ? undefined : eq(table.stage, stage),
        commit === undefined ? undefined : eq(table.commit, commit),
        or(
          lt(table.startedAt, before),
          and(eq(table.startedAt, before), gt(table.runId, afterText(page, 1))),
        ),
      ];
      const rows = orm
        .select({ run: table, result: resultColumns })
        .from(table)
        .leftJoin(verificationResultTable, ofRun)
        .where(and(...conditions))
        .orderBy(desc(table.startedAt), asc(table.runId))
        .limit(page.limit + 1)
        .all();
      return pageOf(rows.map(viewOf), page.limit, ({ startedAt, runId }) => [startedAt, runId]);
    },

    findVerificationRun: (
      runId: string,
    ): (VerificationRunView & { readonly logTail?: string }) | undefined => {
      const row = orm
        .select({ run: verificationRunTable, result: verificationResultTable })
        .from(verificationRunTable)
        .leftJoin(verificationResultTable, ofRun)
        .where(eq(verificationRunTable.runId, runId))
        .get();
      if (row === undefined) return undefined;
      const { run, result } = row;
      return result ? { ...viewOf({ run, result }), logTail: result.logTail } : run;
    },

    /** Analyses that the hub is to take samples for, with what it has. */
    openAnalyses: (): OpenAnalysis[] =>
      openAnalyses.all().map(({ sampledAt, ...analysis }) => ({
        ...analysis,
        ...(sampledAt === null ? {} : { sampledAt }),
      })),

    /** Of analyses that have not ended, oldest first. */
    metricSamplesOf: (pipeline: PipelineName): MetricSample[] => {
      const open = openAnalysesOf.all({ pipeline });
      if (open.length === 0) return [];
      const ids = open.map(({ runId }) => runId);
      return orm
        .select()
        .from(metricSampleTable)
        .where(inArray(metricSampleTable.runId, ids))
        .orderBy(asc(metricSampleTable.runId), asc(metricSampleTable.ordinal))
        .all()
        .map(({ runId, at, value, message }) => ({
          runId: runId as RunId,
          at,
          message,
          ...(value === null ? {} : { value }),
        }));
    },
  };
}
