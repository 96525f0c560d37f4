import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '@fairlead/shared/log';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { expect, test } from 'vitest';
import type { UnitId } from '../domain/link/index.ts';
import type { ReportRecord } from '../journal/index.ts';
import { reportOf } from '../journal/testing/index.ts';
import { reportRoundCrowdedMsMin, reportsPerSecondCrowdedMin } from '../limits.ts';
import type { BusSession } from './bus.ts';
import { createPulse } from './pause.ts';
import { createReportPump } from './report-pump.ts';

/** A pump over reports in memory, and a bus that takes everything at once. */
function open() {
  const waiting = new Map<string, ReportRecord>();
  const rounds: number[] = [];
  const changed = createPulse();
  const life = new AbortController();
  let sequence = 0;
  const pump = createReportPump({
    journal: {
      unitsWithPendingReports: () =>
        [...waiting.values()].map(({ report, sequence }) => ({ unit: report.unit, sequence })),
      pendingReportOf: (unit) => waiting.get(unit),
      markReportsSent: (sent) => {
        rounds.push(sent.length);
        for (const { unit, sequence } of sent) {
          if (waiting.get(unit)?.sequence === sequence) waiting.delete(unit);
        }
      },
      agentEpoch: () => 'epoch',
      durable: async () => {},
    },
    clock: systemClock,
    random: systemRandom,
    logger: createLogger('test', 'silent'),
    changed,
  });
  const session = { clusterId: 'c', publishStored: async () => {} } as unknown as BusSession;
  const ended = pump(session, life.signal);
  return {
    waiting,
    rounds,
    report: (name: string) => {
      const unit = name as UnitId;
      const report = reportOf({ unit });
      waiting.set(unit, { sequence: ++sequence, observedAtMs: 0, report });
      changed.pulse();
    },
    [Symbol.asyncDispose]: async () => {
      life.abort();
      await ended;
    },
  };
}

test('reports of many units go in few rounds, all of them, and one that stands alone goes at once', async () => {
  await using fixture = open();
  fixture.report('alone/production');
  await expect.poll(() => fixture.rounds, { timeout: reportRoundCrowdedMsMin }).toEqual([1]);

  const units = 60;
  const startedAt = Date.now();
  for (let index = 0; index < units; index++) {
    fixture.report(`u${index}/production`);
    await sleep(20);
  }
  await expect.poll(() => fixture.waiting.size, { timeout: 5_000 }).toBe(0);
  const crowdedRounds = (Date.now() - startedAt) / reportRoundCrowdedMsMin;
  // Some go before the crowd is noticed.
  expect(fixture.rounds.length).toBeLessThan(crowdedRounds + reportsPerSecondCrowdedMin + 2);
  expect(fixture.rounds.reduce((sum, count) => sum + count, 0)).toBe(units + 1);
});
