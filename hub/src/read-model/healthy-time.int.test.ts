import { expect, test } from 'vitest';
import type { ReceivedReport } from './reports.ts';
import { clusterId, openFixture, report } from './testing/index.ts';

/** What the core is told of the target after these reports, each received a second after the one before. */
async function healthAfter(...changes: Partial<ReceivedReport>[]) {
  await using fixture = await openFixture();
  const { readModel } = fixture;
  changes.forEach((change, index) => {
    const sequence = index + 1;
    const received = { sequence, receivedAt: 1_000 * sequence, ...change };
    readModel.recordReports([report('eu-1', 'checkout', received)], sequence);
  });
  const [told] = readModel.snapshotOf('checkout');
  return [told?.healthySince, told?.healthBreaks];
}
const bad = { health: 'degraded' } as const;
const good = {};

test('FLT-13: the time counts by receive time from the first healthy report, and each break starts it over', async () => {
  expect(await healthAfter(good)).toEqual([1_000, 0]);
  expect(await healthAfter(good, good, good)).toEqual([1_000, 0]);
  expect(await healthAfter(good, bad)).toEqual([undefined, 1]);
  expect(await healthAfter(good, bad, bad, good, good)).toEqual([4_000, 1]);
  expect(await healthAfter(good, bad, good, bad, good)).toEqual([5_000, 2]);
});

test('FLT-13: breaks between two looks are kept, also when one delivery holds all of it', async () => {
  await using fixture = await openFixture();
  const flaps = [good, bad, good].map((change, index) =>
    report('eu-1', 'checkout', { sequence: index + 1, receivedAt: 1_000 * index, ...change }),
  );
  fixture.readModel.recordReports(flaps, 3);
  expect(fixture.readModel.snapshotOf('checkout')).toMatchObject([
    { healthySince: 2_000, healthBreaks: 1 },
  ]);
});

test('FLT-13: what is healthy before it has settled is what ran before', async () => {
  expect(await healthAfter({ phase: 'applying' }, { phase: 'waiting' }, good)).toEqual([3_000, 0]);
  expect(await healthAfter(good, { phase: 'applying' }, good)).toEqual([1_000, 0]);
  expect(await healthAfter(good, { phase: 'failed' }, good)).toEqual([3_000, 1]);
});

test('FLT-13, FLT-14: another generation starts anew', async () => {
  expect(await healthAfter(good, bad, good, { generation: 2 })).toEqual([4_000, 0]);
});

test('FLT-13, FLT-17: a break that arrives late, and again, counts once', async () => {
  const late = { sequence: 2, receivedAt: 9_000, ...bad };
  const held = [{ sequence: 1 }, { sequence: 3 }, { sequence: 4, receivedAt: 4_000 }];
  expect(await healthAfter(...held)).toEqual([1_000, 0]);
  expect(await healthAfter(...held, late)).toEqual([4_000, 1]);
  expect(await healthAfter(...held, late, late, late)).toEqual([4_000, 1]);
});

test('FLT-17: duplicates and old reports change nothing', async () => {
  expect(await healthAfter(good, bad, good, { sequence: 2, ...bad }, { sequence: 1 })).toEqual([
    3_000, 1,
  ]);
});

test('FLT-18: an agent that lost its journal goes on in the same generation, and its breaks count', async () => {
  const again = { agentEpoch: 'epoch2', sequence: 1, receivedAt: 7_000 };
  expect(await healthAfter(good, again)).toEqual([1_000, 0]);
  expect(await healthAfter(good, again, { ...again, sequence: 2, ...bad })).toEqual([undefined, 1]);
});

test('FLT-12: what a cluster says of one pipeline is nothing to another', async () => {
  await using fixture = await openFixture();
  const { readModel } = fixture;
  readModel.recordReports([report('eu-1', 'checkout', bad), report('eu-1', 'search')], 1);
  expect(readModel.snapshotOf('search')).toMatchObject([
    { cluster: clusterId('eu-1'), health: 'healthy', healthySince: 5_000 },
  ]);
  expect(readModel.snapshotOf('checkout')).toMatchObject([{ health: 'degraded' }]);
});
