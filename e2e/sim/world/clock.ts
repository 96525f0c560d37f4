import type { Clock, Random } from '@fairlead/shared/time';
import type { Chance } from './chance.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A machine's clock: it shows what somebody set it to, while timers follow the time that really passes. */
export type MachineClock = Clock & {
  readonly jump: (byMs: number) => void;
  /** As a time server would set it. */
  readonly setRight: () => void;
  readonly shownAt: (virtualMs: number) => number;
};

/** 2026-01-01T00:00:00Z. */
const startMs = Date.UTC(2026, 0, 1);

export function createMachineClock(time: VirtualTime): MachineClock {
  let offsetMs = 0;
  return {
    now: () => startMs + time.nowMs() + offsetMs,
    jump: (byMs) => {
      offsetMs += byMs;
    },
    setRight: () => {
      offsetMs = 0;
    },
    shownAt: (virtualMs) => startMs + virtualMs + offsetMs,
  };
}

export const randomOf = (chance: Chance, prefix: string): Random => {
  let count = 0;
  return {
    nextFraction: chance.fraction,
    nextId: () => prefix + (++count).toString(36).padStart(26 - prefix.length, '0'),
  };
};
