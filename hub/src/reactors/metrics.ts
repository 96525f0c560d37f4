import type { Logger } from '@fairlead/shared/log';
import type { Clock, Instant } from '@fairlead/shared/time';
import { samplesWanted } from '../domain/promotion/index.ts';
import { metricIntervalMsMin, metricQueriesInFlightMax, metricSweepMs } from '../limits.ts';
import type { ReadMetric } from '../metric-source/index.ts';
import type { NewSample, OpenAnalysis } from '../read-model/index.ts';
import { createReactor } from './reactor.ts';

export type MetricReactorOptions = {
  /** Those that want samples, with how many they have and when the last was taken. */
  readonly openAnalyses: () => readonly OpenAnalysis[];
  readonly recordSample: (sample: NewSample) => void;
  readonly read: ReadMetric;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

export type MetricReactor = { readonly wake: () => void; readonly stopped: Promise<void> };

/**
 * Takes a sample for each open analysis at its interval, the first one interval after its start. Nothing is remembered
 * here: what is due follows from the samples that are stored, so a restart goes on where the last sample was.
 */
export function createMetricReactor(options: MetricReactorOptions): MetricReactor {
  const { openAnalyses, recordSample, read, clock, signal, logger } = options;
  const inFlight = new Map<string, Promise<void>>();

  const take = async ({ runId, rule, pipeline, stage }: OpenAnalysis): Promise<void> => {
    const at = clock.now();
    const { value, message } = await read(rule, signal);
    if (signal.aborted) return;
    recordSample({ runId, at, message, ...(value === undefined ? {} : { value }) });
    if (message !== '') {
      logger.warn(
        { pipeline, stage, metric: rule.name, reason: message },
        'a metric has no number',
      );
    }
  };

  const reactor = createReactor({
    name: 'metrics',
    signal,
    logger,
    run: async () => {
      const now = clock.now();
      let nextAt = now + metricSweepMs;
      for (const analysis of openAnalyses()) {
        const { runId, rule, samplesTotal } = analysis;
        if (inFlight.has(runId) || samplesTotal >= samplesWanted(rule)) continue;
        const at = dueAt(analysis);
        if (at > now) nextAt = Math.min(nextAt, at);
        else if (inFlight.size < metricQueriesInFlightMax) {
          const taken = take(analysis)
            .catch((error) => logger.error({ err: error, runId }, 'a sample was not stored'))
            .finally(() => {
              inFlight.delete(runId);
              reactor.wake();
            });
          inFlight.set(runId, taken);
        }
      }
      return nextAt - now;
    },
  });
  return {
    wake: reactor.wake,
    stopped: reactor.stopped.then(async () => {
      await Promise.allSettled(inFlight.values());
    }),
  };
}

const dueAt = ({ rule, startedAt, sampledAt }: OpenAnalysis): Instant =>
  (sampledAt ?? startedAt) + Math.max(rule.intervalMs, metricIntervalMsMin);
