import { expect, test, vi } from 'vitest';
import { createTurns } from './turns.ts';

function setUp(inParallelMax: number) {
  const stop = new AbortController();
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const turns = createTurns<string>({
    inParallelMax,
    now: () => Date.now(),
    signal: stop.signal,
    take: (item) => {
      started.push(item);
      return new Promise((resolve) => ends.set(item, resolve));
    },
  });
  const end = async (item: string) => {
    ends.get(item)?.();
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { turns, started, end, stop };
}

test('no more items than the limit have a turn at once, and urgent ones go first', async () => {
  const { turns, started, end } = setUp(2);
  for (const item of ['a', 'b', 'c', 'd']) turns.wake(item);
  turns.wake('urgent', true);
  expect(started).toEqual(['a', 'b']);
  await end('a');
  await end('b');
  expect(started).toEqual(['a', 'b', 'urgent', 'c']);
});

test('an item never has two turns at once; one that is woken in its turn gets another', async () => {
  const { turns, started, end } = setUp(4);
  turns.wake('a');
  turns.wake('a');
  turns.wake('a');
  expect(started).toEqual(['a']);
  await end('a');
  expect(started).toEqual(['a', 'a']);
  await end('a');
  expect(turns.isIdle()).toBe(true);
});

test('of several times to wake an item the earliest counts', async () => {
  vi.useFakeTimers();
  try {
    const { turns, started } = setUp(1);
    const now = Date.now();
    turns.wakeAt('a', now + 5_000);
    turns.wakeAt('a', now + 1_000);
    turns.wakeAt('a', now + 9_000);
    vi.advanceTimersByTime(999);
    expect(started).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(started).toEqual(['a']);
  } finally {
    vi.useRealTimers();
  }
});

test('after the end no turn begins, and the last one is waited for', async () => {
  const { turns, started, end, stop } = setUp(1);
  turns.wake('a');
  turns.wake('b');
  stop.abort();
  const drained = turns.drained();
  await end('a');
  await drained;
  expect(started).toEqual(['a']);
});
