import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type Agent,
  type AssignmentChange,
  addressIn,
  assignmentOf,
  configMap,
  createWorld,
  deployment,
  startAgent,
  type World,
  workingStatus,
} from '../testing/index.ts';

const agents: Agent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

async function start(world: World): Promise<Agent> {
  const agent = await startAgent(world);
  agents.push(agent);
  return agent;
}
const unit = 'checkout/staging';
const offer = (agent: Agent, generation: number, commit: string, change: AssignmentChange = {}) =>
  agent.reconciler.offer(assignmentOf(unit, generation, commit, change));
const phase = (agent: Agent, expected: string, generation: number) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: expected, generation }), {
    timeout: 5_000,
    interval: 5,
  });

const job = (
  name: string,
  annotations: Record<string, string>,
  image = 'run:1',
): KubernetesObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace: 'default', annotations },
  spec: {
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'run', image }] } },
  },
});
const jobAddress = (name: string) =>
  addressIn({ kind: 'Job', namespace: 'default', name }, 'batch/v1');
const condition = (type: string, message = '') => ({
  conditions: [{ type, status: 'True', reason: type, message }],
});
const end = (world: World, name: string, type = 'Complete', message = '') =>
  world.cluster.setStatus(jobAddress(name), condition(type, message));
const completing = (object: KubernetesObject) =>
  object.kind === 'Job' ? condition('Complete') : workingStatus(object);

/** Applies and removals of everything but units' own objects, in order. */
const deeds = (world: World): string[] =>
  world.requests
    .filter(({ verb, kind }) => kind !== 'Unit' && (verb === 'apply' || verb === 'remove'))
    .map(({ verb, name }) => `${verb} ${name}`);
const names = (world: World): string[] =>
  world.cluster
    .objects()
    .filter(({ kind }) => kind !== 'Unit')
    .map(({ metadata }) => metadata.name)
    .toSorted();

const preSync = { 'argocd.argoproj.io/hook': 'PreSync' };
const postSync = { 'argocd.argoproj.io/hook': 'PostSync' };

describe('the order of hooks', () => {
  test('what is before comes before all waves, what is after after all, and each waits for the end of a Job', async () => {
    const world = createWorld();
    const early = configMap('early');
    early.metadata.annotations = { 'fairlead.dev/wave': '-5' };
    world.renders.set('a', [
      job('notify', postSync),
      deployment('web'),
      early,
      job('migrate', { 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-weight': '5' }),
      job('prepare', { 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-weight': '-5' }),
    ]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'waiting', 1);
    expect(deeds(world)).toEqual(['apply prepare']);
    end(world, 'prepare');
    await vi.waitFor(() => expect(deeds(world)).toEqual(['apply prepare', 'apply migrate']));
    end(world, 'migrate');
    await vi.waitFor(() =>
      expect(deeds(world).slice(2)).toEqual(['apply early', 'apply web', 'apply notify']),
    );
    await phase(agent, 'waiting', 1);
    end(world, 'notify');
    await phase(agent, 'settled', 1);
    expect(agent.report(unit)).toMatchObject({ health: 'Healthy', objectsTotal: 5 });
  });

  test('hooks that are skipped or run on deletion only are not applied', async () => {
    const world = createWorld(completing);
    world.renders.set('a', [
      configMap('one'),
      job('skipped', { 'argocd.argoproj.io/hook': 'Skip' }),
      job('cleanup', { 'helm.sh/hook': 'post-delete' }),
      job('probe', { 'helm.sh/hook': 'test' }),
    ]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    expect(names(world)).toEqual(['one']);
  });

  test('Helm’s install hooks run on the first install only, and its upgrade hooks on later ones', async () => {
    const world = createWorld(completing);
    world.renders.set('a', [
      configMap('one'),
      job('install', { 'helm.sh/hook': 'pre-install' }),
      job('upgrade', { 'helm.sh/hook': 'post-upgrade' }),
    ]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    expect(names(world)).toEqual(['install', 'one']);
    world.requests.length = 0;
    offer(agent, 2, 'a');
    await phase(agent, 'settled', 2);
    expect(deeds(world)).toEqual(['apply upgrade']);
    expect(names(world)).toEqual(['install', 'one', 'upgrade']);
  });
});

describe('a hook runs once a generation', () => {
  test('a Job whose template has changed is made anew for a new commit', async () => {
    const world = createWorld(completing);
    world.renders.set('a', [job('migrate', preSync, 'run:1'), configMap('one')]);
    world.renders.set('b', [job('migrate', preSync, 'run:2'), configMap('one')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    const first = await world.cluster.get(jobAddress('migrate'));
    world.requests.length = 0;
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    const second = await world.cluster.get(jobAddress('migrate'));
    expect(second?.metadata.uid).not.toBe(first?.metadata.uid);
    expect(JSON.stringify(second?.spec)).toContain('run:2');
    expect(deeds(world)).toEqual(['remove migrate', 'apply migrate']);
  });

  test('neither a restart nor its removal by time to live runs it again', async () => {
    const world = createWorld();
    world.renders.set('a', [job('migrate', preSync), configMap('one')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'waiting', 1);
    // The end and the removal come together, before the unit has its next turn.
    end(world, 'migrate');
    world.cluster.drop(jobAddress('migrate'));
    await phase(agent, 'settled', 1);
    expect(agent.report(unit)).toMatchObject({ health: 'Healthy', objectsHealthy: 2 });
    await agent.kill();
    const second = await start(world);
    await phase(second, 'settled', 1);
    expect(deeds(world)).toEqual(['apply migrate', 'apply one']);
    expect(agent.kinds().filter((kind) => kind === 'HookFinished')).toHaveLength(1);
    expect(second.kinds()).not.toContain('HookFinished');
    expect(agent.kinds()).not.toContain('DriftRepaired');
  });

  test('an agent that is killed while it runs waits for the very same run', async () => {
    const world = createWorld();
    world.renders.set('a', [job('migrate', preSync), configMap('one')]);
    const first = await start(world);
    offer(first, 1, 'a');
    await phase(first, 'waiting', 1);
    const uid = (await world.cluster.get(jobAddress('migrate')))?.metadata.uid;
    await first.kill();
    const second = await start(world);
    await phase(second, 'waiting', 1);
    end(world, 'migrate');
    await phase(second, 'settled', 1);
    expect((await world.cluster.get(jobAddress('migrate')))?.metadata.uid).toBe(uid);
    expect(deeds(world)).not.toContain('remove migrate');
  });

  test('a run that somebody deletes before its end is made again', async () => {
    const world = createWorld();
    world.renders.set('a', [job('migrate', preSync)]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'waiting', 1);
    world.cluster.drop(jobAddress('migrate'));
    await vi.waitFor(() => expect(names(world)).toEqual(['migrate']));
    end(world, 'migrate');
    await phase(agent, 'settled', 1);
  });
});

describe('what becomes of a hook’s object', () => {
  test.each([
    ['helm.sh/hook-delete-policy', 'before-hook-creation,hook-succeeded', 'Complete', true],
    ['argocd.argoproj.io/hook-delete-policy', 'HookSucceeded', 'Complete', true],
    ['argocd.argoproj.io/hook-delete-policy', 'HookFailed', 'Complete', false],
    ['argocd.argoproj.io/hook-delete-policy', 'BeforeHookCreation', 'Complete', false],
    ['helm.sh/hook-delete-policy', 'hook-failed', 'Failed', true],
    ['helm.sh/hook-delete-policy', 'hook-succeeded', 'Failed', false],
  ])('%s: %s, when it is %s: removed %s', async (annotation, policy, outcome, removed) => {
    const world = createWorld();
    world.renders.set('a', [job('migrate', { ...preSync, [annotation]: policy })]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'waiting', 1);
    end(world, 'migrate', outcome);
    await phase(agent, outcome === 'Failed' ? 'failed' : 'settled', 1);
    await vi.waitFor(() => expect(names(world)).toEqual(removed ? [] : ['migrate']));
    expect(agent.kinds()).not.toContain('DriftRepaired');
  });

  test('a removal that a kill came before is made up for', async () => {
    const world = createWorld();
    const annotations = { ...preSync, 'helm.sh/hook-delete-policy': 'hook-succeeded' };
    world.renders.set('a', [job('migrate', annotations), deployment('web')]);
    const first = await start(world);
    offer(first, 1, 'a');
    await phase(first, 'waiting', 1);
    world.obstacle.onRequest = ({ verb }) => {
      if (verb === 'remove') throw new Error('killed');
    };
    end(world, 'migrate');
    await phase(first, 'failed', 1);
    await first.kill();
    world.obstacle.onRequest = () => {};
    const second = await start(world);
    await phase(second, 'settled', 1);
    expect(names(world)).toEqual(['web']);
  });
});

describe('a hook that fails', () => {
  test('stops the unit for good with the Job’s reason, and nothing after it is applied', async () => {
    const world = createWorld();
    world.renders.set('a', [job('migrate', preSync), configMap('one')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'waiting', 1);
    end(world, 'migrate', 'Failed', 'Job has reached the specified backoff limit');
    await phase(agent, 'failed', 1);
    expect(agent.report(unit)).toMatchObject({ health: 'Degraded', terminal: true });
    expect(agent.report(unit)?.message).toContain('hook Job default/migrate has failed');
    expect(agent.report(unit)?.message).toContain('backoff limit');
    expect(names(world)).toEqual(['migrate']);
    await agent.kill();
    const second = await start(world);
    await phase(second, 'failed', 1);
    expect(deeds(world)).toEqual(['apply migrate']);
  });

  test('prunes nothing, runs the failure hooks once, and a new commit runs it anew', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('old')]);
    const alarm = job('alarm', { 'argocd.argoproj.io/hook': 'SyncFail' });
    world.renders.set('b', [configMap('new'), job('check', postSync), alarm]);
    world.renders.set('c', [configMap('new'), job('check', postSync), alarm]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    offer(agent, 2, 'b');
    await phase(agent, 'waiting', 2);
    end(world, 'check', 'Failed');
    await phase(agent, 'failed', 2);
    await vi.waitFor(() => expect(names(world)).toEqual(['alarm', 'check', 'new', 'old']));
    offer(agent, 3, 'c');
    await phase(agent, 'waiting', 3);
    end(world, 'check');
    await phase(agent, 'settled', 3);
    expect(names(world)).toEqual(['check', 'new']);
    expect(deeds(world).filter((deed) => deed === 'apply alarm')).toHaveLength(1);
  });
});
