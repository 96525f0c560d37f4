import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { UnitReport } from '../../domain/link/index.ts';
import { unitStatusBusyPauseMs, unitStatusWritesMax } from '../../limits.ts';
import type { Unit } from '../unit.ts';
import { createOutlet } from './outlet.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Units that have just settled, and their objects' writes, which end at once. */
function open(unitsTotal: number) {
  let isBusy = true;
  const shown: string[] = [];
  const outlet = createOutlet({
    now: Date.now,
    reportOf: ({ id }) => ({ unit: id, phase: 'settled', health: 'Healthy' }) as UnitReport,
    onReport: () => {},
    shownOf: ({ id }) => id,
    shownAtStart: () => '',
    show: async ({ id }) => void shown.push(id),
    isBusy: () => isBusy,
    isCrowded: () => false,
    signal: new AbortController().signal,
  });
  const units = Array.from({ length: unitsTotal }, (_, index) => ({ id: `u${index}` }) as Unit);
  for (const unit of units) outlet.changed(unit, true);
  return {
    shown,
    rest: () => {
      isBusy = false;
    },
  };
}

test("units' objects are written one after the other, in order, while units have work", async () => {
  const { shown } = open(20);
  await vi.advanceTimersByTimeAsync(unitStatusBusyPauseMs * 4.5);
  expect(shown).toEqual(['u0', 'u1', 'u2', 'u3', 'u4']);
});

test('those that waited are written once no unit has work', async () => {
  const { shown, rest } = open(20);
  await vi.advanceTimersByTimeAsync(unitStatusBusyPauseMs / 2);
  expect(shown).toHaveLength(1);
  rest();
  await vi.advanceTimersByTimeAsync(unitStatusBusyPauseMs);
  expect(shown).toHaveLength(20);
  expect(new Set(shown).size).toBe(20);
});

test('a clock that is set back holds up no object', async () => {
  const { shown } = open(3);
  await vi.advanceTimersByTimeAsync(unitStatusBusyPauseMs / 2);
  vi.setSystemTime(Date.now() - 3_600_000);
  await vi.advanceTimersByTimeAsync(unitStatusBusyPauseMs * (unitStatusWritesMax + 2));
  expect(shown).toEqual(['u0', 'u1', 'u2']);
});
