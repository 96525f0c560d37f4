import { describe, expect, test } from 'vitest';
import { createInstances } from './instances.ts';

const beats = (from: number, to: number) =>
  Array.from({ length: (to - from) / 5 + 1 }, (_, index) => from + index * 5);

describe('telling a copied identity from a restart', () => {
  test('S5: two instances that live side by side are found within 60 s', () => {
    const instances = createInstances(45_000);
    const found = beats(0, 60).flatMap((second) => [
      instances.seen('c', 'a', second * 1_000),
      second < 5 ? [] : instances.seen('c', 'b', second * 1_000),
    ]);
    const first = found.find((ids) => ids.length > 0);
    expect(first?.toSorted()).toEqual(['a', 'b']);
  });

  test('F43: one that comes back after its successor was seen is found too', () => {
    const instances = createInstances(45_000);
    instances.seen('c', 'a', 0);
    expect(instances.seen('c', 'b', 10_000)).toEqual([]);
    expect(instances.seen('c', 'b', 80_000)).toEqual([]);
    expect(instances.seen('c', 'a', 81_000).toSorted()).toEqual(['a', 'b']);
  });

  test('a restart, and a dead connection that is noticed late, are no copies', () => {
    const instances = createInstances(45_000);
    for (let restart = 0; restart < 20; restart++) {
      const start = restart * 100;
      for (const second of beats(start, start + 130)) {
        // The process before seems alive for 30 s more.
        const before = second < start + 30 && restart > 0 ? [`i${restart - 1}`] : [];
        for (const id of [...before, `i${restart}`]) {
          if (second > start + 100 && id === `i${restart}`) continue;
          expect(instances.seen('c', id, second * 1_000)).toEqual([]);
        }
      }
    }
  });

  test('clusters do not concern each other', () => {
    const instances = createInstances(45_000);
    for (const second of beats(0, 100)) {
      expect(instances.seen('c', 'a', second * 1_000)).toEqual([]);
      expect(instances.seen('d', 'b', second * 1_000)).toEqual([]);
    }
  });
});
