import type { ClusterName, StageName } from '@fairlead/shared/ids';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DomainEvent, streams } from '../domain/events.ts';
import {
  append,
  clusterAdded,
  clusterConnected,
  clusterEnrolled,
  clusterId,
  commitId,
  pipelineDefined,
  releasesDiscovered,
  rolloutId,
  rolloutStarted,
  rolloutSucceeded,
} from '../read-model/testing/index.ts';
import { type HttpFixture, startHttpFixture } from './testing/server.ts';

let api: HttpFixture;
const stage = 'staging' as StageName;
const path = '/api/v1/pipelines/checkout/stages/staging';
const names = ['eu-1', 'eu-2'];
const target = (name: string) => ({
  cluster: clusterId(name),
  clusterName: name as ClusterName,
  previous: commitId(1),
});
const first = { stage, release: 1, rollout: 1, generation: 1, clusters: names };

/** Two clusters that run release 1; release 2 has reached the first of them, in the first of two waves. */
beforeAll(async () => {
  api = await startHttpFixture();
  for (const name of names) {
    const labels = { environment: 'staging' };
    const joined = [clusterAdded(name, labels), clusterEnrolled(name), clusterConnected];
    await append(api.log, streams.cluster(name), ...joined);
  }
  const [plan, , assigned] = rolloutStarted({
    ...first,
    release: 2,
    rollout: 2,
    generation: 2,
  }).slice(1);
  const started = {
    ...plan,
    batches: names.map((name) => [target(name)]),
    definitionRevision: 1,
    at: Date.now(),
    deadlineAt: Date.now() + 3_600_000,
  } as DomainEvent;
  const told = { ...(assigned as DomainEvent), ...target('eu-1'), at: Date.now() } as DomainEvent;
  await append(
    api.log,
    streams.pipeline('checkout'),
    pipelineDefined('checkout'),
    releasesDiscovered(1, 2),
    ...rolloutStarted(first),
    rolloutSucceeded(first),
    started,
    told,
  );
  await api.readModel.catchUp();
});
afterAll(() => api[Symbol.asyncDispose]());

const shown = async () => {
  await api.readModel.catchUp();
  return (await api.call('GET', `/api/v1/rollouts/${rolloutId(2)}`)).body;
};

test('a rollout shows its waves, the one that runs, and what each target ran before', async () => {
  expect(await shown()).toMatchObject({
    state: 'running',
    batch: 1,
    batches: [['eu-1'], ['eu-2']],
    targets: [
      { cluster: 'eu-1', state: 'assigned', previous: commitId(1) },
      { cluster: 'eu-2', state: 'waiting', previous: commitId(1) },
    ],
  });
});

test('it is paused with a reason, explained, and goes on', async () => {
  expect(await api.call('POST', `${path}:pause`, {})).toMatchObject({ status: 400 });
  const paused = await api.call('POST', `${path}:pause`, { reason: 'look' });
  expect(paused.body.events).toEqual(['RolloutPaused']);
  const again = await api.call('POST', `${path}:pause`, { reason: 'look' });
  expect(again).toMatchObject({ status: 409, body: { rule: 'rollout_already_paused' } });
  expect(await shown()).toMatchObject({ paused: { reason: 'look' } });
  const { body } = await api.call('GET', `${path}/explain`);
  expect(body.summary).toContain('It is paused (look)');
  expect(body.rollout).toMatchObject({ batch: 1, batches: 2, skipped: 0, waitsForOffline: [] });
  const blockers = body.targets.map(({ blocker }: { blocker?: string }) => blocker).join();
  expect(blockers).toContain('eu-2 waits for wave 2 of 2.');
  const on = await api.call('POST', `${path}:continue`, { reason: 'fine' });
  expect(on.body.events).toEqual(['RolloutContinued']);
  expect((await shown()).paused).toBeUndefined();
});

test('RB-08: an abort returns what was reached, where it is asked to', async () => {
  const aborted = await api.call('POST', `${path}:abort`, { reason: 'stop', rollback: true });
  expect(aborted.body.events).toEqual(['RolloutAborted', 'RolloutStarted', 'TargetAssigned']);
  expect(await shown()).toMatchObject({ state: 'aborted', message: 'stop' });
  const { body } = await api.call('GET', '/api/v1/pipelines/checkout/rollouts');
  expect(body.items[0]).toMatchObject({
    kind: 'rollback',
    undoes: rolloutId(2),
    targets: [{ cluster: 'eu-1', state: 'assigned', previous: commitId(2) }],
  });
  expect(api.readModel.assignmentsOf(clusterId('eu-1'))).toMatchObject([{ commit: commitId(1) }]);
  const again = await api.call('POST', `${path}:pause`, { reason: 'look' });
  expect(again.body.events).toEqual(['RolloutPaused']);
});
