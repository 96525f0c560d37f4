import { expect, test } from 'vitest';
import type { StageDocument } from '../http/index.ts';
import { renderTable } from './output.ts';
import {
  clusterStatus,
  heldText,
  oneLine,
  relativeTime,
  stageHealth,
  stagePhase,
  targetsText,
} from './words.ts';

const now = Date.parse('2026-03-02T10:00:00Z');
const before = (durationMs: number): string => new Date(now - durationMs).toISOString();

const stage: StageDocument = {
  pipeline: 'checkout',
  name: 'production',
  after: ['staging'],
  promote: 'automatic',
  health: 'unknown',
  healthMessage: '',
  targets: { total: 0, healthy: 0, progressing: 0, failing: 0, offline: 0, pruneHeld: 0 },
};

test.each<[string | undefined, string]>([
  [undefined, 'never'],
  [before(0), 'now'],
  [before(999), 'now'],
  [before(90_500), '1m30s ago'],
  [before(-480_000), 'in 8m'],
  [before(26 * 3_600_000), '1d2h ago'],
])('%s reads as %s', (time, words) => {
  expect(relativeTime(time, now)).toBe(words);
});

test('an offline cluster shows since when nobody heard of it, not since when that was noticed', () => {
  const cluster = { status: 'offline' as const, statusSince: before(155_000) };
  expect(clusterStatus({ ...cluster, lastSeenAt: before(180_000) }, now)).toBe('offline for 3m');
  expect(clusterStatus(cluster, now)).toBe('offline for 2m35s');
});

test('a pending cluster shows whether its join token is still good', () => {
  const cluster = { status: 'pending' as const, statusSince: before(0) };
  expect(clusterStatus({ ...cluster, joinTokenExpiresAt: before(-60_000) }, now)).toBe(
    'pending, token expires in 1m',
  );
  expect(clusterStatus({ ...cluster, joinTokenExpiresAt: before(1) }, now)).toBe(
    'pending, token expired',
  );
});

test('a stage says what it does, with its age', () => {
  const rollout = { id: 'r', release: 'a', startedAt: before(60_000) };
  expect(stagePhase(stage, now)).toBe('no release yet');
  expect(stagePhase({ ...stage, rollout: { ...rollout, state: 'running' } }, now)).toBe(
    'rolling out for 1m',
  );
  expect(
    stagePhase(
      { ...stage, rollout: { ...rollout, state: 'succeeded' }, succeededAt: before(30_000) },
      now,
    ),
  ).toBe('succeeded 30s ago');
  expect(stagePhase({ ...stage, rollout: { ...rollout, state: 'failed' } }, now)).toBe('failed');
});

test('health, targets and holds are words', () => {
  expect(stageHealth({ ...stage, health: 'unhealthy', healthSince: before(5_000) }, now)).toBe(
    'unhealthy for 5s',
  );
  const targets = { total: 4, healthy: 2, progressing: 0, failing: 1, offline: 1, pruneHeld: 0 };
  expect(targetsText({ targets })).toBe('2 of 4 healthy, 1 failing, 1 offline');
  const held = { reason: 'incident', automatic: true, since: before(5_000) };
  expect(heldText({ ...stage, held }, now)).toBe('held automatically 5s ago: incident');
});

test('text of strangers cannot move the cursor or break a row', () => {
  expect(oneLine('fix\u001b[2J\n  it\u202e now')).toBe('fix [2J it now');
  const table = renderTable({ columns: ['a', 'b'], rows: [['x\ny', '\u001b[31mred']], empty: '' });
  expect(table.split('\n')).toHaveLength(2);
  expect(table).not.toContain('\u001b');
});

test('a table without rows says what to do instead', () => {
  expect(renderTable({ columns: ['a'], rows: [], empty: 'None yet.' })).toBe('None yet.');
});
