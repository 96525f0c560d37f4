import { expect, test } from 'vitest';
import { createPacing } from './pacing.ts';

test('refusals of one burst halve the number once, and answers raise it to the limit again', async () => {
  const pacing = createPacing({ inFlightMax: 16 });
  const rounds = Array.from({ length: 16 }, () => {
    expect(pacing.enter()).toBeUndefined();
    return pacing.round();
  });
  for (const round of rounds.slice(0, 8)) pacing.leave('refused', round);
  expect(pacing.inFlightLimit()).toBe(8);
  for (const round of rounds.slice(8)) pacing.leave('served', round);
  for (let answers = 0; answers < 200; answers++) {
    pacing.enter();
    pacing.leave('served', pacing.round());
  }
  expect(pacing.inFlightLimit()).toBe(16);
});

test('beyond the number requests wait in turn, and one always goes', async () => {
  const pacing = createPacing({ inFlightMax: 2 });
  const rounds: number[] = [];
  const enter = () => {
    const place = pacing.enter();
    rounds.push(pacing.round());
    return place;
  };
  enter();
  enter();
  const order: string[] = [];
  const third = enter()?.then(() => order.push('third'));
  const fourth = enter()?.then(() => order.push('fourth'));
  pacing.leave('refused', rounds[0] as number);
  pacing.leave('refused', pacing.round());
  expect(pacing.inFlightLimit()).toBe(1);
  await third;
  pacing.leave('none', pacing.round());
  await fourth;
  expect(order).toEqual(['third', 'fourth']);
});

test('who gives up waiting takes no place', async () => {
  const pacing = createPacing({ inFlightMax: 1 });
  pacing.enter();
  const stop = new AbortController();
  const given = expect(pacing.enter(stop.signal)).rejects.toThrow('enough');
  stop.abort(new Error('enough'));
  await given;
  pacing.leave('served', pacing.round());
  expect(pacing.enter()).toBeUndefined();
});
