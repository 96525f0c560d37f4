import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { WindowRule } from '../pipeline/definition.ts';
import { checkSchedule, scheduleKind, type TimeWindow, windowAt } from './index.ts';
import { openAlong, type Reading, readClock, stepMs } from './testing-clock.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const windowOf = (text: string, change: Partial<WindowRule> = {}): TimeWindow => ({
  schedule: { kind: scheduleKind(text), text },
  startsAt: '',
  durationMs: hourMs,
  timeZone: 'Europe/Berlin',
  ...change,
});
const at = (text: string) => Date.parse(text);
const shown = (window: TimeWindow, text: string): string => {
  const state = windowAt(window, at(text));
  const time = (instant: number) => new Date(instant).toISOString().slice(0, 16);
  switch (state.kind) {
    case 'open':
      return `open ${time(state.since)} ${time(state.until)}${state.goesOn ? ' or later' : ''}`;
    case 'closed':
      return `closed ${state.opensAt === undefined ? 'for ever' : time(state.opensAt)}`;
    case 'unknown':
      return `unknown: ${state.reason}`;
  }
};

describe('one window', () => {
  test.each([
    // Business hours, on a Friday in Berlin's winter.
    [
      'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9',
      8,
      '2026-11-27T07:59Z',
      'closed 2026-11-27T08:00',
    ],
    [
      'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9',
      8,
      '2026-11-27T08:00Z',
      'open 2026-11-27T08:00 2026-11-27T16:00',
    ],
    [
      'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9',
      8,
      '2026-11-27T15:59Z',
      'open 2026-11-27T08:00 2026-11-27T16:00',
    ],
    [
      'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9',
      8,
      '2026-11-27T16:00Z',
      'closed 2026-11-30T08:00',
    ],
    ['0 9 * * MON-FRI', 8, '2026-11-27T16:00Z', 'closed 2026-11-30T08:00'],
    ['0 9 * * MON-FRI', 8, '2026-11-27T08:00Z', 'open 2026-11-27T08:00 2026-11-27T16:00'],
    // Two days that touch are one window, also when the clock is changed in between or at its end.
    ['FREQ=WEEKLY;BYDAY=SA,SU', 24, '2026-11-28T12:00Z', 'open 2026-11-27T23:00 2026-11-29T23:00'],
    ['FREQ=WEEKLY;BYDAY=SA,SU', 24, '2026-03-28T12:00Z', 'open 2026-03-27T23:00 2026-03-29T22:00'],
    ['FREQ=WEEKLY;BYDAY=SA,SU', 24, '2026-10-25T22:30Z', 'open 2026-10-23T22:00 2026-10-25T23:00'],
    // The clock skips 02:30: no start by the rule, and a late one by cron.
    ['FREQ=DAILY;BYHOUR=2;BYMINUTE=30', 1, '2026-03-29T01:00Z', 'closed 2026-03-30T00:30'],
    ['30 2 * * *', 1, '2026-03-29T01:00Z', 'open 2026-03-29T01:00 2026-03-29T02:00'],
    // The clock shows 02:30 twice: the first one counts.
    [
      'FREQ=DAILY;BYHOUR=2;BYMINUTE=30',
      1,
      '2026-10-25T00:30Z',
      'open 2026-10-25T00:30 2026-10-25T01:30',
    ],
    ['FREQ=DAILY;BYHOUR=2;BYMINUTE=30', 1, '2026-10-25T01:30Z', 'closed 2026-10-26T01:30'],
    // Days that not every month or year has.
    ['FREQ=MONTHLY;BYMONTHDAY=31', 24, '2026-11-15T00:00Z', 'closed 2026-12-30T23:00'],
    ['0 0 31 * *', 24, '2026-11-15T00:00Z', 'closed 2026-12-30T23:00'],
    ['FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29', 24, '2026-11-15T00:00Z', 'closed 2028-02-28T23:00'],
    ['0 0 29 2 *', 24, '2096-03-01T00:00Z', 'closed 2104-02-28T23:00'],
    [
      'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18',
      6,
      '2026-11-27T18:00Z',
      'open 2026-11-27T17:00 2026-11-27T23:00',
    ],
    // What has ended does not come back.
    ['FREQ=DAILY;COUNT=3', 1, '2026-11-27T00:00Z', 'closed for ever'],
    ['FREQ=DAILY;UNTIL=20200101T000000Z', 1, '2026-11-27T00:00Z', 'closed for ever'],
  ] as const)('WIN-05: %s for %i h, at %s: %s', (text, hours, instant, expected) => {
    expect(shown(windowOf(text, { durationMs: hours * hourMs }), instant)).toBe(expected);
  });

  test('a rule counts from its start, in its zone', () => {
    const window = windowOf('FREQ=WEEKLY;INTERVAL=2', {
      startsAt: '2026-01-05T22:00:00',
      timeZone: 'America/New_York',
      durationMs: 8 * hourMs,
    });
    expect(shown(window, '2026-01-13T04:00Z')).toBe('closed 2026-01-20T03:00');
    expect(shown(window, '2026-01-20T03:00Z')).toBe('open 2026-01-20T03:00 2026-01-20T11:00');
  });
});

describe('bounded work', () => {
  const often = [
    ['* * * * *', 60_000],
    ['FREQ=MINUTELY', 60_000],
    ['FREQ=MINUTELY', 24 * hourMs],
    ['FREQ=HOURLY', 90 * 60_000],
  ] as const;
  test.each(often)('%s for %i ms is open without an end in sight', (text, durationMs) => {
    const window = windowOf(text, { durationMs, startsAt: '2016-01-01T00:00:00' });
    const startedAt = performance.now();
    for (let year = 2017; year < 2036; year++) {
      const state = windowAt(window, Date.UTC(year, 10, 27, 10));
      expect(state).toMatchObject({ kind: 'open', goesOn: true });
    }
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  test('a cut answer and a whole one never depend on what was asked before', {
    timeout: 60_000,
  }, () => {
    const instants = fc
      .integer({ min: 0, max: 14 * 24 * 12 })
      .map((steps) => Date.UTC(2026, 9, 20) + steps * 5 * 60_000);
    const texts = ['*/20 9-17 * * MON-FRI', '* * * * *', 'FREQ=WEEKLY;BYDAY=SA,SU', '0 2 * * *'];
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.constantFrom(20 * 60_000, 2 * hourMs, 24 * hourMs),
        fc.array(instants, { minLength: 2, maxLength: 8 }),
        (text, durationMs, asked) => {
          const remembering = windowOf(text, { durationMs });
          for (const instant of asked) {
            const fresh = windowAt(windowOf(text, { durationMs }), instant);
            expect(windowAt(remembering, instant)).toEqual(fresh);
          }
        },
      ),
      { numRuns: 12 },
    );
  });
});

describe('what is refused', () => {
  test.each([
    ['FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', {}, /never comes/],
    ['FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30', {}, /never comes/],
    ['FREQ=YEARLY;BYYEARDAY=366;BYWEEKNO=10', {}, /never comes/],
    ['0 0 30 2 *', {}, /never comes/],
    ['FREQ=MINUTELY;COUNT=9999', {}, /too many steps/],
    ['FREQ=DAILY;BYHOUR=25;BYMINUTE=60', {}, /BYHOUR=25 .*0 to 23/],
    ['FREQ=DAILY;BYFOO=1', {}, /"BYFOO=1" is no part of a rule/],
    ['FREQ=SECONDLY', {}, /FREQ=SECONDLY must be/],
    ['FREQ=WEEKLY;BYDAY=XX', {}, /BYDAY=XX/],
    ['FREQ=DAILY;COUNT=2;UNTIL=20300101T000000Z', {}, /exclude each other/],
    ['FREQ=DAILY;UNTIL=20300101', {}, /UNTIL=20300101 must be/],
    ['FREQ=DAILY\nRDATE:20300101T000000', {}, /FREQ=DAILY\nRDATE/],
    ['BYDAY=MO;FREQ=DAILY;FREQ=DAILY', {}, /FREQ is given twice/],
    ['61 * * * *', {}, /minute/],
    ['* * * * * *', {}, /5 parts/],
    ['whenever', {}, /five/],
    ['FREQ=DAILY', { timeZone: 'Mars/Base' }, /no zone/],
    ['FREQ=DAILY', { timeZone: '+02:00' }, /no zone/],
    ['0 9 * * *', { timeZone: 'Europe/Atlantis' }, /no zone/],
    ['FREQ=DAILY', { startsAt: '2026-02-30T00:00:00' }, /local date and time/],
    ['FREQ=DAILY', { startsAt: 'tomorrow' }, /local date and time/],
    ['FREQ=DAILY', { startsAt: '2026-03-29T02:30:00' }, /clock skips/],
    [`FREQ=DAILY;BYMINUTE=${'1,'.repeat(300)}1`, {}, /at most 500/],
  ] as const)('WIN-05: %s %o', (text, change, message) => {
    const faults = checkSchedule(windowOf(text, change));
    expect(faults.map((fault) => fault.message).join('\n')).toMatch(message);
  });

  test('all faults are told at once, each with its field', () => {
    const faults = checkSchedule(
      windowOf('FREQ=DAILY;BYHOUR=25', { timeZone: 'Nowhere', startsAt: 'soon' }),
    );
    expect(faults.map(({ field }) => field)).toEqual(['schedule', 'timeZone', 'startsAt']);
  });

  test.each([
    'FREQ=WEEKLY;BYDAY=SA,SU',
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1',
    'FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO',
    'FREQ=DAILY;COUNT=10',
    'FREQ=MINUTELY;INTERVAL=7;BYHOUR=2',
    '*/5 * * * *',
    '0 0 L * *',
    '0 0 * * FRI#2',
    '@daily',
  ])('%s is taken', (text) => {
    expect(checkSchedule(windowOf(text))).toEqual([]);
  });

  test('a rule that slipped in unchecked is unknown, which is neither open nor closed', () => {
    const window = windowOf('FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', {
      startsAt: '2026-01-01T00:00:00',
    });
    expect(shown(window, '2026-11-27T00:00Z')).toMatch(/^unknown: it takes too many steps/);
    expect(shown(windowOf('nonsense'), '2026-11-27T00:00Z')).toMatch(/^unknown: /);
  });
});

describe('WIN-05: ten years of transitions against a calendar that reads the clock', () => {
  const [from, to] = [Date.UTC(2026, 0, 1), Date.UTC(2036, 0, 1)];
  // Zones that change at night, by half an hour, at a quarter to three, and at midnight.
  const zones = ['Europe/Berlin', 'Australia/Lord_Howe', 'Pacific/Chatham', 'America/Santiago'];
  const weekdays = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'];
  const rules = fc.record({
    days: fc.oneof(
      fc.record({
        weekdays: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 4 }),
      }),
      fc.record({
        monthDays: fc.uniqueArray(fc.constantFrom(1, 2, 15, 28, 29, 30, 31), {
          minLength: 1,
          maxLength: 3,
        }),
      }),
      fc.constant({}),
    ),
    month: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
    hour: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 23 })),
    minute: fc.constantFrom(0, 15, 30, 45),
    durationSteps: fc.oneof(
      fc.integer({ min: 1, max: 96 }),
      fc.constantFrom(96, 2 * 96, 7 * 96, 97),
    ),
    kind: fc.constantFrom('rrule' as const, 'cron' as const),
  });
  type Rule = typeof rules extends fc.Arbitrary<infer Value> ? Value : never;

  const textOf = ({ days, month, hour, minute, kind }: Rule): string => {
    const { weekdays: onWeekdays, monthDays } = days as {
      weekdays?: number[];
      monthDays?: number[];
    };
    if (kind === 'cron') {
      return [
        minute,
        hour,
        monthDays?.join(',') ?? '*',
        month ?? '*',
        onWeekdays?.join(',') ?? '*',
      ].join(' ');
    }
    return [
      'FREQ=DAILY',
      `BYHOUR=${hour};BYMINUTE=${minute}`,
      ...(onWeekdays ? [`BYDAY=${onWeekdays.map((day) => weekdays[day]).join(',')}`] : []),
      ...(monthDays ? [`BYMONTHDAY=${monthDays.join(',')}`] : []),
      ...(month === undefined ? [] : [`BYMONTH=${month}`]),
    ].join(';');
  };
  /** Where the rule starts; a cron expression with one time of day starts at the end of a gap that skips it. */
  const isStartOf = ({ days, month, hour, minute, kind }: Rule) => {
    const { weekdays: onWeekdays, monthDays } = days as {
      weekdays?: number[];
      monthDays?: number[];
    };
    const onDay = (reading: Reading) =>
      (onWeekdays?.includes(reading.weekday) ?? true) &&
      (monthDays?.includes(reading.day) ?? true) &&
      (month === undefined || reading.month === month);
    let before: Reading | undefined;
    return (reading: Reading): boolean => {
      const previous = before;
      before = reading;
      if (reading.again || !onDay(reading)) return false;
      if (reading.hour === hour && reading.minute === minute) return true;
      if (kind === 'rrule' || previous === undefined) return false;
      const wanted = Date.UTC(reading.year, reading.month - 1, reading.day, hour, minute);
      const isGap = reading.wall - previous.wall > stepMs;
      return isGap && previous.wall < wanted && wanted < reading.wall;
    };
  };

  it.each(zones)('WIN-05: %s', { timeout: 120_000 }, (timeZone) => {
    const readings = readClock(timeZone, from - 20 * dayMs, to + 20 * dayMs);
    const first = readings.findIndex((reading) => reading.at >= from);
    const last = readings.findIndex((reading) => reading.at >= to);
    // The quarters of an hour around each change of the clock, where the faults would be.
    const changes = readings.flatMap((reading, index) => {
      const previous = readings[index - 1];
      const changed = previous !== undefined && reading.wall - previous.wall !== stepMs;
      return changed && index > first && index < last ? [index] : [];
    });
    const anyIndex = fc.integer({ min: first, max: last - 1 });
    const nearChange =
      changes.length === 0
        ? anyIndex
        : fc
            .tuple(fc.constantFrom(...changes), fc.integer({ min: -120, max: 120 }))
            .map(([index, by]) => Math.min(last - 1, Math.max(first, index + by)));
    fc.assert(
      fc.property(
        rules,
        fc.array(fc.oneof(anyIndex, nearChange), { minLength: 24, maxLength: 24 }),
        (rule, indexes) => {
          const window = windowOf(textOf(rule), {
            timeZone,
            durationMs: rule.durationSteps * stepMs,
          });
          fc.pre(checkSchedule(window).length === 0);
          const days = Math.floor(rule.durationSteps / 96);
          const duration = { days, restMs: (rule.durationSteps - days * 96) * stepMs };
          const open = openAlong(readings, isStartOf(rule), duration);
          for (const index of indexes) {
            const reading = readings[index] as Reading;
            const state = windowAt(window, reading.at);
            const told = `${textOf(rule)} for ${rule.durationSteps / 4} h at ${new Date(reading.at).toISOString()}`;
            expect([told, state.kind]).toEqual([told, open[index] ? 'open' : 'closed']);
            if (state.kind === 'open' && !state.goesOn) {
              const end = open.indexOf(false, index);
              if (end !== -1) expect([told, state.until]).toEqual([told, readings[end]?.at]);
            }
            if (state.kind === 'closed') {
              const opens = open.indexOf(true, index);
              if (opens !== -1) expect([told, state.opensAt]).toEqual([told, readings[opens]?.at]);
            }
          }
        },
      ),
      { numRuns: 10 },
    );
  });
});
