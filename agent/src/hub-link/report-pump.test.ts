import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '@fairlead/shared/log';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { expect, test } from 'vitest';
import type { UnitId } from '../domain/link/index.ts';
import type { ReportRecord } from '../journal/index.ts';
import { reportOf } from '../journal/testing/index.ts';
import { reportRoundCrowdedMsMin } from '../limits.ts';
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
  await expect.poll(() => fixture.rounds, { timeout: 5_000 }).toEqual([1]);

  // Ten times slower it would still be a crowd.
  const [groups, unitsPerGroup] = [20, 5];
  const startedAt = Date.now();
  for (let group = 0; group < groups; group++) {
    for (let index = 0; index < unitsPerGroup; index++) {
      fixture.report(`u${group}-${index}/production`);
    }
    await sleep(60);
  }
  await expect.poll(() => fixture.waiting.size, { timeout: 10_000 }).toBe(0);
  const crowdedRounds = (Date.now() - startedAt) / reportRoundCrowdedMsMin;
  // Before the crowd is noticed a few go alone: the first report of all and one or two groups.
  expect(fixture.rounds.length).toBeLessThan(crowdedRounds + 5);
  expect(fixture.rounds.reduce((sum, count) => sum + count, 0)).toBe(groups * unitsPerGroup + 1);
}, 30_000);
