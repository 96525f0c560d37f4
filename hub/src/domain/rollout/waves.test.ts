import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Amount, WaveRule } from '../pipeline/definition.ts';
import { amountOf, planWaves } from './waves.ts';

const cluster = (name: string, labels: Record<string, string> = {}) => ({ name, labels });
const clusters = (count: number) =>
  Array.from({ length: count }, (_, index) => cluster(`c${String(index).padStart(2, '0')}`));
const size = (max: Amount): WaveRule => ({ kind: 'size', max });
const labelled = (key: string, value: string): WaveRule => ({
  kind: 'labels',
  matchLabels: { [key]: value },
});
const lengths = (count: number, ...waves: WaveRule[]) =>
  planWaves({ waves, uncovered: 'last-wave' }, clusters(count)).batches.map(({ length }) => length);

describe('waves', () => {
  test.each([
    { percent: 50, count: 1, sizes: [1] },
    { percent: 10, count: 9, sizes: [1, 8] },
    { percent: 25, count: 10, sizes: [2, 8] },
    { percent: 100, count: 7, sizes: [7] },
    { percent: 1, count: 3, sizes: [1, 2] },
  ])(
    'FLT-09: $percent % of $count targets, rounded down and at least one: $sizes',
    ({ percent, count, sizes }) => {
      expect(lengths(count, size({ percent }))).toEqual(sizes);
    },
  );

  test('FLT-09: a part is of all targets, not of those that are left', () => {
    expect(lengths(8, size({ percent: 25 }), size({ percent: 50 }))).toEqual([2, 4, 2]);
    expect(lengths(8, size({ percent: 25 }), size({ percent: 100 }))).toEqual([2, 6]);
    expect(lengths(5, size({ count: 2 }), size({ count: 10 }), size({ count: 1 }))).toEqual([2, 3]);
  });

  test('FLT-09: failures that are borne are rounded down, and 0 % is none', () => {
    expect(amountOf({ percent: 0 }, 100)).toBe(0);
    expect(amountOf({ percent: 10 }, 9)).toBe(0);
    expect(amountOf({ percent: 10 }, 25)).toBe(2);
    expect(amountOf({ count: 3 }, 1)).toBe(3);
  });

  test('a wave by labels takes what it names, also after a wave by size', () => {
    const fleet = [
      cluster('a', { canary: 'true' }),
      cluster('b'),
      cluster('c', { canary: 'true' }),
    ];
    const waves = [size({ count: 1 }), labelled('canary', 'true')];
    const { batches } = planWaves({ waves, uncovered: 'refuse' }, fleet);
    expect(batches.map((batch) => batch.map(({ name }) => name))).toEqual([['b'], ['a', 'c']]);
  });

  test('FLT-10: a cluster that two waves name is a fault with both waves, and there is no plan', () => {
    const fleet = [cluster('a', { canary: 'true', region: 'eu' }), cluster('b', { region: 'eu' })];
    const waves = [labelled('canary', 'true'), labelled('region', 'eu')];
    expect(planWaves({ waves, uncovered: 'last-wave' }, fleet)).toEqual({
      batches: [],
      faults: ['waves 1 and 2 both name a'],
    });
  });

  test('FLT-10: clusters that no wave takes come last, or are a fault where the stage says so', () => {
    const fleet = [cluster('a', { canary: 'true' }), cluster('b'), cluster('c')];
    const waves = [labelled('canary', 'true'), size({ count: 1 })];
    const { batches } = planWaves({ waves, uncovered: 'last-wave' }, fleet);
    expect(batches.map((batch) => batch.map(({ name }) => name))).toEqual([['a'], ['b'], ['c']]);
    expect(planWaves({ waves, uncovered: 'refuse' }, fleet).faults).toEqual(['no wave takes c']);
    expect(planWaves({ waves: [], uncovered: 'refuse' }, fleet).batches).toEqual([fleet]);
  });

  test('property 10, coverage: batches hold every cluster exactly once, or there is a fault and no batch', () => {
    const amount = fc.oneof(
      fc.integer({ min: 1, max: 12 }).map((count) => ({ count })),
      fc.integer({ min: 1, max: 100 }).map((percent) => ({ percent })),
    );
    const wave = fc.oneof(
      amount.map(size),
      fc.constantFrom('x', 'y').map((value) => labelled('group', value)),
    );
    const fleet = fc
      .array(fc.constantFrom('x', 'y', 'z'), { maxLength: 30 })
      .map((groups) => groups.map((group, index) => cluster(`c${index}`, { group })));
    const uncovered = fc.constantFrom('last-wave' as const, 'refuse' as const);
    fc.assert(
      fc.property(fc.array(wave, { maxLength: 5 }), fleet, uncovered, (waves, all, left) => {
        const { batches, faults } = planWaves({ waves, uncovered: left }, all);
        const planned = batches.flat().map(({ name }) => name);
        expect(faults.length > 0 ? batches : []).toEqual([]);
        if (faults.length > 0) return;
        expect(planned).toHaveLength(all.length);
        expect(new Set(planned)).toEqual(new Set(all.map(({ name }) => name)));
        for (const batch of batches) expect(batch.length).toBeGreaterThan(0);
      }),
    );
  });
});
