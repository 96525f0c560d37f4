import { describe, expect, test } from 'vitest';
import { inBatches } from './batches.ts';

async function* numbers(length: number, onRead: (index: number) => void = () => undefined) {
  for (let index = 0; index < length; index++) {
    onRead(index);
    yield index;
  }
}

describe('batches of what has arrived', () => {
  test('hold every item once and in order, none above the limit', async () => {
    const batches: number[][] = [];
    for await (const batch of inBatches(numbers(1_000), 7)) batches.push(batch);
    expect(batches.flat()).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
    expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThanOrEqual(7);
  });

  test('are read ahead by no more than one', async () => {
    let read = 0;
    let taken = 0;
    const source = numbers(200, () => {
      read++;
    });
    for await (const batch of inBatches(source, 10)) {
      taken += batch.length;
      await new Promise((resolve) => setImmediate(resolve));
      expect(read - taken).toBeLessThanOrEqual(11);
    }
    expect(taken).toBe(200);
  });

  test('give what came before a failure, then the failure', async () => {
    async function* failing() {
      yield 1;
      throw new Error('lost');
    }
    const seen: number[] = [];
    const run = async () => {
      for await (const batch of inBatches(failing(), 10)) seen.push(...batch);
    };
    await expect(run()).rejects.toThrow('lost');
    expect(seen).toEqual([1]);
  });

  test('end their source when the reader leaves', async () => {
    const closed = Promise.withResolvers<void>();
    async function* endless() {
      try {
        for (;;) yield 1;
      } finally {
        closed.resolve();
      }
    }
    for await (const _ of inBatches(endless(), 3)) break;
    await closed.promise;
  });
});
