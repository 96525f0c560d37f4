import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@fairlead/shared/log';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { watchedTickMs } from '../limits.ts';
import { openWatchedClock, type WatchedClock } from './watched-clock.ts';

const hour = 3_600_000;
const logger = createLogger('test', 'silent');
let directory: string;
let path: string;
const opened: WatchedClock[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-watched-'));
  path = join(directory, 'watched-time');
});
afterEach(async () => {
  for (const clock of opened.splice(0)) await clock[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** A machine whose wall clock and monotonic clock the test moves. */
const machine = (wall = 1_000_000_000, at = path) => {
  let [wallMs, monotonic] = [wall, 0];
  return {
    set: (value: number) => {
      wallMs = value;
    },
    pass: (ms: number) => {
      wallMs += ms;
      monotonic += ms;
    },
    start: async () => {
      const clock = await openWatchedClock({
        path: at,
        clock: { now: () => wallMs },
        monotonicMs: () => monotonic,
        logger,
      });
      opened.push(clock);
      return clock;
    },
  };
};

it('SOAK-08: it begins at hub time and grows with the time that passes', async () => {
  const host = machine();
  const clock = await host.start();
  expect(clock.watchedMs()).toBe(1_000_000_000);
  for (let second = 0; second < 60; second += 5) {
    host.pass(5_000);
    await clock.tick();
  }
  expect(clock.watchedMs()).toBe(1_000_060_000);
});

it.each([hour, -hour, 365 * 24 * hour])(
  'SOAK-08: a step of the hub clock by %d ms adds nothing',
  async (step) => {
    const host = machine();
    const clock = await host.start();
    host.set(1_000_000_000 + step);
    await clock.tick();
    expect(clock.watchedMs()).toBe(1_000_000_000);
    host.pass(3_000);
    expect(clock.watchedMs()).toBe(1_000_003_000);
  },
);

it('SOAK-08: a pause of the process for an hour adds one tick', async () => {
  const host = machine();
  const clock = await host.start();
  host.pass(hour);
  expect(clock.watchedMs()).toBe(1_000_000_000 + watchedTickMs);
  await clock.tick();
  expect(clock.watchedMs()).toBe(1_000_000_000 + watchedTickMs);
});

it('SOAK-08: a start a day later, or on a host with another clock, adds at most one tick and never goes back', async () => {
  const first = machine();
  const clock = await first.start();
  first.pass(7_000);
  await clock.tick();
  first.pass(4_000);
  const told = clock.watchedMs();
  for (const wall of [first, machine(5), machine(9_000_000_000_000)]) {
    const again = await wall.start();
    expect(again.watchedMs()).toBeGreaterThanOrEqual(told);
    expect(again.watchedMs()).toBeLessThanOrEqual(told + watchedTickMs);
  }
});

it('SOAK-08: a hub that is killed again and again within a tick does not gain time', async () => {
  const host = machine();
  for (let start = 0; start < 50; start++) {
    await host.start();
    host.pass(1_000);
  }
  const clock = await host.start();
  expect(clock.watchedMs()).toBeLessThanOrEqual(1_000_000_000 + watchedTickMs);
  for (let second = 0; second < 60; second += 5) {
    host.pass(5_000);
    await clock.tick();
  }
  expect(clock.watchedMs()).toBe(1_000_060_000);
});

it('SOAK-08: whatever happens, it never goes back and never runs ahead of what passed by more than a tick', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.nat({ max: 20_000 }).map((ms) => ({ kind: 'pass' as const, ms })),
          fc.integer({ min: -hour, max: hour }).map((ms) => ({ kind: 'step' as const, ms })),
          fc.constant({ kind: 'tick' as const, ms: 0 }),
          fc.constant({ kind: 'restart' as const, ms: 0 }),
        ),
        { maxLength: 30 },
      ),
      async (steps) => {
        const at = join(mkdtempSync(join(directory, 'run-')), 'watched-time');
        const host = machine(1_000_000_000, at);
        let clock = await host.start();
        const begun = clock.watchedMs();
        let [last, passed] = [begun, 0];
        for (const { kind, ms } of steps) {
          if (kind === 'pass') host.pass(ms);
          if (kind === 'pass') passed += ms;
          if (kind === 'step') host.set(1_000_000_000 + ms);
          if (kind === 'tick') await clock.tick();
          if (kind === 'restart') clock = await host.start();
          const now = clock.watchedMs();
          expect(now).toBeGreaterThanOrEqual(last);
          expect(now - begun).toBeLessThanOrEqual(passed + watchedTickMs);
          last = now;
        }
      },
    ),
    { numRuns: 25 },
  );
});

it('SOAK-08: a file that is none of its own is an error with its name and a remedy, and is left as it is', async () => {
  writeFileSync(path, 'yesterday\n');
  await expect(machine().start()).rejects.toThrow(/watched-time does not hold watched time/);
  expect(readFileSync(path, 'utf8')).toBe('yesterday\n');
});
