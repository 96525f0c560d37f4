import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '@fairlead/shared/time';

/** Waits; ends early, without an error, when the signal aborts. */
export async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await delay(Math.max(0, durationMs), undefined, { signal, ref: true }).catch(() => undefined);
}

export type Backoff = { readonly next: () => number; readonly reset: () => void };

/** Doubles from try to try, with full jitter, so that agents which failed together do not return together. */
export function createBackoff(
  msMin: number,
  msMax: number | (() => number),
  random: Random,
): Backoff {
  let tries = 0;
  return {
    next: () => {
      const ceilingMs = typeof msMax === 'number' ? msMax : msMax();
      const ceiling = Math.min(ceilingMs, msMin * 2 ** Math.min(tries, 30));
      tries++;
      return Math.max(msMin / 2, random.nextFraction() * ceiling);
    },
    reset: () => {
      tries = 0;
    },
  };
}

export type Pulse = {
  readonly pulse: () => void;
  /** Resolves at a pulse since the last wait, after the time, or when the signal aborts. */
  readonly wait: (durationMsMax: number, signal: AbortSignal) => Promise<void>;
};

/** A hint that something may have changed. Several before one wait count as one. */
export function createPulse(): Pulse {
  let pulsed = false;
  let wake: (() => void) | undefined;
  return {
    pulse: () => {
      pulsed = true;
      wake?.();
    },
    wait: (durationMsMax, signal) =>
      new Promise((resolve) => {
        const settle = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', settle);
          wake = undefined;
          pulsed = false;
          resolve();
        };
        const timer = setTimeout(settle, Math.min(durationMsMax, 2 ** 31 - 1));
        wake = settle;
        signal.addEventListener('abort', settle, { once: true });
        if (pulsed || signal.aborted) settle();
      }),
  };
}
