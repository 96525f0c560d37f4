import type { Instant } from '@fairlead/shared/time';

/**
 * How many may start now of those that waited for the same moment: a bucket that holds one second's worth and fills as time
 * passes. A clock that is set back fills nothing.
 */
export function createStartLimit(perSecondMax: number, startedAt: Instant) {
  let left = perSecondMax;
  let filledAt = startedAt;
  let lastTurnAt = startedAt;
  return {
    left: (now: Instant): number => {
      const elapsedMs = Math.max(0, now - filledAt);
      left = Math.min(perSecondMax, left + (elapsedMs * perSecondMax) / 1_000);
      filledAt = now;
      return Math.floor(left);
    },
    take: (count: number): void => {
      left -= count;
    },
    /** A time of its own for each that has to wait, so that they are not all looked at again for each one that starts. */
    turnAt: (now: Instant): Instant => {
      lastTurnAt = Math.max(lastTurnAt, now) + Math.ceil(1_000 / perSecondMax);
      return lastTurnAt;
    },
  };
}
