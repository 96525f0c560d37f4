import type { ClusterId, FreezeId } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Clock } from '@fairlead/shared/time';
import type { DecisionLog } from '../decision-log/index.ts';
import { readModelPollIntervalMs, readModelRetryMs } from '../limits.ts';
import { createBatchWriter, followLog, isOfLog, readCheckpoint } from './checkpoint.ts';
import { openDatabase } from './database.ts';
import { createFold, newBatch } from './fold/index.ts';
import { createOrm } from './orm.ts';
import { createQueries, type Queries } from './queries/index.ts';
import { replaceLogTables } from './rebuild.ts';
import { createRecordReports, type ReceivedReport, reportStreamSequence } from './reports.ts';
import {
  createRecordResults,
  createRecordSample,
  type NewSample,
  type ReceivedResult,
} from './results.ts';
import { createWaiters } from './waiters.ts';

export type ReadModelOptions = {
  readonly path: string;
  readonly log: DecisionLog;
  readonly logger: Logger;
  readonly clock: Clock;
};

/** What is new, for those who only then look again. */
export type ReadModelChange = {
  readonly position: number;
  /** Clusters that were added, removed, relabelled, or changed their status. */
  readonly registrations: ReadonlySet<ClusterId>;
  /** Clusters with a new or withdrawn assignment. */
  readonly assignments: ReadonlySet<ClusterId>;
  /** Pipelines with new events, or with reports by which a decision may differ. */
  readonly pipelines: ReadonlySet<string>;
  /** Freezes that were declared or lifted; what they say is folded from their stream. */
  readonly freezes: ReadonlySet<FreezeId>;
  /** Tokens that were issued or revoked. */
  readonly tokens: ReadonlySet<string>;
  /** Of those that have new events, the positions of the first and the last; what has new reports alone is not in it. */
  readonly spans: ReadonlyMap<string, { readonly first: number; readonly last: number }>;
  /** Pipelines with a new definition. */
  readonly defined: ReadonlySet<string>;
  /** Repositories that were defined or removed. */
  readonly repositories: ReadonlySet<string>;
};

const nothing: Omit<ReadModelChange, 'position'> = {
  registrations: new Set(),
  assignments: new Set(),
  pipelines: new Set(),
  spans: new Map(),
  defined: new Set(),
  repositories: new Set(),
  freezes: new Set(),
  tokens: new Set(),
};

export type ReadModel = Queries & {
  /** Of the last entry of the log that every query shows. */
  readonly position: () => number;
  /** Milliseconds since a look at the log left nothing to fold. */
  readonly lagMs: () => number;
  /** True once queries show the log up to `position`; false when the time is up first. */
  readonly waitFor: (position: number, timeoutMs: number) => Promise<boolean>;
  /** Folds what the log has now. */
  readonly catchUp: () => Promise<void>;
  readonly onChanged: (listener: (change: ReadModelChange) => void) => () => void;
  /** Folds the whole log again, beside the tables in use, and then replaces them in one step. */
  readonly rebuild: () => Promise<void>;
  /** One transaction; `streamSequence` is that of the last message taken from the stream of reports. */
  readonly recordReports: (
    reports: readonly ReceivedReport[],
    streamSequence: number,
    results?: readonly ReceivedResult[],
  ) => void;
  /** A measurement of the hub's own, for an analysis that is open. */
  readonly recordSample: (sample: NewSample) => void;
  readonly reportStreamSequence: () => number;
  readonly close: () => Promise<void>;
} & AsyncDisposable;

/**
 * Opens the file, or makes it, and folds the log up to its head before it returns: no query ever shows a fleet that is
 * only half read, in which an absent row would look like a removal.
 */
export async function openReadModel(options: ReadModelOptions): Promise<ReadModel> {
  const { path, log, logger, clock } = options;
  const database = openDatabase(path, logger);
  const orm = createOrm(database);
  const queries = createQueries(orm);
  const write = createBatchWriter(database, createFold(orm));
  const waiters = createWaiters();
  const listeners = new Set<(change: ReadModelChange) => void>();
  let checkpoint = readCheckpoint(database) as { position: number; hash: string };
  let caughtUpAt = clock.now();
  let clusterSnapshots: ReturnType<Queries['clusterSnapshots']> | undefined;
  let closed = false;

  const publish = (change: Omit<ReadModelChange, 'position'>) => {
    waiters.reached(checkpoint.position);
    // Decisions look at the whole fleet each time, and it changes rarely.
    if (change.registrations.size > 0) clusterSnapshots = undefined;
    const { registrations, assignments, pipelines, spans, defined, repositories } = change;
    const { freezes, tokens } = change;
    const { position } = checkpoint;
    const told = { position, registrations, assignments, pipelines, spans };
    for (const listener of listeners) {
      try {
        listener({ ...told, defined, repositories, freezes, tokens });
      } catch (error) {
        logger.error({ err: error }, 'a listener of the read model failed');
      }
    }
  };

  const follow = async () => {
    await followLog({
      log,
      from: checkpoint,
      newBatch: () => newBatch(orm),
      write,
      onBatch: (reached, batch) => {
        checkpoint = reached;
        publish(batch);
      },
      stopped: () => closed,
    });
    caughtUpAt = clock.now();
  };

  const refold = async () => {
    checkpoint = await replaceLogTables(database, { path, log, logger });
    clusterSnapshots = undefined;
    const everyCluster = new Set(queries.allClusters().map(({ id }) => id));
    const everyPipeline = new Set<string>(queries.pipelineNames());
    publish({
      ...nothing,
      registrations: everyCluster,
      assignments: everyCluster,
      pipelines: everyPipeline,
      defined: everyPipeline,
      repositories: new Set(queries.allRepositories().map(({ name }) => name)),
    });
    await follow();
  };

  const exclusively = oneAtATime(() => closed);
  try {
    await exclusively(async () => {
      if (await isOfLog(database, log)) return follow();
      logger.warn({ path }, 'the read model is of another log or program and is folded anew');
      return refold();
    });
  } catch (error) {
    database.close();
    throw error;
  }

  const follower = keepFollowing({ log, logger, follow: () => exclusively(follow) });
  const recordReports = createRecordReports(orm);
  const recordResults = createRecordResults(orm);
  const takeReports = database.transaction(
    (
      reports: readonly ReceivedReport[],
      streamSequence: number,
      results: readonly ReceivedResult[],
    ) => {
      const taken = recordResults(results);
      const reported = recordReports(reports, streamSequence);
      return { ...taken, pipelines: new Set([...reported, ...taken.pipelines]) };
    },
  );
  const takeSample = database.transaction(createRecordSample(orm));
  const close = async () => {
    if (closed) return;
    closed = true;
    follower.stop();
    listeners.clear();
    waiters.close();
    await exclusively(async () => undefined);
    database.close();
  };

  return {
    ...queries,
    clusterSnapshots: () => {
      clusterSnapshots ??= queries.clusterSnapshots();
      return clusterSnapshots;
    },
    position: () => checkpoint.position,
    lagMs: () => clock.now() - caughtUpAt,
    waitFor: async (position, timeoutMs) => {
      if (position <= checkpoint.position) return true;
      if (closed) return false;
      follower.wake();
      return waiters.waitFor(position, timeoutMs);
    },
    catchUp: () => exclusively(follow),
    onChanged: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    rebuild: () => exclusively(refold),
    recordSample: (sample) => {
      const pipeline = takeSample.immediate(sample);
      if (pipeline === undefined) return;
      publish({ ...nothing, pipelines: new Set([pipeline]) });
    },
    recordReports: (reports, streamSequence, results = []) => {
      const { pipelines, ignored } = takeReports.immediate(reports, streamSequence, results);
      for (const { result, reason } of ignored) {
        const { runId, cluster, outcome } = result;
        logger.warn({ runId, cluster, outcome, reason }, 'a result of a verification is ignored');
      }
      if (pipelines.size === 0) return;
      publish({ ...nothing, pipelines });
    },
    reportStreamSequence: () => reportStreamSequence(orm),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Queues work so that no two run at once; a failure is its caller's alone. */
function oneAtATime(stopped: () => boolean) {
  let last: Promise<void> = Promise.resolve();
  return (work: () => Promise<void>): Promise<void> => {
    const mine = last.then(() => (stopped() ? undefined : work()));
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** Follows at each append of this process, and by time for appends of others and after a failure. */
function keepFollowing(options: {
  readonly log: DecisionLog;
  readonly logger: Logger;
  readonly follow: () => Promise<void>;
}) {
  const { log, logger, follow } = options;
  let due = false;
  let stopped = false;
  let notBefore = 0;

  const wake = () => {
    if (due || stopped) return;
    due = true;
    // Appends of one turn of the event loop are folded together.
    setImmediate(() => {
      due = false;
      if (stopped) return;
      follow().catch((error) => {
        notBefore = performance.now() + readModelRetryMs;
        logger.error({ err: error }, 'the read model could not follow the log and tries again');
      });
    });
  };
  const unsubscribe = log.onAppended(wake);
  const timer = setInterval(() => {
    if (performance.now() >= notBefore) wake();
  }, readModelPollIntervalMs);
  timer.unref();
  return {
    wake,
    stop: () => {
      stopped = true;
      unsubscribe();
      clearInterval(timer);
    },
  };
}
