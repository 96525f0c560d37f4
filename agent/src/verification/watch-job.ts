import type { KubernetesObject } from '@fairlead/shared/manifest';
import { jobEnd, runLabel, type VerificationEnd } from '../domain/verification/index.ts';
import { verificationLookMs } from '../limits.ts';
import { withRemedy } from '../reconcile/index.ts';
import type { Context } from './context.ts';
import type { StartedRun } from './start-job.ts';

/**
 * Resolves when the Job has ended, was deleted, or its time is over. The watch tells of it at once; a look now and then is
 * for what a watch misses, and decides whether the Job is gone: a list may be older than the Job. Rejects when `signal`
 * is aborted.
 */
export async function watchJob(
  context: Context,
  started: StartedRun,
  { untilMs, signal }: { readonly untilMs: number; readonly signal: AbortSignal },
): Promise<VerificationEnd> {
  const { cluster, clock, logger } = context;
  const { job, run } = started;
  const stop = new AbortController();
  let seen: KubernetesObject | undefined;
  let mayBeGone = false;
  let news = Promise.withResolvers<void>();
  cluster.watch(
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      namespace: job.namespace,
      labelSelector: `${runLabel}=${run.runId}`,
      signal: AbortSignal.any([signal, stop.signal]),
    },
    (event) => {
      if (event.type === 'present' || event.type === 'changed') seen = event.object;
      else if (event.type === 'gone' || event.type === 'listed') mayBeGone = true;
      else return;
      news.resolve();
    },
  );
  try {
    for (;;) {
      const end = seen && jobEnd(seen);
      if (end) return end;
      if (mayBeGone) {
        mayBeGone = false;
        const looked = await look(context, started, signal);
        if (looked !== 'unknown') {
          if (looked?.metadata.uid !== job.uid) return gone;
          seen = looked;
          continue;
        }
        logger.warn({ run: run.runId }, 'the Job of a verification cannot be looked at');
      }
      const leftMs = untilMs - clock.now();
      if (leftMs <= 0) return timeUp(run.timeoutMs);
      if (await silence(news.promise, Math.min(leftMs, verificationLookMs), signal)) {
        mayBeGone = true;
      }
      news = Promise.withResolvers();
    }
  } finally {
    stop.abort();
  }
}

const gone: VerificationEnd = {
  outcome: 'inconclusive',
  message: 'the Job was deleted before it ended',
};

const timeUp = (timeoutMs: number): VerificationEnd => ({
  outcome: 'inconclusive',
  message: `the Job had not ended after ${timeoutMs / 1_000} s and was stopped`,
});

async function look(
  { cluster }: Context,
  { job }: StartedRun,
  signal: AbortSignal,
): Promise<KubernetesObject | undefined | 'unknown'> {
  const { namespace, name, account } = job;
  const address = { apiVersion: 'batch/v1', kind: 'Job', namespace, name };
  try {
    return await withRemedy(account, cluster.get(address, signal, account));
  } catch {
    signal.throwIfAborted();
    return 'unknown';
  }
}

/** True when nothing was heard for so long. */
function silence(news: Promise<void>, waitMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve(true);
    }, waitMs);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    news.then(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      resolve(false);
    });
  });
}
