import { expect, test } from 'vitest';
import { createChance } from './chance.ts';
import { createVirtualTime } from './virtual-time.ts';

test('events run by time, equal times in the order of their making, and what was taken back not at all', async () => {
  const time = createVirtualTime();
  const ran: string[] = [];
  const at = (ms: number, name: string) =>
    time.after(ms, () => void ran.push(`${name}@${time.nowMs()}`));
  at(20, 'late');
  at(10, 'first');
  at(10, 'second');
  const takeBack = at(15, 'never');
  takeBack();
  at(-5, 'at once');
  while (await time.step(1_000));
  expect(ran).toEqual(['at once@0', 'first@10', 'second@10', 'late@20']);
  expect(time.nowMs()).toBe(1_000);
});

test('all that follows from an event without time has happened before the next one', async () => {
  const time = createVirtualTime();
  const seen: number[] = [];
  let steps = 0;
  time.after(1, async () => {
    for (let hop = 0; hop < 50; hop++) await undefined;
    steps = 50;
  });
  time.after(1, () => void seen.push(steps));
  while (await time.step(10));
  expect(seen).toEqual([50]);
});

test('a seed draws the same numbers for ever, and forks do not move each other', () => {
  const draw = (label: string) => {
    const chance = createChance('seed').fork(label);
    return Array.from({ length: 5 }, () => chance.below(1_000));
  };
  expect(draw('a')).toEqual(draw('a'));
  expect(draw('a')).not.toEqual(draw('b'));
  const chance = createChance('seed');
  chance.fraction();
  expect(chance.fork('a').below(1_000)).toBe(draw('a')[0]);
  expect(createChance('golden').below(1_000_000)).toMatchInlineSnapshot(`518332`);
});
