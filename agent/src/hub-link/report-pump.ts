import type { Logger } from '@fairlead/shared/log';
import type { Clock, Random } from '@fairlead/shared/time';
import type { Journal, ReportRecord } from '../journal/index.ts';
import {
  linkBackoffMsMax,
  linkBackoffMsMin,
  reportBurstMax,
  reportIntervalMs,
  reportRoundCrowdedMsMin,
  reportRoundMsMin,
  reportsInFlightMax,
  reportsPerSecondCrowdedMin,
} from '../limits.ts';
import type { BusSession } from './bus.ts';
import { createBackoff, type Pulse, pause } from './pause.ts';
import { encodeReport } from './wire.ts';

export type ReportPumpDependencies = {
  readonly journal: Pick<
    Journal,
    'unitsWithPendingReports' | 'pendingReportOf' | 'markReportsSent' | 'agentEpoch' | 'durable'
  >;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Pulsed when a report waits. */
  readonly changed: Pulse;
  readonly burstMax?: number;
  readonly intervalMs?: number;
};

const unitsMax = 2_000;
const idleWaitMs = 60_000;

/**
 * Publishes each unit's newest report. For one generation a unit may send a few at once and then one each interval (F32);
 * what comes in between replaces what waits, so the newest is always the one that goes. A new generation is the hub's own
 * doing and awaited there, so it begins with a full allowance.
 */
export function createReportPump(dependencies: ReportPumpDependencies) {
  const { journal, clock, random, logger, changed } = dependencies;
  const allow = createAllowance(
    dependencies.burstMax ?? reportBurstMax,
    dependencies.intervalMs ?? reportIntervalMs,
  );

  return async (session: BusSession, signal: AbortSignal): Promise<void> => {
    const backoff = createBackoff(linkBackoffMsMin, linkBackoffMsMax, random);
    const rate = createRate();
    const send = async (record: ReportRecord): Promise<void> => {
      const epoch = journal.agentEpoch();
      const messageId = `${session.clusterId}/${epoch}/report/${record.sequence}`;
      await session.publishStored('report', encodeReport(record, epoch), messageId);
    };
    while (!signal.aborted) {
      const nowMs = clock.now();
      let waitMs = idleWaitMs;
      const due: ReportRecord[] = [];
      for (const { unit } of journal.unitsWithPendingReports(unitsMax)) {
        if (due.length >= reportsInFlightMax) break;
        const record = journal.pendingReportOf(unit);
        if (record === undefined) continue;
        const delayMs = allow.delayMs(record.report, nowMs);
        if (delayMs > 0) waitMs = Math.min(waitMs, delayMs);
        else due.push(record);
      }
      if (due.length === 0) {
        await changed.wait(waitMs, signal);
        continue;
      }
      // A sequence that was sent must never be given again, not even after a power cut.
      await journal.durable();
      const results = await Promise.allSettled(due.map(send));
      const sent = due.filter((_, index) => results[index]?.status === 'fulfilled');
      for (const { report } of sent) allow.take(report, nowMs);
      journal.markReportsSent(
        sent.map(({ sequence, report }) => ({ unit: report.unit, sequence })),
      );
      const failed = results.find((result) => result.status === 'rejected');
      if (failed === undefined) {
        backoff.reset();
        const isCrowded = rate.after(due.length, nowMs) >= reportsPerSecondCrowdedMin;
        // While many units report, those close together go in one round; a full one has left others behind.
        const isFull = due.length === reportsInFlightMax;
        const roundMs = isCrowded && !isFull ? reportRoundCrowdedMsMin : reportRoundMsMin;
        await pause(nowMs + roundMs - clock.now(), signal);
      } else if (!signal.aborted) {
        logger.warn({ reason: String(failed.reason) }, 'reports are not taken by the bus');
        await pause(backoff.next(), signal);
      }
    }
  };
}

/** Reports a second: of those before, the share counts that a mean over one second leaves. */
function createRate() {
  let rate = 0;
  let atMs = 0;
  return {
    after: (count: number, nowMs: number): number => {
      rate = rate * Math.exp(-Math.max(0, nowMs - atMs) / 1_000) + count;
      atMs = nowMs;
      return rate;
    },
  };
}

type Subject = { readonly unit: string; readonly epoch: number; readonly generation: number };
type Bucket = Omit<Subject, 'unit'> & { readonly left: number; readonly atMs: number };

/** A bucket of `burstMax` that refills by one each interval, for each unit, and is full for each new generation. */
function createAllowance(burstMax: number, intervalMs: number) {
  const buckets = new Map<string, Bucket>();
  const refilled = ({ unit, epoch, generation }: Subject, nowMs: number): number => {
    const bucket = buckets.get(unit);
    if (bucket?.epoch !== epoch || bucket.generation !== generation) return burstMax;
    return Math.min(burstMax, bucket.left + Math.max(0, nowMs - bucket.atMs) / intervalMs);
  };
  return {
    delayMs: (subject: Subject, nowMs: number): number =>
      Math.max(0, (1 - refilled(subject, nowMs)) * intervalMs),
    take: (subject: Subject, nowMs: number): void => {
      if (buckets.size > unitsMax) buckets.clear();
      const { unit, epoch, generation } = subject;
      buckets.set(unit, { epoch, generation, left: refilled(subject, nowMs) - 1, atMs: nowMs });
    },
  };
}
