import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { podsLooksPerSecondMax } from '../../limits.ts';
import {
  type Agent,
  type AssignmentChange,
  addressIn,
  assignmentOf,
  createWorld,
  deployment,
  deploymentAddress,
  startAgent,
  type World,
} from '../testing/index.ts';
import { createPodLookBudget } from './pods.ts';

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

const shows = (agent: Agent, expected: Record<string, unknown>) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject(expected), {
    timeout: 8_000,
    interval: 10,
  });

const pod = (name: string, status: Record<string, unknown>): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'web:1' }] },
  status,
});

const waiting = (reason: string, message: string) => ({
  phase: 'Running',
  containerStatuses: [{ name: 'web', ready: false, state: { waiting: { reason, message } } }],
});

/** As the kubelet and the Deployment's controller do when the only pod is lost. */
function breakPods(world: World, status: Record<string, unknown>): void {
  const address = addressIn({ kind: 'Pod', namespace: 'default', name: 'web-1' }, 'v1');
  const crashing = pod('web-1', status);
  world.cluster.edit(address, 'kubelet', (object) =>
    Object.assign(object, crashing, { metadata: { ...object.metadata, ...crashing.metadata } }),
  );
  world.cluster.setStatus(deploymentAddress('web'), {
    observedGeneration: 1,
    replicas: 1,
    updatedReplicas: 1,
    availableReplicas: 0,
  });
}

describe('a unit that breaks after success', () => {
  test('is degraded with the words of the pod, and healthy again when it serves again', async () => {
    const world = createWorld();
    world.renders.set('a', [deployment('web')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await shows(agent, { phase: 'settled', health: 'Healthy' });
    breakPods(world, waiting('CrashLoopBackOff', 'back-off 10s restarting failed container'));
    await shows(agent, {
      health: 'Degraded',
      objects: [
        {
          health: 'Degraded',
          message: 'web-1: CrashLoopBackOff: back-off 10s restarting failed container',
        },
      ],
    });
    expect(agent.kinds().at(-1)).toBe('UnitDegraded');
    world.cluster.setStatus(deploymentAddress('web'), {
      observedGeneration: 1,
      replicas: 1,
      updatedReplicas: 1,
      availableReplicas: 1,
    });
    await shows(agent, { health: 'Healthy', objects: [] });
    expect(agent.kinds().at(-1)).toBe('UnitHealthy');
  });

  test('only waits while its pod waits for a node', async () => {
    const world = createWorld();
    world.renders.set('a', [deployment('web')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await shows(agent, { phase: 'settled', health: 'Healthy' });
    const message = '0/3 nodes are available: insufficient cpu';
    const conditions = [
      { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message },
    ];
    breakPods(world, { phase: 'Pending', conditions });
    await shows(agent, {
      health: 'Progressing',
      objects: [{ health: 'Progressing', message: `web-1: Unschedulable: ${message}` }],
    });
  });
});

test('while it is rolled out, a unit whose pods fail is on its way with the reason: the progress deadline judges', async () => {
  const world = createWorld((object) =>
    object.kind === 'Deployment'
      ? { observedGeneration: object.metadata.generation, replicas: 1, updatedReplicas: 1 }
      : undefined,
  );
  world.renders.set('a', [deployment('web')]);
  const agent = await start(world);
  offer(agent, 1, 'a');
  await shows(agent, { phase: 'waiting' });
  breakPods(world, waiting('ImagePullBackOff', 'Back-off pulling image "web:1"'));
  await shows(agent, {
    health: 'Progressing',
    objects: [{ message: 'web-1: ImagePullBackOff: Back-off pulling image "web:1"' }],
  });
});

test('a quota that refuses pods shows on the Deployment', async () => {
  const message =
    'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1';
  const conditions = [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message }];
  const world = createWorld(({ kind, metadata }) =>
    kind === 'Deployment'
      ? { observedGeneration: metadata.generation, replicas: 0, conditions }
      : undefined,
  );
  world.renders.set('a', [deployment('web')]);
  const agent = await start(world);
  offer(agent, 1, 'a');
  await vi.waitFor(() => expect(agent.report(unit)?.message).toContain('exceeded quota: small'));
});

test('looks at pods are bounded over all units', () => {
  let now = 0;
  const may = createPodLookBudget(() => now);
  const looks = () => Array.from({ length: 100 }, may).filter(Boolean).length;
  expect(looks()).toBe(podsLooksPerSecondMax);
  expect(looks()).toBe(0);
  now = 1_000;
  expect(looks()).toBe(podsLooksPerSecondMax);
});

const definition = (group: string, kind: string): KubernetesObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${kind.toLowerCase()}s.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { kind, plural: `${kind.toLowerCase()}s` },
    versions: [{ name: 'v1', served: true, storage: true, subresources: { status: {} } }],
  },
});

const custom = (group: string, kind: string): KubernetesObject => ({
  apiVersion: `${group}/v1`,
  kind,
  metadata: { name: 'x', namespace: 'default' },
  spec: {},
});

describe('custom kinds', () => {
  const statusOf = (status: Record<string, unknown>) => (object: KubernetesObject) =>
    object.kind === 'CustomResourceDefinition'
      ? { conditions: [{ type: 'Established', status: 'True' }] }
      : object.spec === undefined
        ? undefined
        : status;
  const widgets = [definition('example.com', 'Widget'), custom('example.com', 'Widget')];
  const check = (current: string, failed = '') => ({
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    current,
    inProgress: '',
    failed,
  });

  test('are judged by the table of their group', async () => {
    const world = createWorld(statusOf({ phase: 'FailedValidation', message: 'no such bucket' }));
    world.renders.set('a', [definition('velero.io', 'Backup'), custom('velero.io', 'Backup')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await shows(agent, { health: 'Degraded', objects: [{ message: 'no such bucket' }] });
  });

  test("are judged by a unit's own entries before all else", async () => {
    const world = createWorld(statusOf({ phase: 'Ready', verdict: 'bad' }));
    world.renders.set('a', widgets);
    const agent = await start(world);
    offer(agent, 1, 'a', {
      apply: { healthChecks: [check("status.phase == 'Ready'", "status.verdict == 'bad'")] },
    });
    await shows(agent, { health: 'Degraded' });
  });

  test('are judged anew when only the entries change, and again after a restart', async () => {
    const world = createWorld(statusOf({ phase: 'Ready', verdict: 'good' }));
    world.renders.set('a', widgets);
    const agent = await start(world);
    offer(agent, 1, 'a', { apply: { healthChecks: [check("status.verdict == 'better'")] } });
    await shows(agent, { phase: 'waiting', health: 'Progressing' });
    offer(agent, 2, 'a', { apply: { healthChecks: [check("status.verdict == 'good'")] } });
    await shows(agent, { phase: 'settled', health: 'Healthy', generation: 2 });
    offer(agent, 3, 'a', { apply: { healthChecks: [check('false', "status.verdict == 'good'")] } });
    await shows(agent, { health: 'Degraded', generation: 3 });
    offer(agent, 4, 'a');
    await shows(agent, { phase: 'settled', health: 'Healthy', generation: 4 });
    offer(agent, 5, 'a', { apply: { healthChecks: [check("status.verdict == 'good'")] } });
    await shows(agent, { phase: 'settled', health: 'Healthy', generation: 5 });
    await agent.kill();
    const next = await start(world);
    await shows(next, { phase: 'settled', health: 'Healthy', generation: 5 });
  });

  test('with an entry that cannot be read fail the unit for good, and the place is named', async () => {
    const world = createWorld();
    world.renders.set('a', widgets);
    const agent = await start(world);
    offer(agent, 1, 'a', { apply: { healthChecks: [check('status.phase = 1')] } });
    await shows(agent, { phase: 'failed', terminal: true });
    expect(agent.report(unit)?.message).toMatch(/^apply\.healthChecks\[0\]\.current <input>:1:14/);
    expect(world.cluster.objects().filter(({ kind }) => kind !== 'Unit')).toEqual([]);
  });
});
