import type { Instant } from '@fairlead/shared/time';
import type { WindowRule } from '../pipeline/definition.ts';
import { type Occurrences, occurrencesOf } from './occurrences.ts';
import { instantAtOrAfter, wallTimeAt } from './zone.ts';

export type TimeWindow = Pick<WindowRule, 'schedule' | 'startsAt' | 'durationMs' | 'timeZone'>;

export type WindowState =
  | {
      readonly kind: 'open';
      /** Or earlier, of a window that goes over into the next one very often. */
      readonly since: Instant;
      readonly until: Instant;
      /** Nobody looked further than `until`: it may stay open. */
      readonly goesOn: boolean;
    }
  /** Without `opensAt` it never opens again. */
  | { readonly kind: 'closed'; readonly opensAt?: Instant }
  /** The rule takes too much work to answer, or is none. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** Starts that one question may put together when a window goes over into the next. */
const joinedMax = 32;
/** Answers that are remembered of one window, newest first: what a question about several windows looks at. */
const intervalsKeptMax = 8;
const dayMs = 86_400_000;

/**
 * Whether the window is open at the instant: from each start for its duration, and windows that touch or overlap are one.
 * Whole days of a duration are counted by the calendar and the rest of it by the clock, as in RFC 5545, so that a day
 * from midnight ends at midnight also when the clock is changed.
 */
export function windowAt(window: TimeWindow, at: Instant): WindowState {
  const memory = memoryOf(window);
  const remembered = memory.intervals.find(({ from, to }) => from <= at && at < to);
  if (remembered !== undefined) return remembered.state;
  const { state, interval } = judge(memory, window, at);
  if (interval !== undefined)
    memory.intervals = [interval, ...memory.intervals].slice(0, intervalsKeptMax);
  return state;
}

/** With where the very same answer would be given: one that was cut short depends on the instant. */
function judge(
  { occurrences, fault }: Memory,
  window: TimeWindow,
  at: Instant,
): { state: WindowState; interval?: Interval } {
  if (occurrences === undefined) return { state: { kind: 'unknown', reason: fault } };
  try {
    const start = occurrences.atOrBefore(at);
    if (start === undefined || endOf(window, start) <= at) {
      const opensAt = occurrences.after(at);
      const state: WindowState =
        opensAt === undefined ? { kind: 'closed' } : { kind: 'closed', opensAt };
      return { state, interval: { from: at, to: opensAt ?? Number.POSITIVE_INFINITY, state } };
    }
    const { since, joined: before } = earliestOf(occurrences, window, start);
    const { until, joined: later } = latestOf(occurrences, window, start);
    const goesOn = later === joinedMax;
    const state: WindowState = { kind: 'open', since, until, goesOn };
    const isCut = before + later >= joinedMax;
    const [from, to] = isCut ? [at, at + 1] : [since, until];
    return { state, interval: { from, to, state } };
  } catch (error) {
    return { state: { kind: 'unknown', reason: reasonOf(error) } };
  }
}

function earliestOf(occurrences: Occurrences, window: TimeWindow, start: Instant) {
  let [since, joined] = [start, 0];
  for (; joined < joinedMax; joined++) {
    const before = occurrences.atOrBefore(since - 1);
    if (before === undefined || endOf(window, before) < since) break;
    since = before;
  }
  return { since, joined };
}

function latestOf(occurrences: Occurrences, window: TimeWindow, start: Instant) {
  let [last, until, joined] = [start, endOf(window, start), 0];
  for (; joined < joinedMax; joined++) {
    const next = occurrences.after(last);
    if (next === undefined || next > until) break;
    [last, until] = [next, Math.max(until, endOf(window, next))];
  }
  return { until, joined };
}

function endOf({ durationMs, timeZone }: TimeWindow, start: Instant): Instant {
  const days = Math.floor(durationMs / dayMs);
  if (days === 0) return start + durationMs;
  const wall = wallTimeAt(timeZone, start) + days * dayMs;
  return instantAtOrAfter(timeZone, wall) + (durationMs - days * dayMs);
}

type Interval = { readonly from: Instant; readonly to: Instant; readonly state: WindowState };

type Memory =
  | { readonly occurrences: Occurrences; readonly fault: ''; intervals: readonly Interval[] }
  | { readonly occurrences?: undefined; readonly fault: string; intervals: readonly Interval[] };

// Definitions do not change, so what was computed of a window holds as long as the window does.
const memories = new WeakMap<TimeWindow, Memory>();

function memoryOf(window: TimeWindow): Memory {
  const known = memories.get(window);
  if (known !== undefined) return known;
  const memory = read(window);
  memories.set(window, memory);
  return memory;
}

function read(window: TimeWindow): Memory {
  try {
    return { occurrences: occurrencesOf(window), fault: '', intervals: [] };
  } catch (error) {
    return { fault: reasonOf(error), intervals: [] };
  }
}

const reasonOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  return /maximum (iterations|candidate)/i.test(message)
    ? 'it takes too many steps to find its next start'
    : message;
};
