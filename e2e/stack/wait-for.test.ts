import { expect, test } from 'vitest';
import { waitFor } from './index.ts';

test('waiting ends with the first level that is neither undefined, null nor false', async () => {
  const levels = [undefined, null, false, 0];
  expect(await waitFor('a level', () => levels.shift(), { intervalMs: 1 })).toBe(0);
});

test('a probe that throws is asked again', async () => {
  let attempts = 0;
  const probe = () => {
    attempts += 1;
    if (attempts < 3) throw new Error('not yet');
    return 'there';
  };
  expect(await waitFor('a level', probe, { intervalMs: 1 })).toBe('there');
});

test('a timeout names what was waited for and the last state seen', async () => {
  const waiting = waitFor(
    'all replicas',
    (see) => {
      see({ replicas: 1 });
      return false;
    },
    { timeoutMs: 20, intervalMs: 1 },
  );
  await expect(waiting).rejects.toThrow(
    /Waited 20 ms for all replicas\. Last state seen: \{\s+"replicas": 1\s+\}/,
  );
});

test('a probe that hangs does not outlast the limit', async () => {
  const hanging = new Promise<boolean>(() => {});
  await expect(waitFor('it', () => hanging, { timeoutMs: 20 })).rejects.toThrow('Waited 20 ms');
});

test('an abort ends the waiting with its own reason', async () => {
  const controller = new AbortController();
  const waiting = waitFor('it', () => false, { signal: controller.signal });
  controller.abort(new Error('the process ended'));
  await expect(waiting).rejects.toThrow('the process ended');
});
