import type { ClusterName, StageName } from '@fairlead/shared/ids';
import { expect, test } from 'vitest';
import { type DomainEvent, streams } from '../domain/events.ts';
import {
  append,
  clusterId,
  commitId,
  openFixture,
  pipelineDefined,
  releasesDiscovered,
  rolloutId,
  rolloutStarted,
  rolloutSucceeded,
} from './testing/index.ts';

const checkout = streams.pipeline('checkout');
const stage = 'staging' as StageName;
const target = (name: string) => ({ cluster: clusterId(name), clusterName: name as ClusterName });
const rollout = { stage, release: 2, rollout: 2, generation: 2, clusters: ['a'] };
const id = rolloutId(2);

async function open(...events: DomainEvent[]) {
  const fixture = await openFixture();
  await append(
    fixture.log,
    checkout,
    pipelineDefined('checkout'),
    releasesDiscovered(1, 2),
    ...rolloutStarted({ ...rollout, release: 1, rollout: 1, generation: 1 }),
    rolloutSucceeded({ ...rollout, release: 1, rollout: 1, generation: 1 }),
    ...rolloutStarted(rollout),
    ...events,
  );
  await fixture.readModel.catchUp();
  return fixture;
}

test('a rollout shows its plan over several events, its batch, its pause and what was skipped', async () => {
  await using fixture = await open(
    {
      type: 'RolloutExtended',
      stage,
      rolloutId: id,
      targets: [{ ...target('b'), previous: commitId(1) }, target('c')],
      batch: 1,
    },
    { type: 'RolloutExtended', stage, rolloutId: id, targets: [target('d')] },
    {
      type: 'BatchStarted',
      stage,
      rolloutId: id,
      batch: 1,
      definitionRevision: 1,
      gates: [],
      at: 2_000,
      deadlineAt: 70_000,
    },
    { type: 'TargetSkipped', stage, rolloutId: id, ...target('c'), message: 'c is offline' },
    { type: 'RolloutPaused', stage, rolloutId: id, reason: 'look', at: 3_000 },
  );
  const { readModel, log } = fixture;
  expect(readModel.findRollout(id)).toMatchObject({
    batch: 1,
    deadlineAt: 70_000,
    pausedReason: 'look',
    pausedAt: 3_000,
    targets: [
      { clusterName: 'a', batch: 0, state: 'assigned' },
      { clusterName: 'b', batch: 1, ordinal: 0, previous: commitId(1), state: 'waiting' },
      { clusterName: 'c', batch: 1, ordinal: 1, state: 'skipped', message: 'c is offline' },
      { clusterName: 'd', batch: 1, ordinal: 2 },
    ],
  });
  await append(log, checkout, {
    type: 'RolloutContinued',
    stage,
    rolloutId: id,
    reason: 'ok',
    at: 8_000,
  });
  await readModel.catchUp();
  expect(readModel.findRollout(id)).toMatchObject({ deadlineAt: 75_000, pausedAt: null });
});

test('a rollback that returns targets to their own says nothing new of the releases', async () => {
  const failure = { code: 'target_failed', message: 'a: bad' } as const;
  await using fixture = await open(
    { type: 'RolloutFailed', stage, rolloutId: id, release: commitId(2), failure },
    {
      type: 'RolloutStarted',
      stage,
      release: commitId(1),
      rolloutId: rolloutId(3),
      kind: 'automatic-rollback',
      generation: 3,
      batches: [[{ ...target('a'), previous: commitId(2), release: commitId(1) }]],
      at: 4_000,
      deadlineAt: 64_000,
      undoes: id,
    },
    {
      type: 'RolloutFailed',
      stage,
      rolloutId: rolloutId(3),
      release: commitId(1),
      failure: { code: 'target_failed', message: 'a: worse' },
    },
  );
  const { readModel } = fixture;
  expect(readModel.findRollout(rolloutId(3))).toMatchObject({ undoes: id, state: 'failed' });
  const { items } = readModel.listReleases('checkout', { limit: 10 });
  const states = items.map(({ commit, stages }) => [
    commit,
    stages.map(({ state }) => state).join(),
  ]);
  expect(states).toContainEqual([commitId(1), 'succeeded']);
  expect(states).toContainEqual([commitId(2), 'failed']);
  expect(readModel.findStage('checkout', 'staging')).toMatchObject({
    currentRelease: commitId(1),
    succeededRelease: commitId(1),
  });
});

test('why there was no automatic rollback is shown with the rollout that failed', async () => {
  await using fixture = await open({
    type: 'AutomaticRollbackDeclined',
    stage,
    rolloutId: id,
    release: commitId(2),
    reason: 'a had no other release before',
  });
  expect(fixture.readModel.findRollout(id)?.rollbackDeclined).toBe('a had no other release before');
});
