import type { ProjectName, RepositoryName } from '@fairlead/shared/ids';
import { specify } from '@fairlead/shared/testing';
import { expect, test } from 'vitest';
import type { RepositoryEvent } from '../events.ts';
import { decideRepository, evolveRepository, initialRepositoryState } from './index.ts';

const given = specify({
  initialState: initialRepositoryState,
  decide: decideRepository,
  evolve: evolveRepository,
});
const definition = {
  name: 'shop' as RepositoryName,
  project: 'default' as ProjectName,
  url: 'https://git.example.com/shop.git',
  branch: 'main',
  pollIntervalMs: 60_000,
};
const defined: RepositoryEvent = { type: 'RepositoryDefined', definition };
const moved: RepositoryEvent = { type: 'BranchMoved', branch: 'main', commit: 'c1', kind: 'first' };
const failed: RepositoryEvent = { type: 'DiscoveryFailed', message: 'no route' };

test('SRC-02, AUD-06: what was known already writes nothing', () => {
  expect(
    given([defined]).when({ type: 'define-repository', definition: { ...definition } }).result,
  ).toEqual({ ok: true, value: [] });
  expect(
    given([defined, moved]).when({
      type: 'record-branch-moved',
      branch: 'main',
      commit: 'c1',
      kind: 'forward',
    }).result,
  ).toEqual({ ok: true, value: [] });
});

test('SRC-06: a failure is one event however often it repeats, and a move ends it', () => {
  const repeated = given([defined, failed]).when({
    type: 'record-discovery-failure',
    message: 'no route',
  });
  expect(repeated.result).toEqual({ ok: true, value: [] });
  const recovered = given([defined, failed]).when({
    type: 'record-branch-moved',
    branch: 'main',
    commit: 'c1',
    kind: 'first',
  });
  expect(recovered.result).toEqual({ ok: true, value: [{ type: 'DiscoveryRecovered' }, moved] });
  expect(recovered.state).not.toHaveProperty('failure');
});

test('another branch or place starts without a head', () => {
  const { state } = given([defined, moved]).when({
    type: 'define-repository',
    definition: { ...definition, branch: 'release' },
  });
  expect(state).not.toHaveProperty('head');
});

test('nothing is recorded for a repository that was removed', () => {
  const removed = given([defined, { type: 'RepositoryRemoved' }]);
  expect(removed.when({ type: 'remove-repository' }).result).toMatchObject({
    ok: false,
    error: { code: 'repository_not_defined' },
  });
});

const commit = 'a'.repeat(40);
const status = { commit, name: 'load-test', description: '', at: 5 } as const;
const report = (state: 'pending' | 'success' | 'failure', change: object = {}) =>
  ({ type: 'report-status', ...status, state, ...change }) as const;
const reported = (
  state: 'pending' | 'success' | 'failure',
  change: object = {},
): RepositoryEvent => ({
  type: 'StatusReported',
  ...status,
  state,
  ...change,
});

test('GATE-11, AUD-06: the newest word of a source counts, and the same word again is no event', () => {
  expect(given([defined, reported('pending')]).when(report('success')).result).toEqual({
    ok: true,
    value: [reported('success')],
  });
  const events = [defined, reported('success')];
  const again = given(events).when(report('success', { at: 9, description: 'again' }));
  expect(again.result).toEqual({ ok: true, value: [] });
  expect(given([...events, reported('failure')]).when(report('success')).result).toMatchObject({
    value: [{ state: 'success' }],
  });
});

test('GATE-11: the sources of one commit are bounded, and so are the commits that are remembered', () => {
  const names = Array.from({ length: 50 }, (_, index) =>
    reported('success', { name: `s${index}` }),
  );
  expect(given([defined, ...names]).when(report('success')).result).toMatchObject({
    ok: false,
    error: { code: 'too_many_statuses' },
  });
  expect(given([defined, ...names]).when(report('failure', { name: 's0' })).result.ok).toBe(true);

  const commits = Array.from({ length: 3_000 }, (_, index) =>
    reported('success', { commit: index.toString(16).padStart(40, '0') }),
  );
  const { state } = given([defined, ...commits]).when(report('pending'));
  if (state.status !== 'defined') throw new Error('it is defined');
  const { recent, older } = state.statuses;
  expect(recent.size + older.size).toBeLessThanOrEqual(2_000);
  expect(recent.size + older.size).toBeGreaterThanOrEqual(1_000);
});
