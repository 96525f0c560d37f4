import type { ClusterId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import { and, desc, eq, inArray, isNotNull, lt, ne, sql } from 'drizzle-orm';
import type { RunOutcome } from '../domain/promotion/verification/events.ts';
import { metricSamplesKeptMs, verificationLogsKeptMax } from '../limits.ts';
import type { Orm } from './orm.ts';
import {
  metricAnalysisTable,
  metricSampleTable,
  verificationResultTable,
  verificationRunTable,
} from './schema.ts';

/** What an agent said of a run, as it was received. */
export type ReceivedResult = {
  readonly runId: string;
  readonly cluster: ClusterId;
  readonly outcome: RunOutcome;
  readonly message: string;
  readonly logTail: string;
  readonly logTruncated: boolean;
  readonly receivedAt: Instant;
};

export type TakenResults = {
  readonly pipelines: ReadonlySet<string>;
  /** What was no result of anything, and why, for the hub's own log. */
  readonly ignored: readonly { readonly result: ReceivedResult; readonly reason: string }[];
};

/**
 * Keeps the first word about each run, of the cluster that was to run it, while it was open. Whatever else an agent says is
 * passed over, so that a result of an old run, of another cluster or of no run changes nothing. Runs inside the caller's
 * transaction, and gives the same when the stream is read again: by the broker's time, not by that of the reading.
 */
export function createRecordResults(orm: Orm) {
  const faultOf = ({ runId, cluster, receivedAt }: ReceivedResult) => {
    const run = orm
      .select()
      .from(verificationRunTable)
      .where(eq(verificationRunTable.runId, runId))
      .get();
    if (run === undefined) return { reason: 'there is no such run' };
    if (run.clusterId !== cluster) return { reason: 'the run belongs to another cluster' };
    if (receivedAt > run.deadlineAt) return { reason: 'it came after the deadline of the run' };
    if (run.endedAt !== null && receivedAt > run.endedAt) return { reason: 'the run has ended' };
    return { pipeline: run.pipeline };
  };
  return (results: readonly ReceivedResult[]): TakenResults => {
    const pipelines = new Set<string>();
    const ignored: { result: ReceivedResult; reason: string }[] = [];
    for (const result of results) {
      const { reason, pipeline } = faultOf(result);
      if (pipeline === undefined) {
        ignored.push({ result, reason });
        continue;
      }
      const { cluster: clusterId, ...values } = result;
      const { changes } = orm
        .insert(verificationResultTable)
        .values({ clusterId, ...values })
        .onConflictDoNothing()
        .run();
      if (changes === 0) continue;
      pipelines.add(pipeline);
      forgetOldLogs(orm, pipeline);
    }
    return { pipelines, ignored };
  };
}

/** Logs are large and old ones are read by nobody; that there was a result stays. */
function forgetOldLogs(orm: Orm, pipeline: string): void {
  const old = orm
    .select({ runId: verificationRunTable.runId })
    .from(verificationRunTable)
    .where(eq(verificationRunTable.pipeline, pipeline))
    .orderBy(desc(verificationRunTable.startedAt), desc(verificationRunTable.runId))
    .limit(Number.MAX_SAFE_INTEGER)
    .offset(verificationLogsKeptMax);
  orm
    .update(verificationResultTable)
    .set({ logTail: '', logTruncated: true })
    .where(
      and(ne(verificationResultTable.logTail, ''), inArray(verificationResultTable.runId, old)),
    )
    .run();
}

export type NewSample = {
  readonly runId: string;
  readonly at: Instant;
  readonly value?: number;
  readonly message: string;
};

/** Adds a sample to an analysis that is open. Samples of those that ended long ago go with it. */
export function createRecordSample(orm: Orm) {
  return ({ runId, at, value, message }: NewSample): string | undefined => {
    const analysis = orm
      .select({ pipeline: metricAnalysisTable.pipeline, endedAt: metricAnalysisTable.endedAt })
      .from(metricAnalysisTable)
      .where(eq(metricAnalysisTable.runId, runId))
      .get();
    if (analysis === undefined || analysis.endedAt !== null) return undefined;
    const ordinal = sql<number>`(SELECT coalesce(max(ordinal), 0) + 1 FROM metric_samples WHERE run_id = ${runId})`;
    orm
      .insert(metricSampleTable)
      .values({ runId, ordinal, at, value: value ?? null, message })
      .run();
    const ended = orm
      .select({ runId: metricAnalysisTable.runId })
      .from(metricAnalysisTable)
      .where(
        and(
          isNotNull(metricAnalysisTable.endedAt),
          lt(metricAnalysisTable.endedAt, at - metricSamplesKeptMs),
        ),
      );
    orm.delete(metricSampleTable).where(inArray(metricSampleTable.runId, ended)).run();
    return analysis.pipeline;
  };
}
