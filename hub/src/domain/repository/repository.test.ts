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
