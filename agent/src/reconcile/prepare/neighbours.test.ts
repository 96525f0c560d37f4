import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Cluster, WatchEvent, WatchOptions } from '../../cluster/index.ts';
import {
  type Agent,
  type AgentOptions,
  type AssignmentChange,
  assignmentOf,
  configMap,
  configMapAddress,
  createMemoryJournal,
  createWorld,
  deployment,
  deploymentAddress,
  isWrite,
  startAgent,
  type World,
  workingStatus,
} from '../testing/index.ts';

const agents: Agent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

async function start(options: AgentOptions): Promise<Agent> {
  const agent = await startAgent(options);
  agents.push(agent);
  return agent;
}
const offer = (
  agent: Agent,
  unit: string,
  commit: string,
  { generation = 1, ...change }: AssignmentChange & { generation?: number } = {},
) => agent.reconciler.offer(assignmentOf(unit, generation, commit, change));
const phase = (agent: Agent, unit: string, expected: string, generation = 1) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: expected, generation }), {
    timeout: 5_000,
    interval: 5,
  });
const uidOf = async (world: World, name: string) =>
  (await world.cluster.get(configMapAddress(name)))?.metadata.uid;

describe('F53: two hubs with an agent each in one cluster', () => {
  async function twoHubs() {
    const world = createWorld();
    const ours = await start({ ...world, agentNamespace: 'hub-one' });
    const renders = new Map(world.renders);
    const theirs = await start({
      ...world,
      renders,
      journal: createMemoryJournal(),
      agentNamespace: 'hub-two',
    });
    return { world, ours, theirs, renders };
  }

  test('own disjoint objects, also where their units have one name, and prune only their own', async () => {
    const { world, ours, theirs, renders } = await twoHubs();
    world.renders.set('a', [configMap('one'), configMap('ours')]);
    world.renders.set('b', [configMap('one')]);
    renders.set('a', [configMap('two'), configMap('theirs')]);
    offer(ours, 'checkout/staging', 'a');
    offer(theirs, 'checkout/staging', 'a');
    await phase(ours, 'checkout/staging', 'settled');
    await phase(theirs, 'checkout/staging', 'settled');
    offer(ours, 'checkout/staging', 'b', { generation: 2 });
    await phase(ours, 'checkout/staging', 'settled', 2);
    const names = world.cluster.objects().filter(({ kind }) => kind === 'ConfigMap');
    expect(names.map(({ metadata }) => metadata.name).toSorted()).toEqual(['one', 'theirs', 'two']);
  });

  test('report a conflict over one object and do not fight over it', async () => {
    const { world, ours, theirs, renders } = await twoHubs();
    world.renders.set('a', [configMap('shared', 'ours')]);
    renders.set('a', [configMap('shared', 'theirs')]);
    offer(ours, 'checkout/staging', 'a');
    await phase(ours, 'checkout/staging', 'settled');
    world.requests.length = 0;
    offer(theirs, 'checkout/staging', 'a');
    await phase(theirs, 'checkout/staging', 'failed');
    expect(theirs.report('checkout/staging')?.message).toContain(
      'ConfigMap default/shared belongs to ApplySet applyset-',
    );
    expect(theirs.kinds()).toContain('OwnershipRefused');
    expect((await world.cluster.get(configMapAddress('shared')))?.data).toEqual({ value: 'ours' });
    const writes = world.requests.filter((request) => isWrite(request) && request.kind !== 'Unit');
    expect(writes).toEqual([]);
    expect(ours.kinds()).not.toContain('DriftRepaired');
  });
});

test('F40: an object that moves to another unit is never deleted on its way', async () => {
  const world = createWorld();
  world.renders.set('both', [configMap('stays'), configMap('moves')]);
  world.renders.set('less', [configMap('stays')]);
  world.renders.set('more', [configMap('moves')]);
  const agent = await start(world);
  offer(agent, 'old/staging', 'both');
  await phase(agent, 'old/staging', 'settled');
  const uid = await uidOf(world, 'moves');
  offer(agent, 'new/staging', 'more', { apply: { adopt: 'always' } });
  await phase(agent, 'new/staging', 'settled');
  offer(agent, 'old/staging', 'less', { generation: 2 });
  await phase(agent, 'old/staging', 'settled', 2);
  expect(await uidOf(world, 'moves')).toBe(uid);
  expect(world.requests.filter(({ verb }) => verb === 'remove')).toEqual([]);
});

describe('F19: watches that lose what they should tell', () => {
  /** Loses one event in twenty, and lists anew when it is told to, as the sweep does. */
  function lossy(cluster: Cluster) {
    const watches: { options: WatchOptions; onEvent: (event: WatchEvent) => void }[] = [];
    let events = 0;
    const watch: Cluster['watch'] = (options, onEvent) => {
      watches.push({ options, onEvent });
      cluster.watch(options, (event) => {
        const isLost = event.type !== 'listing' && event.type !== 'listed' && ++events % 20 === 0;
        if (!isLost) onEvent(event);
      });
    };
    const sweep = async () => {
      for (const { options, onEvent } of watches) {
        const objects = await cluster.list(options.apiVersion, options.kind, options);
        onEvent({ type: 'listing' });
        for (const object of objects) onEvent({ type: 'present', object });
        onEvent({ type: 'listed' });
      }
    };
    return { cluster: { ...cluster, watch }, sweep, isLossy: () => events >= 20 };
  }

  test('the next list brings health, drift and deletions that were missed', async () => {
    const world = createWorld((object) =>
      object.kind === 'Deployment'
        ? { observedGeneration: object.metadata.generation }
        : workingStatus(object),
    );
    const count = 40;
    const names = Array.from({ length: count }, (_, index) => `web-${index}`);
    world.renders.set('a', [...names.map((name) => deployment(name)), configMap('one')]);
    const { cluster, sweep, isLossy } = lossy(world.cluster);
    const agent = await start({ ...world, cluster });
    offer(agent, 'shop/staging', 'a');
    await phase(agent, 'shop/staging', 'waiting');
    for (const name of names) {
      const working = workingStatus({ ...deployment(name), metadata: { name, generation: 1 } });
      world.cluster.setStatus(deploymentAddress(name), working ?? {});
    }
    await vi.waitFor(() => expect(isLossy()).toBe(true));
    await sweep();
    await phase(agent, 'shop/staging', 'settled');
    for (const name of names.slice(0, 20)) world.cluster.drop(deploymentAddress(name));
    await sweep();
    await vi.waitFor(async () => {
      const left = world.cluster.objects().filter(({ kind }) => kind === 'Deployment');
      expect(left).toHaveLength(count);
    });
  });
});

test('F38: a unit of 10,000 objects and 50 MB is applied, and no report of it is over 64 KiB', async () => {
  const world = createWorld(() => undefined);
  const page = 'x'.repeat(5_000);
  const objects: KubernetesObject[] = Array.from({ length: 10_000 }, (_, index) => ({
    ...configMap(`page-${index}`),
    data: { page },
  }));
  // One that never becomes healthy, so that reports name objects.
  world.renders.set('a', [...objects, deployment('never')]);
  const agent = await start(world);
  offer(agent, 'large/staging', 'a');
  await vi.waitFor(
    () =>
      expect(agent.report('large/staging')).toMatchObject({
        phase: 'waiting',
        objectsTotal: 10_001,
        objectsHealthy: 10_000,
      }),
    { timeout: 240_000, interval: 20 },
  );
  for (const report of agent.reports) {
    expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThan(64 * 1024);
  }
  for (const audit of agent.audits) {
    expect(Buffer.byteLength(JSON.stringify(audit))).toBeLessThan(64 * 1024);
  }
}, 250_000);
