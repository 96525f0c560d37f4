import { describe, expect, it, test } from 'vitest';
import type { WindowRule } from '../pipeline/definition.ts';
import { windowsAt } from './index.ts';

const hourMs = 3_600_000;
const rule = (name: string, change: Partial<WindowRule>): WindowRule => ({
  name,
  effect: 'allow',
  schedule: { kind: 'cron', text: '0 9 * * MON-FRI' },
  startsAt: '',
  durationMs: 8 * hourMs,
  timeZone: 'UTC',
  running: 'drain',
  ...change,
});
const cron = (text: string) => ({ kind: 'cron' as const, text });

const office = rule('office hours', {});
const late = rule('late shift', { schedule: cron('0 16 * * MON-FRI'), durationMs: 4 * hourMs });
const lunch = rule('lunch', { effect: 'deny', schedule: cron('0 12 * * *'), durationMs: hourMs });
const friday = rule('friday', {
  effect: 'deny',
  schedule: cron('0 0 * * FRI'),
  durationMs: 24 * hourMs,
});
const never = rule('broken', { effect: 'deny', schedule: cron('nonsense') });

const shown = (rules: readonly WindowRule[], at: string): string => {
  const state = windowsAt(rules, Date.parse(at));
  if (state === undefined) return 'no windows';
  const time = (instant: number | undefined) =>
    instant === undefined ? 'never' : new Date(instant).toISOString().slice(0, 16);
  return state.open
    ? `open, ${state.closes ? `closes ${time(state.closes.at)} by ${state.closes.rule.name}` : 'for good'}`
    : `${state.why} by ${state.rule.name}, opens ${time(state.opensAt)}`;
};

describe('several windows', () => {
  // The 2nd of December 2026 is a Wednesday.
  it.each([
    [[], '2026-12-02T10:00Z', 'no windows'],
    [[office], '2026-12-02T08:59Z', 'not-allowed by office hours, opens 2026-12-02T09:00'],
    [[office], '2026-12-02T10:00Z', 'open, closes 2026-12-02T17:00 by office hours'],
    [[office, late], '2026-12-02T10:00Z', 'open, closes 2026-12-02T20:00 by late shift'],
    [[office, late], '2026-12-02T20:00Z', 'not-allowed by office hours, opens 2026-12-03T09:00'],
    // Deny wins over whatever allows.
    [[office, lunch], '2026-12-02T12:30Z', 'denied by lunch, opens 2026-12-02T13:00'],
    [[lunch, office, late], '2026-12-02T10:00Z', 'open, closes 2026-12-02T12:00 by lunch'],
    [[lunch], '2026-12-02T10:00Z', 'open, closes 2026-12-02T12:00 by lunch'],
    // Two denials overlap: the one that lasts longer is told.
    [[lunch, friday], '2026-12-04T12:30Z', 'denied by friday, opens 2026-12-05T00:00'],
    // When the denial ends, nothing is allowed yet: it opens on Monday.
    [[office, friday], '2026-12-04T10:00Z', 'denied by friday, opens 2026-12-07T09:00'],
    [[office, friday], '2026-12-03T18:00Z', 'not-allowed by office hours, opens 2026-12-07T09:00'],
    // A rule that nobody can read lets nothing in.
    [[office, never], '2026-12-02T10:00Z', 'unknown by broken, opens never'],
  ] as const)('WIN-06: %# at %s', (rules, at, expected) => {
    expect(shown(rules, at)).toBe(expected);
  });

  test('windows that never open together have no opening in sight, in bounded work', () => {
    const always = rule('always', {
      effect: 'deny',
      schedule: cron('* * * * *'),
      durationMs: 120_000,
    });
    expect(shown([office, always], '2026-12-02T10:00Z')).toBe('denied by always, opens never');
  });
});
