import { createLogger } from '@fairlead/shared/log';
import { expect, test, vi } from 'vitest';
import { createReactor } from './index.ts';

const logger = createLogger('test', 'silent');

/** Drives a reactor whose runs end only when the test lets them. */
function scriptedReactor(outcome: () => number | undefined) {
  const stop = new AbortController();
  const runs: (() => void)[] = [];
  const reactor = createReactor({
    name: 'scripted',
    signal: stop.signal,
    logger,
    run: () =>
      new Promise((resolve, reject) => {
        runs.push(() => {
          try {
            resolve(outcome());
          } catch (error) {
            reject(error);
          }
        });
      }),
  });
  return { reactor, runs, stop };
}

test('many wakes during a run make one more run, never two at once', async () => {
  const { reactor, runs, stop } = scriptedReactor(() => undefined);
  expect(runs).toHaveLength(1);
  reactor.wake();
  reactor.wake();
  expect(runs).toHaveLength(1);
  runs[0]?.();
  await vi.waitFor(() => expect(runs).toHaveLength(2));
  runs[1]?.();
  await new Promise((resolve) => setImmediate(resolve));
  expect(runs).toHaveLength(2);
  stop.abort();
  await reactor.stopped;
});

test('a failed run is tried again without a wake', async () => {
  const { reactor, runs, stop } = scriptedReactor(() => {
    throw new Error('the disk is full');
  });
  runs[0]?.();
  await vi.waitFor(() => expect(runs).toHaveLength(2));
  stop.abort();
  runs[1]?.();
  await reactor.stopped;
});

test('the time that a run asks for starts the next one', async () => {
  const { reactor, runs, stop } = scriptedReactor(() => 5);
  runs[0]?.();
  await vi.waitFor(() => expect(runs).toHaveLength(2));
  stop.abort();
  runs[1]?.();
  await reactor.stopped;
});
