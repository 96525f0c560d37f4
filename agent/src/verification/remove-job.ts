import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterError } from '../cluster/index.ts';
import { runLabel } from '../domain/verification/index.ts';
import { verificationRetryMsMax, verificationRetryMsMin } from '../limits.ts';
import { withRemedy } from '../reconcile/index.ts';
import type { Context } from './context.ts';
import type { JobReference } from './ports.ts';

/**
 * Removes the very Job of a run with its pods. Where the cluster does not let the agent, the Job goes by its own time
 * to live. Rejects when `signal` is aborted.
 */
export async function removeJob(
  { cluster, logger }: Context,
  { namespace, name, uid, account }: JobReference,
  signal: AbortSignal,
): Promise<void> {
  const address = { apiVersion: 'batch/v1', kind: 'Job', namespace, name };
  for (let tries = 0; ; tries++) {
    try {
      const known = uid || (await uidOfRun());
      if (known === '') return;
      const options = { uid: known, propagation: 'Background', as: account, signal } as const;
      await withRemedy(account, cluster.remove(address, options));
      return;
    } catch (error) {
      signal.throwIfAborted();
      const code = error instanceof ClusterError ? error.code : 'unavailable';
      // Another Job has the name by now: the one that was meant is gone.
      if (code === 'precondition_failed' || code === 'not_found') return;
      if (code !== 'unavailable') {
        const reason = (error as Error).message;
        logger.warn({ job: `${namespace}/${name}`, reason }, 'a Job stays until its time is over');
        return;
      }
    }
    const pauseMs = Math.min(verificationRetryMsMin * 2 ** tries, verificationRetryMsMax);
    await sleep(pauseMs, undefined, { signal });
  }

  /** The program ended between the intent and the answer, so only the label says whether there is a Job. */
  async function uidOfRun(): Promise<string> {
    const live = await withRemedy(account, cluster.get(address, signal, account));
    return live?.metadata.labels?.[runLabel] === undefined ? '' : (live.metadata.uid ?? '');
  }
}
