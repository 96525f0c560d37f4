import { ProblemError, problem } from '@fairlead/shared/problem';
import { readModelWaitersMax } from '../limits.ts';

type Waiter = { readonly position: number; readonly settle: (reached: boolean) => void };

/** Those who wait until a position is folded. */
export function createWaiters() {
  const waiting = new Set<Waiter>();
  return {
    /** True when it was reached in time. */
    waitFor: (position: number, timeoutMs: number): Promise<boolean> => {
      if (waiting.size >= readModelWaitersMax) {
        throw new ProblemError(problem('unavailable', 'Too many reads wait for newer state.'));
      }
      return new Promise((resolve) => {
        const settle = (reached: boolean) => {
          clearTimeout(timer);
          waiting.delete(waiter);
          resolve(reached);
        };
        const waiter: Waiter = { position, settle };
        const timer = setTimeout(() => settle(false), timeoutMs);
        waiting.add(waiter);
      });
    },
    reached: (position: number): void => {
      for (const waiter of waiting) if (waiter.position <= position) waiter.settle(true);
    },
    close: (): void => {
      for (const waiter of waiting) waiter.settle(false);
    },
  };
}
