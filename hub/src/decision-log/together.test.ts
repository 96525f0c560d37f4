import { expect, test } from 'vitest';
import { createTogether } from './together.ts';

/** Units are numbers of their own size; each run is on record. */
function open(run?: (units: readonly number[]) => readonly string[]) {
  const runs: (readonly number[])[] = [];
  const together = createTogether<number, string>({
    run: (units) => {
      runs.push(units);
      return run?.(units) ?? units.map((unit) => `done ${unit}`);
    },
    sizeOf: (unit) => unit,
    sizeMax: 10,
  });
  return { together, runs };
}

test('what callers ask for side by side is one run, and each gets its own answer', async () => {
  const { together, runs } = open();
  const ask = async (unit: number) => {
    await undefined;
    return together.add(unit);
  };
  expect(await Promise.all([1, 2, 3].map(ask))).toEqual(['done 1', 'done 2', 'done 3']);
  expect(await ask(4)).toBe('done 4');
  expect(runs).toEqual([[1, 2, 3], [4]]);
});

test('a run takes no more than its size, in order, and what is larger goes alone', async () => {
  const { together, runs } = open();
  await Promise.all([6, 4, 1, 30, 9].map(together.add));
  expect(runs).toEqual([[6, 4], [1], [30], [9]]);
});

test('a run that fails fails those who are in it, and no others', async () => {
  const { together } = open((units) => {
    if (units.includes(8)) throw new Error('the disk is full');
    return units.map(String);
  });
  const ends = await Promise.allSettled([8, 2, 3].map(together.add));
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  expect(await together.add(1)).toBe('1');
});

test('a flush does at once what waits, once', async () => {
  const { together, runs } = open();
  const answer = together.add(5);
  together.flush();
  expect(runs).toEqual([[5]]);
  expect(await answer).toBe('done 5');
  expect(runs).toEqual([[5]]);
});
