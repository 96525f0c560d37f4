import type { Instant } from '@fairlead/shared/time';

/** A wall clock's reading as if it were UTC: what local times are compared and added by. */
export type WallTime = number;

const formatters = new Map<string, Intl.DateTimeFormat>();
/** Zones whose formatter is kept; there are about 450 of them. */
const formattersMax = 600;

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known !== undefined) return known;
  const formatter = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  if (formatters.size < formattersMax) formatters.set(timeZone, formatter);
  return formatter;
}

/** Whether it is a name of the IANA time zone database; an offset such as `+02:00` is none, for it has no rules. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+){0,2}$/.test(name)) return false;
  try {
    formatterOf(name);
    return true;
  } catch {
    return false;
  }
}

/** What a wall clock in the zone shows at the instant, to the second. */
export function wallTimeAt(timeZone: string, at: Instant): WallTime {
  const field: Record<string, number> = {};
  for (const { type, value } of formatterOf(timeZone).formatToParts(at))
    field[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/**
 * The instant at which the zone's clock shows the wall time: the first of two when it is set back, nothing when the time is
 * skipped. No zone is further than 15 hours from UTC, and none changes its offset twice within a day.
 */
export function instantOf(timeZone: string, wall: WallTime): Instant | undefined {
  const candidates = offsetsAround(timeZone, wall).map((offset) => wall - offset);
  const shown = candidates.filter((at) => wallTimeAt(timeZone, at) === wall);
  return shown.length === 0 ? undefined : Math.min(...shown);
}

/** The same, and the instant at which the clock is set forward for a time that is skipped. */
export function instantAtOrAfter(timeZone: string, wall: WallTime): Instant {
  const shown = instantOf(timeZone, wall);
  if (shown !== undefined) return shown;
  let [before = 0, after = 0] = offsetsAround(timeZone, wall).map((offset) => wall - offset);
  [before, after] = [Math.min(before, after), Math.max(before, after)];
  // The clock shows less than the time before the change, and more from it on.
  while (after - before > 1_000) {
    const middle = before + Math.floor((after - before) / 2_000) * 1_000;
    if (wallTimeAt(timeZone, middle) < wall) before = middle;
    else after = middle;
  }
  return after;
}

const dayMs = 86_400_000;
const offsetsAround = (timeZone: string, wall: WallTime): number[] =>
  [wall - dayMs, wall + dayMs].map((at) => wallTimeAt(timeZone, at) - at);
