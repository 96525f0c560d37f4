import type { Logger } from '@fairlead/shared/log';
import type { Clock, Random } from '@fairlead/shared/time';
import type { Journal } from '../journal/index.ts';
import { linkBackoffMsMax, linkBackoffMsMin, verificationResendMs } from '../limits.ts';
import type { BusSession } from './bus.ts';
import { createBackoff, type Pulse, pause } from './pause.ts';
import { encodeResult } from './wire-verification.ts';

export type ResultPumpDependencies = {
  readonly journal: Pick<Journal, 'pendingResults' | 'markResultSent' | 'agentEpoch' | 'durable'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Pulsed when a result waits. */
  readonly changed: Pulse;
};

const resultsInRowMax = 16;

/**
 * Publishes results of verification runs, one after the other. A result stays in the journal until the hub no longer lists
 * its run; each time it is queued again it goes under another message id, because the bus drops one that it has seen.
 */
export function createResultPump({
  journal,
  clock,
  random,
  logger,
  changed,
}: ResultPumpDependencies) {
  return async (session: BusSession, signal: AbortSignal): Promise<void> => {
    const backoff = createBackoff(linkBackoffMsMin, linkBackoffMsMax, random);
    while (!signal.aborted) {
      const pending = journal.pendingResults(resultsInRowMax);
      if (pending.length === 0) {
        await changed.wait(verificationResendMs, signal);
        continue;
      }
      try {
        // What was said of a run must still be known after a power cut.
        await journal.durable();
        for (const { result, tries } of pending) {
          const epoch = journal.agentEpoch();
          const id = `${session.clusterId}/${epoch}/result/${result.runId}/${tries}`;
          const payload = encodeResult(result, { epoch, nowMs: clock.now() });
          await session.publishStored('report', payload, id);
          journal.markResultSent(result.runId, tries);
        }
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ reason: String(error) }, 'results of verifications are not taken by the bus');
        await pause(backoff.next(), signal);
      }
    }
  };
}
