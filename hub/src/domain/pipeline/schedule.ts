import type { WindowRule } from './definition.ts';
import { scheduleCharactersMax } from './limits.ts';

/** IANA names; an offset such as `+01:00` knows no summer time and is refused. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}

/** The text with seconds, if it is a date of the calendar; minutes may stand without seconds. */
export function localTimeOf(text: string): string | undefined {
  const match = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})(?::(\d{2}))?$/.exec(text);
  if (match === null) return undefined;
  const full = `${match[1]}:${match[2] ?? '00'}`;
  const time = Date.parse(`${full}Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(full) ? full : undefined;
}

const frequencies = ['HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'];
const ruleParts =
  /^(FREQ|UNTIL|COUNT|INTERVAL|BYMINUTE|BYHOUR|BYDAY|BYMONTHDAY|BYYEARDAY|BYWEEKNO|BYMONTH|BYSETPOS|WKST)=([-+A-Z0-9,]+)$/;
const cronField = /^(\*|[0-9A-Z]+(-[0-9A-Z]+)?)(\/\d+)?(,(\*|[0-9A-Z]+(-[0-9A-Z]+)?)(\/\d+)?)*$/;

/** What is wrong with the schedule of a window, in words; nothing if its starts can be computed. */
export function checkSchedule({
  schedule: { kind, text },
}: Pick<WindowRule, 'schedule' | 'startsAt' | 'timeZone'>): string | undefined {
  if (text.length > scheduleCharactersMax) {
    return `must have at most ${scheduleCharactersMax} characters`;
  }
  return kind === 'rrule' ? checkRule(text) : checkCron(text);
}

function checkRule(text: string): string | undefined {
  const parts = text.split(';').map((part) => ruleParts.exec(part));
  const bad = parts.indexOf(null);
  if (bad !== -1) {
    return `has a part that is none of RFC 5545: ${text.split(';')[bad]}`;
  }
  const frequency = parts.find((part) => part?.[1] === 'FREQ')?.[2];
  if (frequency === undefined) return 'must have a FREQ, as in FREQ=WEEKLY;BYDAY=SA,SU';
  if (!frequencies.includes(frequency)) return `must have a FREQ of ${frequencies.join(', ')}`;
  return undefined;
}

function checkCron(text: string): string | undefined {
  const fields = text.trim().split(/\s+/);
  return fields.length === 5 && fields.every((field) => cronField.test(field.toUpperCase()))
    ? undefined
    : 'must be a recurrence rule such as FREQ=WEEKLY;BYDAY=SA,SU, or a cron expression of five fields';
}
