import type { Instant } from '@fairlead/shared/time';
import { occurrencesOf, type Recurrence } from './occurrences.ts';
import { instantOf, isTimeZone } from './zone.ts';

/** What is wrong with one field of a window, and what would be right. */
export type ScheduleFault = {
  readonly field: 'schedule' | 'startsAt' | 'timeZone';
  readonly message: string;
};

export const scheduleCharactersMax = 500;

/** `FREQ=…` is a recurrence rule of RFC 5545; anything else is read as a cron expression. */
export const scheduleKind = (text: string): 'rrule' | 'cron' =>
  /(^|;)\s*FREQ=/i.test(text) ? 'rrule' : 'cron';

/**
 * Every fault of a recurrence, so that what passes can be asked at any time: known names and values, a local time that
 * exists, and starts that are found in bounded work, now and in decades. `startsAt` may be empty.
 */
export function checkSchedule(recurrence: Recurrence): ScheduleFault[] {
  const { schedule, startsAt, timeZone } = recurrence;
  const faults: ScheduleFault[] = [];
  const add = (field: ScheduleFault['field'], messages: readonly string[]) => {
    for (const message of messages) faults.push({ field, message });
  };
  if (schedule.text.length > scheduleCharactersMax) {
    add('schedule', [`must have at most ${scheduleCharactersMax} characters`]);
    return faults;
  }
  if (schedule.kind === 'rrule') add('schedule', ruleFaults(schedule.text));
  const zoneKnown = isTimeZone(timeZone);
  if (!zoneKnown) {
    const example = 'such as Europe/Berlin or UTC';
    add('timeZone', [`is no zone of the IANA time zone database, ${example}`]);
  }
  if (startsAt !== '') add('startsAt', startFaults(startsAt, zoneKnown ? timeZone : undefined));
  // The rest can only be asked of a recurrence that can be read.
  if (faults.length === 0) add('schedule', occurrenceFaults(recurrence));
  return faults;
}

const number = (min: number, max: number) => ({
  fits: (value: string) => /^[+-]?\d{1,4}$/.test(value) && isWithin(Number(value), min, max),
  wanted: `a whole number from ${min} to ${max}`,
});
/** From the start or, negative, from the end. */
const ordinal = (max: number) => ({
  fits: (value: string) =>
    /^[+-]?\d{1,4}$/.test(value) && isWithin(Math.abs(Number(value)), 1, max),
  wanted: `1 to ${max}, or -1 to -${max} from the end`,
});
const isWithin = (value: number, min: number, max: number) => value >= min && value <= max;
const words = (pattern: RegExp, wanted: string) => ({
  fits: (value: string) => pattern.test(value),
  wanted,
});

const weekday = '(MO|TU|WE|TH|FR|SA|SU)';
/** The parts of a rule, RFC 5545 section 3.3.10, and whether a part is a list. */
const parts: Readonly<
  Record<string, { fits: (value: string) => boolean; wanted: string; list?: boolean }>
> = {
  FREQ: words(
    /^(YEARLY|MONTHLY|WEEKLY|DAILY|HOURLY|MINUTELY)$/,
    'YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY',
  ),
  INTERVAL: number(1, 9_999),
  COUNT: number(1, 9_999),
  UNTIL: words(/^\d{8}T\d{6}Z$/, 'a time in UTC such as 20261231T235959Z'),
  WKST: words(new RegExp(`^${weekday}$`), 'a weekday such as MO'),
  BYMINUTE: { ...number(0, 59), list: true },
  BYHOUR: { ...number(0, 23), list: true },
  BYDAY: {
    ...words(
      new RegExp(`^[+-]?([1-9]|[1-4]\\d|5[0-3])?${weekday}$`),
      'weekdays such as MO or -1FR',
    ),
    list: true,
  },
  BYMONTHDAY: { ...ordinal(31), list: true },
  BYYEARDAY: { ...ordinal(366), list: true },
  BYWEEKNO: { ...ordinal(53), list: true },
  BYMONTH: { ...number(1, 12), list: true },
  BYSETPOS: { ...ordinal(366), list: true },
};

function ruleFaults(text: string): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const part of text.split(';')) {
    const [name = '', value, ...rest] = part.split('=');
    const known = Object.hasOwn(parts, name) ? parts[name] : undefined;
    if (value === undefined || rest.length > 0 || known === undefined) {
      faults.push(`"${part}" is no part of a rule: use ${Object.keys(parts).join(', ')}`);
      continue;
    }
    if (seen.has(name)) faults.push(`${name} is given twice`);
    seen.add(name);
    const values = known.list ? value.split(',') : [value];
    const wrong = values.filter((one) => !known.fits(one));
    if (wrong.length > 0) faults.push(`${name}=${wrong.join(',')} must be ${known.wanted}`);
  }
  if (!seen.has('FREQ')) faults.push('a rule needs FREQ');
  if (seen.has('COUNT') && seen.has('UNTIL')) faults.push('COUNT and UNTIL exclude each other');
  return faults;
}

function startFaults(startsAt: string, timeZone: string | undefined): string[] {
  const wall = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/.test(startsAt)
    ? Date.parse(`${startsAt}Z`)
    : Number.NaN;
  // `Date.parse` takes the 31st of February for a day in March.
  if (Number.isNaN(wall) || new Date(wall).toISOString() !== `${startsAt}.000Z`) {
    return ['must be a local date and time such as 2026-01-01T00:00:00'];
  }
  return timeZone === undefined || instantOf(timeZone, wall) !== undefined
    ? []
    : [`does not exist in ${timeZone}: its clock skips that time`];
}

const yearMs = 365.25 * 86_400_000;
/** Instants of different years, seasons and times of day, decades apart from each other. */
const probes: readonly Instant[] = [
  Date.UTC(2026, 0, 1),
  Date.UTC(2036, 6, 15, 11, 7),
  Date.UTC(2066, 10, 30, 22, 59),
];

function occurrenceFaults(recurrence: Recurrence): string[] {
  try {
    const occurrences = occurrencesOf(recurrence);
    // No rule goes by in less than a leap year's cycle, but for those that never come.
    const first = occurrences.after(0) ?? occurrences.atOrBefore(Date.UTC(2100, 0, 1));
    if (first === undefined || first > Date.UTC(2100, 0, 1)) return ['never comes'];
    for (const at of [first + yearMs, ...probes]) {
      occurrences.after(at);
      occurrences.atOrBefore(at);
    }
    return [];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [
      /maximum (iterations|candidate)/i.test(message)
        ? 'never comes, or takes too many steps to follow: use fewer or coarser parts'
        : message,
    ];
  }
}
