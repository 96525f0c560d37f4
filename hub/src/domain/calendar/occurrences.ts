import type { Instant } from '@fairlead/shared/time';
import { Cron } from 'croner';
import { RRuleTemporal } from 'rrule-temporal';
import type { WindowRule } from '../pipeline/definition.ts';

/** The starts of a recurrence. Each question takes bounded work, and throws when that was not enough to answer it. */
export type Occurrences = {
  /** The first one later than the instant. */
  readonly after: (at: Instant) => Instant | undefined;
  /** The last one that is not later. */
  readonly atOrBefore: (at: Instant) => Instant | undefined;
};

export type Recurrence = Pick<WindowRule, 'schedule' | 'startsAt' | 'timeZone'>;

/** Periods of a rule, and times in them, that one question may look through. */
const periodsMax = 4_000;
const candidatesMax = 50_000;

/** Where a rule that names no start begins to count: a Saturday at midnight, before anything that is asked. */
const startsAtDefault = '2000-01-01T00:00:00';

/**
 * RFC 5545 leaves a start out that the clock skips, and takes the first of two when the clock is set back. A cron
 * expression with one time of day starts late rather than never; one with several follows the clock both times.
 * Throws what is wrong with the rule.
 */
export function occurrencesOf({ schedule, startsAt, timeZone }: Recurrence): Occurrences {
  return schedule.kind === 'cron'
    ? cronOccurrences(schedule.text, timeZone)
    : ruleOccurrences(schedule.text, startsAt || startsAtDefault, timeZone);
}

function ruleOccurrences(text: string, startsAt: string, timeZone: string): Occurrences {
  const rule = new RRuleTemporal({
    rruleString: `DTSTART;TZID=${timeZone}:${startsAt.replaceAll(/[-:]/g, '')}\nRRULE:${text}`,
    maxIterations: periodsMax,
    maxCandidateEvaluations: candidatesMax,
    strict: true,
    cache: false,
  });
  return {
    after: (at) => rule.next(new Date(at))?.epochMilliseconds,
    atOrBefore: (at) => rule.previous(new Date(at), true)?.epochMilliseconds,
  };
}

function cronOccurrences(text: string, timezone: string): Occurrences {
  const cron = new Cron(text, { timezone, mode: '5-part', paused: true });
  return {
    after: (at) => cron.nextRun(new Date(at))?.getTime(),
    atOrBefore: (at) => cron.previousRuns(1, new Date(at + 1))[0]?.getTime(),
  };
}
