import type { Instant } from '@fairlead/shared/time';

/** One reading of a wall clock. */
export type Reading = {
  readonly at: Instant;
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
  /** The clock was set back and shows this time for the second time. */
  readonly again: boolean;
  /** Its fields as one number that sorts like them. */
  readonly wall: number;
};

/** Every offset of the zones that are tested, and every change of one, is a multiple of it. */
export const stepMs = 15 * 60_000;

/**
 * The wall clock of a zone, read every quarter of an hour: another way to the same answers, which knows no rule of
 * daylight saving and nothing of recurrences.
 */
export function readClock(timeZone: string, from: Instant, to: Instant): Reading[] {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const readings: Reading[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  for (let at = from; at < to; at += stepMs) {
    const text = format.format(at);
    const field = (start: number, length: number) => Number(text.slice(start, start + length));
    const [year, month, day] = [field(0, 4), field(5, 2), field(8, 2)];
    const [hour, minute] = [field(11, 2), field(14, 2)];
    const wall = Date.UTC(year, month - 1, day, hour, minute);
    const weekday = new Date(wall).getUTCDay();
    const again = wall <= newest;
    newest = Math.max(newest, wall);
    readings.push({ at, year, month, day, weekday, hour, minute, again, wall });
  }
  return readings;
}

/** Whether a window is open at each reading, by walking along: `isStart` says where one begins. */
export function openAlong(
  readings: readonly Reading[],
  isStart: (reading: Reading) => boolean,
  duration: { readonly days: number; readonly restMs: number },
): boolean[] {
  // When the clock shows the same time so many days later, or has just skipped it.
  const endOf = (start: Reading, index: number): Instant => {
    if (duration.days === 0) return start.at + duration.restMs;
    const wanted = start.wall + duration.days * 86_400_000;
    let next = index + Math.max(0, duration.days * 96 - 200);
    while ((readings[next]?.wall ?? Number.POSITIVE_INFINITY) < wanted) next++;
    return (readings[next]?.at ?? Number.POSITIVE_INFINITY) + duration.restMs;
  };
  let until = Number.NEGATIVE_INFINITY;
  return readings.map((reading, index) => {
    if (isStart(reading)) until = Math.max(until, endOf(reading, index));
    return reading.at < until;
  });
}
