import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type Agent,
  type AssignmentChange,
  assignmentOf,
  configMap,
  configMapAddress,
  createWorld,
  deployment,
  deploymentAddress,
  startAgent,
  type World,
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

const scaled = (replicas: number | undefined, image = 'web:1'): KubernetesObject => {
  const object = deployment('web', image);
  const { replicas: _, ...spec } = object.spec as Record<string, unknown>;
  return { ...object, spec: replicas === undefined ? spec : { ...spec, replicas } };
};
const scale = (world: World, replicas: number, manager = 'autoscaler') =>
  world.cluster.edit(deploymentAddress('web'), manager, (object) => {
    object.spec = { ...(object.spec as object), replicas };
  });
const replicasOf = async (world: World) => {
  const spec = (await world.cluster.get(deploymentAddress('web')))?.spec;
  return (spec as { replicas?: number } | undefined)?.replicas;
};
const entriesOf = (object: KubernetesObject | undefined) =>
  (object?.metadata.managedFields ?? []) as { manager: string }[];
const managersOf = (object: KubernetesObject | undefined) =>
  entriesOf(object).map(({ manager }) => manager);
const requestsOf = (world: World, kind: string) =>
  world.requests.filter((request) => request.kind === kind).map(({ verb }) => verb);

describe('a field that another manager set and that was never ours', () => {
  async function autoscaled(): Promise<{ world: World; agent: Agent }> {
    const world = createWorld();
    world.renders.set('without', [scaled(undefined)]);
    const agent = await start(world);
    offer(agent, 1, 'without');
    await phase(agent, 'settled', 1);
    scale(world, 7);
    return { world, agent };
  }

  test('fails the unit with the names of manager and field, and is not written over', async () => {
    const { world, agent } = await autoscaled();
    world.renders.set('with', [scaled(2, 'web:2')]);
    offer(agent, 2, 'with');
    await phase(agent, 'failed', 2);
    const report = agent.report(unit);
    expect(report?.message).toContain('spec.replicas is set by "autoscaler"');
    expect(report?.terminal).toBe(true);
    expect(agent.kinds()).toContain('FieldConflictRefused');
    expect(await replicasOf(world)).toBe(7);
    const live = await world.cluster.get(deploymentAddress('web'));
    expect(JSON.stringify(live)).not.toContain('web:2');
  });

  test('is taken under the policy take, in one request', async () => {
    const { world, agent } = await autoscaled();
    world.renders.set('with', [scaled(2)]);
    world.requests.length = 0;
    offer(agent, 2, 'with', { apply: { conflicts: 'take' } });
    await phase(agent, 'settled', 2);
    expect(requestsOf(world, 'Deployment')).toEqual(['apply']);
    expect(await replicasOf(world)).toBe(2);
  });

  test('is left under the policy leave; the rest is applied, and its changes are no drift', async () => {
    const { world, agent } = await autoscaled();
    world.renders.set('with', [scaled(2, 'web:2')]);
    offer(agent, 2, 'with', { apply: { conflicts: 'leave' } });
    await phase(agent, 'settled', 2);
    expect(await replicasOf(world)).toBe(7);
    expect(JSON.stringify(await world.cluster.get(deploymentAddress('web')))).toContain('web:2');
    scale(world, 9);
    // Real drift beside it is repaired by force, and force does not take the field.
    world.cluster.edit(deploymentAddress('web'), 'kubectl-edit', (object) => {
      object.metadata.labels = {};
    });
    await vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'));
    expect(await replicasOf(world)).toBe(9);
    expect(agent.audits.filter(({ kind }) => kind === 'DriftRepaired')).toHaveLength(1);
  });

  test('stays left for the next agent and the next commit, also while the values are equal by chance', async () => {
    const { world, agent } = await autoscaled();
    world.renders.set('with', [scaled(2, 'web:2')]);
    world.renders.set('next', [scaled(2, 'web:3')]);
    offer(agent, 2, 'with', { apply: { conflicts: 'leave' } });
    await phase(agent, 'settled', 2);
    await agent.kill();
    scale(world, 2);
    const second = await start(world);
    offer(second, 3, 'next', { apply: { conflicts: 'leave' } });
    await phase(second, 'settled', 3);
    scale(world, 5);
    world.cluster.drop(configMapAddress('none'));
    offer(second, 4, 'with', { apply: { conflicts: 'leave' } });
    await phase(second, 'settled', 4);
    expect(await replicasOf(world)).toBe(5);
    expect(second.kinds()).not.toContain('DriftRepaired');
  });

  test('equal by chance at the first apply is left as well under leave', async () => {
    const world = createWorld();
    world.cluster.edit(deploymentAddress('web'), 'autoscaler', (object) => {
      object.spec = { replicas: 2 };
    });
    world.renders.set('a', [scaled(2)]);
    const agent = await start(world);
    offer(agent, 1, 'a', { apply: { conflicts: 'leave' } });
    await phase(agent, 'settled', 1);
    scale(world, 4);
    offer(agent, 2, 'a', { apply: { conflicts: 'leave' } });
    await phase(agent, 'settled', 2);
    expect(await replicasOf(world)).toBe(4);
    expect(agent.kinds()).not.toContain('DriftRepaired');
  });

  test('becomes ours when its manager has gone, or when the policy changes to take', async () => {
    const { world, agent } = await autoscaled();
    world.renders.set('with', [scaled(2)]);
    world.renders.set('next', [scaled(2, 'web:3')]);
    offer(agent, 2, 'with', { apply: { conflicts: 'leave' } });
    await phase(agent, 'settled', 2);
    const live = await world.cluster.get(deploymentAddress('web'));
    await world.cluster.setManagedFields(
      live as KubernetesObject,
      entriesOf(live).filter(({ manager }) => manager === 'fairlead'),
    );
    offer(agent, 3, 'next', { apply: { conflicts: 'leave' } });
    await phase(agent, 'settled', 3);
    expect(await replicasOf(world)).toBe(2);

    scale(world, 6);
    await vi.waitFor(async () => expect(await replicasOf(world)).toBe(2));
  });

  test('under take a field that was left is taken though the object has not changed', async () => {
    const { world, agent } = await autoscaled();
    world.renders.set('with', [scaled(2)]);
    offer(agent, 2, 'with', { apply: { conflicts: 'leave' } });
    await phase(agent, 'settled', 2);
    offer(agent, 3, 'with', { apply: { conflicts: 'take' } });
    await phase(agent, 'settled', 3);
    expect(await replicasOf(world)).toBe(2);
  });
});

describe('a field that was ours and was changed by another manager is drift', () => {
  test.each(['fail', 'leave'] as const)(
    'and is taken back with the next commit after a restart, under %s',
    async (conflicts) => {
      const world = createWorld();
      world.renders.set('a', [scaled(2)]);
      world.renders.set('b', [scaled(2, 'web:2')]);
      const first = await start(world);
      offer(first, 1, 'a', { apply: { conflicts } });
      await phase(first, 'settled', 1);
      await first.kill();
      scale(world, 9, 'some-operator');
      const second = await start(world);
      offer(second, 2, 'b', { apply: { conflicts } });
      await phase(second, 'settled', 2);
      expect(await replicasOf(world)).toBe(2);
    },
  );

  test('a policy of leave does not make drift the other manager’s', async () => {
    const world = createWorld();
    world.renders.set('a', [scaled(2)]);
    const agent = await start(world);
    offer(agent, 1, 'a', { apply: { conflicts: 'leave' } });
    await phase(agent, 'settled', 1);
    scale(world, 9, 'some-operator');
    await vi.waitFor(async () => expect(await replicasOf(world)).toBe(2));
  });
});

describe('taking over', () => {
  test.each([
    'kubectl-client-side-apply',
    'kubectl',
    'kustomize-controller',
    'argocd-controller',
    'helm',
  ])(
    'from %s: its fields become ours alone, so that they go with the commit, and what only it set stays',
    async (tool) => {
      const world = createWorld();
      world.cluster.edit(configMapAddress('live'), tool, (object) => {
        object.metadata.labels = { 'tool/name': 'shop' };
        object.data = { value: 'theirs', extra: 'kept' };
      });
      world.renders.set('a', [{ ...configMap('live'), data: { value: 'ours', second: '2' } }]);
      world.renders.set('b', [{ ...configMap('live'), data: { second: '2' } }]);
      const agent = await start(world);
      offer(agent, 1, 'a');
      await phase(agent, 'settled', 1);
      const taken = await world.cluster.get(configMapAddress('live'));
      expect(taken?.data).toEqual({ value: 'ours', second: '2', extra: 'kept' });
      expect(taken?.metadata.labels).toMatchObject({ 'tool/name': 'shop' });
      offer(agent, 2, 'b');
      await phase(agent, 'settled', 2);
      const live = await world.cluster.get(configMapAddress('live'));
      expect(live?.data).toEqual({ second: '2', extra: 'kept' });
    },
  );

  test('also where all values were equal, and the audit says from whom', async () => {
    const world = createWorld();
    world.cluster.edit(configMapAddress('live'), 'kustomize-controller', (object) => {
      object.data = { value: 'a' };
    });
    world.renders.set('a', [configMap('live')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    expect(managersOf(await world.cluster.get(configMapAddress('live')))).toEqual(['fairlead']);
    expect(agent.audits.find(({ kind }) => kind === 'ObjectsApplied')).toMatchObject({
      message: expect.stringContaining('1 taken over from kustomize-controller'),
      details: { takenOver: ['/ConfigMap/default/live'] },
    });
  });

  test('an agent that was killed before the hand-over makes it in its next life', async () => {
    const world = createWorld();
    world.cluster.edit(configMapAddress('live'), 'helm', (object) => {
      object.data = { value: 'a' };
    });
    world.renders.set('a', [configMap('live')]);
    const first = await start(world);
    world.obstacle.onRequest = ({ verb }) => {
      if (verb === 'set-managed-fields') throw new Error('killed');
    };
    offer(first, 1, 'a');
    await phase(first, 'failed', 1);
    await first.kill();
    world.obstacle.onRequest = () => {};
    const second = await start(world);
    await phase(second, 'settled', 1);
    expect(managersOf(await world.cluster.get(configMapAddress('live')))).toEqual(['fairlead']);
  });

  test('a tool that goes on applying is named', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('live')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    const live = await world.cluster.get(configMapAddress('live'));
    const entries = entriesOf(live);
    await world.cluster.setManagedFields(live as KubernetesObject, [
      ...entries,
      { ...entries[0], manager: 'kustomize-controller' },
    ]);
    await vi.waitFor(() =>
      expect(agent.report(unit)?.message).toContain(
        'ConfigMap default/live is also applied by Flux ("kustomize-controller")',
      ),
    );
  });
});

test('F06 F07: names of every length keep their objects apart, also those with one beginning of 53 characters', async () => {
  const world = createWorld();
  const lengths = [1, 52, 53, 54, 63, 253];
  const names = lengths.map((length) => 'n'.repeat(length));
  const twins = ['-a', '-b'].map((end) => 'n'.repeat(53) + end);
  world.renders.set(
    'a',
    [...names, ...twins].map((name) => configMap(name)),
  );
  world.renders.set(
    'b',
    names.map((name) => configMap(name)),
  );
  const agent = await start(world);
  offer(agent, 1, 'a');
  await phase(agent, 'settled', 1);
  await agent.kill();
  const second = await start(world);
  await phase(second, 'settled', 1);
  expect(world.requests.filter(({ verb }) => verb === 'remove')).toEqual([]);
  offer(second, 2, 'b');
  await phase(second, 'settled', 2);
  const left = world.cluster.objects().filter(({ kind }) => kind === 'ConfigMap');
  expect(left.map(({ metadata }) => metadata.name).toSorted()).toEqual(names.toSorted());
});
