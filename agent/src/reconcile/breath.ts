import { setImmediate as nextTurn } from 'node:timers/promises';
import { workHeldMsMax, workObjectsHeldMax } from '../limits.ts';

/**
 * Lets the event loop run in a long piece of work: watches, health and the hub's link must not wait for a unit of many
 * thousand objects. Asked at each item it answers `undefined` but for the few times when it is due.
 */
export function createBreath(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < workHeldMsMax) return undefined;
    return nextTurn().then(() => {
      since = performance.now();
    });
  };
}

/** Between two pieces of work that take long for many objects and nothing for few. */
export const pauseFor = (objectsCount: number): Promise<void> | undefined =>
  objectsCount < workObjectsHeldMax ? undefined : nextTurn();
