import type { RepositoryName } from '@fairlead/shared/ids';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  createRepositoryPoller,
  GitError,
  type PolledRepository,
  type PollFailure,
} from './index.ts';
import { nextDelayMs, silenceMs } from './poll-schedule.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
});
afterEach(() => {
  vi.useRealTimers();
});

const named = (name: string, pollIntervalMs = 60_000): PolledRepository => ({
  name: name as RepositoryName,
  pollIntervalMs,
});
const shop = named('shop');

/** Numerical Recipes' generator: the test gives the same figures each time. */
function fractions(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

function start(
  poll: (repository: PolledRepository) => Promise<void>,
  more: { onFailing?: () => Promise<void>; failing?: ReadonlySet<RepositoryName> } = {},
) {
  const abort = new AbortController();
  const story: string[] = [];
  const failures: PollFailure[] = [];
  const poller = createRepositoryPoller({
    poll,
    onFailing: async ({ name }, failure) => {
      await more.onFailing?.();
      failures.push(failure);
      story.push(`${name} fails`);
    },
    onRecovered: async ({ name }) => void story.push(`${name} recovered`),
    onError: ({ name }) => story.push(`${name} could not record`),
    clock: { now: () => Date.now() },
    random: { nextFraction: fractions(7), nextId: () => '' },
    signal: abort.signal,
    failing: more.failing,
  });
  return { poller, abort, story, failures };
}

const advance = (durationMs: number) => vi.advanceTimersByTimeAsync(durationMs);

test('F27 1,000 repositories with one interval never crowd: under 3 times the mean in any 100 ms', async () => {
  const polls: number[] = [];
  const { poller, abort } = start(async () => void polls.push(Date.now()));
  poller.set(Array.from({ length: 1_000 }, (_, index) => named(`r${index}`, 10_000)));
  await advance(60_000);
  abort.abort();
  const slots = new Map<number, number>();
  for (const at of polls)
    slots.set(Math.floor(at / 100), (slots.get(Math.floor(at / 100)) ?? 0) + 1);
  const mean = polls.length / 600;
  expect(polls.length).toBeGreaterThan(5_500);
  expect(Math.max(...slots.values())).toBeLessThan(3 * mean);
});

test('intervals differ by at most 10 %', () => {
  expect(nextDelayMs(60_000, 0, 0)).toBe(54_000);
  expect(nextDelayMs(60_000, 0, 0.999_999)).toBe(66_000);
});

test('hints while a poll runs make exactly one more poll, and none overlaps', async () => {
  let running = 0;
  let runningMost = 0;
  let polls = 0;
  const { poller, abort } = start(async () => {
    polls++;
    runningMost = Math.max(runningMost, ++running);
    await new Promise((resolve) => setTimeout(resolve, 500));
    running--;
  });
  poller.set([named('shop', 3_600_000)]);
  for (let hint = 0; hint < 5; hint++) poller.hint(shop.name);
  await advance(10);
  expect(polls).toBe(1);
  for (let hint = 0; hint < 5; hint++) poller.hint(shop.name);
  await advance(5_000);
  expect({ polls, runningMost }).toEqual({ polls: 2, runningMost: 1 });
  expect(poller.hint('unknown' as RepositoryName)).toBe(false);
  abort.abort();
});

test('a bounded number runs at once, and a hint goes before those that wait', async () => {
  const order: string[] = [];
  let running = 0;
  let runningMost = 0;
  const { poller, abort } = start(async ({ name }) => {
    order.push(name);
    runningMost = Math.max(runningMost, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    running--;
  });
  const repositories = Array.from({ length: 20 }, (_, index) => named(`r${index}`, 3_600_000));
  poller.set(repositories);
  for (const { name } of repositories) poller.hint(name);
  await advance(10);
  expect(order).toHaveLength(8);
  poller.hint('r9' as RepositoryName);
  await advance(1_000);
  expect(order[8]).toBe('r9');
  await advance(5_000);
  expect(new Set(order).size).toBe(20);
  expect({ polls: order.length, runningMost }).toEqual({ polls: 20, runningMost: 8 });
  abort.abort();
});

test('SRC-06 a failing repository is told once with the time since when, and once when it is back', async () => {
  let fails = true;
  const { poller, abort, story, failures } = start(async () => {
    if (fails) throw new Error('unreachable');
  });
  poller.set([named('shop', 1_000)]);
  await advance(60_000);
  expect(story).toEqual(['shop fails']);
  const failure = poller.failureOf(shop.name);
  expect(failure?.since).toBe(failures[0]?.since);
  expect(failure?.since).toBeLessThan(1_000);
  expect(failure?.failures).toBeGreaterThan(3);
  fails = false;
  poller.hint(shop.name);
  await advance(1);
  expect(story).toEqual(['shop fails', 'shop recovered']);
  expect(poller.failureOf(shop.name)).toBeUndefined();
  abort.abort();
});

test('failures back off to a limit', async () => {
  const polls: number[] = [];
  const { poller, abort } = start(async () => {
    polls.push(Date.now());
    throw new Error('unreachable');
  });
  poller.set([shop]);
  await advance(24 * 3_600_000);
  const gaps = polls.slice(1).map((at, index) => at - (polls[index] ?? 0));
  expect(gaps[0]).toBeLessThanOrEqual(66_000);
  expect(gaps[1]).toBeGreaterThanOrEqual(108_000);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(660_000);
  expect(polls.length).toBeGreaterThan(130);
  abort.abort();
});

test('a transition that could not be recorded is recorded at the next poll', async () => {
  let refusals = 2;
  const { poller, abort, story } = start(
    async () => {
      throw new Error('unreachable');
    },
    {
      onFailing: async () => {
        if (refusals-- > 0) throw new Error('log is away');
      },
    },
  );
  poller.set([named('shop', 1_000)]);
  await advance(60_000);
  expect(story).toEqual(['shop could not record', 'shop could not record', 'shop fails']);
  abort.abort();
});

test('a restart neither repeats a failure nor misses that it is over', async () => {
  let fails = true;
  const { poller, abort, story } = start(
    async () => {
      if (fails) throw new Error('unreachable');
    },
    { failing: new Set([shop.name]) },
  );
  poller.set([named('shop', 1_000)]);
  await advance(5_000);
  expect(story).toEqual([]);
  fails = false;
  await advance(60_000);
  expect(story).toEqual(['shop recovered']);
  abort.abort();
});

test('a removed repository is polled no more, and nothing after the end', async () => {
  const polls: string[] = [];
  const { poller, abort } = start(async ({ name }) => void polls.push(name));
  poller.set([named('a', 1_000), named('b', 1_000)]);
  await advance(3_000);
  poller.set([named('b', 1_000)]);
  polls.length = 0;
  await advance(5_000);
  expect(new Set(polls)).toEqual(new Set(['b']));
  abort.abort();
  await poller.ended();
  polls.length = 0;
  poller.hint('b' as RepositoryName);
  await advance(5_000);
  expect(polls).toEqual([]);
});

test('SRC-11 a host that is asked too often is left alone for as long as it says, webhooks or not, and then asked again', async () => {
  const polls: number[] = [];
  let limited = true;
  const { poller, abort, story } = start(async () => {
    polls.push(Date.now());
    if (!limited) return;
    throw Object.assign(new GitError('rate_limited', 'too many'), { retryAfterMs: 300_000 });
  });
  poller.set([named('shop', 1_000)]);
  await advance(1_000);
  expect(polls).toHaveLength(1);
  for (let hint = 0; hint < 20; hint++) {
    expect(poller.hint(shop.name)).toBe(true);
    await advance(10_000);
  }
  expect(polls).toHaveLength(1);
  limited = false;
  await advance(110_000);
  expect((polls[1] ?? 0) - (polls[0] ?? 0)).toBeGreaterThanOrEqual(300_000);
  expect(story).toEqual(['shop fails', 'shop recovered']);
  expect(polls.length).toBeGreaterThan(3);
  abort.abort();
});

test('SRC-11 without a word of the host the silence begins at a minute and doubles, up to an hour', () => {
  const error = new GitError('rate_limited', 'too many');
  expect([1, 2, 3, 9].map((failures) => silenceMs(error, failures))).toEqual([
    60_000, 120_000, 240_000, 3_600_000,
  ]);
  expect(silenceMs(new Error('away'), 5)).toBe(0);
});
