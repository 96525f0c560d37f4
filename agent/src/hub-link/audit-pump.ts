import type { Logger } from '@fairlead/shared/log';
import type { Clock, Random } from '@fairlead/shared/time';
import type { Journal } from '../journal/index.ts';
import {
  auditResendMs,
  auditResendMsMax,
  auditRoundMsMin,
  auditWindowEventsMax,
  busEnvelopeBytesMax,
  busMessageBytesMax,
  linkBackoffMsMax,
  linkBackoffMsMin,
} from '../limits.ts';
import type { BusSession } from './bus.ts';
import { createBackoff, type Pulse, pause } from './pause.ts';
import { encodeAudit } from './wire.ts';

export type AuditPumpDependencies = {
  readonly journal: Pick<Journal, 'readAudit' | 'firstAuditSequence' | 'agentEpoch' | 'durable'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Pulsed when events are appended and when the hub's watermark moves. */
  readonly changed: Pulse;
  readonly resendMs?: number;
};

/**
 * Publishes audit events in order, one message at a time, and the next one only when the hub has the events of this one
 * in its log. So a lost store of the bus costs a re-send and never a gap, and the hub sees each source in order.
 */
export function createAuditPump(dependencies: AuditPumpDependencies) {
  const { journal, clock, random, logger, changed } = dependencies;
  const resendMs = dependencies.resendMs ?? auditResendMs;

  return async (session: BusSession, signal: AbortSignal): Promise<void> => {
    const backoff = createBackoff(linkBackoffMsMin, linkBackoffMsMax, random);
    let sent:
      | { epoch: string; first: number; last: number; atMs: number; tries: number }
      | undefined;
    let roundAtMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      const epoch = journal.agentEpoch();
      const first = journal.firstAuditSequence();
      if (first === undefined) {
        sent = undefined;
        await changed.wait(resendMs, signal);
        continue;
      }
      const again = sent?.epoch === epoch && sent.first === first ? sent : undefined;
      const waitMs =
        again === undefined
          ? 0
          : again.atMs + Math.min(auditResendMsMax, resendMs * 2 ** again.tries) - clock.now();
      if (waitMs > 0) {
        await changed.wait(waitMs, signal);
        continue;
      }
      // An event that stands alone goes at once; what comes close behind it goes together. Bounded, as a clock may go back.
      const sinceRoundMs = Math.max(0, clock.now() - roundAtMs);
      if (sinceRoundMs < auditRoundMsMin) await pause(auditRoundMsMin - sinceRoundMs, signal);
      if (signal.aborted) return;
      roundAtMs = clock.now();
      const records = journal.readAudit({
        after: 0,
        eventsMax: auditWindowEventsMax,
        bytesMax: busMessageBytesMax - busEnvelopeBytesMax,
      });
      const batch = encodeAudit(records, epoch);
      const tries = again === undefined ? 0 : again.tries + 1;
      // Within its window the bus drops an id that it saw, and the hub would not be asked for its watermark again.
      const suffix = tries === 0 ? '' : `/again-${tries}`;
      const messageId = `${session.clusterId}/${epoch}/audit/${first}${suffix}`;
      try {
        // A sequence that was sent must never be given again, not even after a power cut.
        await journal.durable();
        await session.publishStored('audit', batch.payload, messageId);
        sent = { epoch, first, last: batch.lastSequence, atMs: clock.now(), tries };
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ reason: String(error), first }, 'audit events are not taken by the bus');
        await pause(backoff.next(), signal);
      }
    }
  };
}
