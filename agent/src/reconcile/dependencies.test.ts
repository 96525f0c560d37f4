import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, expect, test, vi } from 'vitest';
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
  workingStatus,
} from './testing/index.ts';

const agents: Agent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

async function start(world: World): Promise<Agent> {
  const agent = await startAgent(world);
  agents.push(agent);
  return agent;
}
const offer = (
  agent: Agent,
  unit: string,
  commit: string,
  { generation = 1, ...change }: AssignmentChange & { generation?: number } = {},
) => agent.reconciler.offer(assignmentOf(unit, generation, commit, change));
const dependsOn = (...names: string[]): AssignmentChange => ({ apply: { dependsOn: names } });
const phase = (agent: Agent, unit: string, expected: string, generation = 1) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: expected, generation }), {
    timeout: 5_000,
    interval: 5,
  });

const pending = (object: KubernetesObject) =>
  object.kind === 'Deployment'
    ? { observedGeneration: object.metadata.generation }
    : workingStatus(object);
const working = (name: string) =>
  workingStatus({ ...deployment(name), metadata: { name, generation: 1 } }) ?? {};

function shop(statusOf = pending): World {
  const world = createWorld(statusOf);
  world.renders.set('database', [deployment('database')]);
  world.renders.set('web', [configMap('web')]);
  return world;
}

test('F14: a unit waits for the units that it depends on, names them, and starts at once when they are ready', async () => {
  const world = shop();
  const agent = await start(world);
  offer(agent, 'web/production', 'web', dependsOn('database'));
  offer(agent, 'database/production', 'database');
  await phase(agent, 'database/production', 'waiting');
  await phase(agent, 'web/production', 'waiting');
  await vi.waitFor(() =>
    expect(agent.report('web/production')?.message).toBe(
      'waits for unit database/production (waiting)',
    ),
  );
  expect(agent.report('web/production')?.health).not.toBe('Healthy');
  expect(await world.cluster.get(configMapAddress('web'))).toBeUndefined();
  const readyAt = performance.now();
  world.cluster.setStatus(deploymentAddress('database'), working('database'));
  await phase(agent, 'web/production', 'settled');
  // Far below any back-off: nothing polls.
  expect(performance.now() - readyAt).toBeLessThan(1_000);
});

test('a dependency whose prune waits for a person is ready: what it renders is live and healthy', async () => {
  const world = shop(workingStatus);
  world.renders.set(
    'many',
    Array.from({ length: 20 }, (_, index) => configMap(`old-${index}`)),
  );
  const agent = await start(world);
  offer(agent, 'database/production', 'many');
  await phase(agent, 'database/production', 'settled');
  offer(agent, 'web/production', 'web', dependsOn('database'));
  offer(agent, 'database/production', 'database', { generation: 2 });
  await phase(agent, 'database/production', 'prune-held', 2);
  await phase(agent, 'web/production', 'settled');
});

test('F15: a dependency that is not in the cluster is said, and its coming starts the unit', async () => {
  const world = shop(workingStatus);
  const agent = await start(world);
  offer(agent, 'web/production', 'web', dependsOn('database'));
  await phase(agent, 'web/production', 'waiting');
  expect(agent.report('web/production')?.message).toContain(
    'pipeline database, which has no unit in this cluster',
  );
  offer(agent, 'database/production', 'database');
  await phase(agent, 'web/production', 'settled');
});

test('F15: a cycle is told in words, holds back only its own units, and ends when it is broken', async () => {
  const world = shop(workingStatus);
  world.renders.set('other', [configMap('other')]);
  const agent = await start(world);
  offer(agent, 'web/production', 'web', dependsOn('database'));
  offer(agent, 'database/production', 'database', dependsOn('web'));
  offer(agent, 'other/production', 'other');
  await phase(agent, 'other/production', 'settled');
  await vi.waitFor(() =>
    expect(agent.report('web/production')?.message).toContain('web → database → web'),
  );
  await vi.waitFor(() =>
    expect(agent.report('database/production')?.message).toContain('database → web → database'),
  );
  await vi.waitFor(() => expect(agent.reconciler.isIdle()).toBe(true));
  offer(agent, 'database/production', 'database', { generation: 2 });
  await phase(agent, 'web/production', 'settled');
  await phase(agent, 'database/production', 'settled', 2);
});

test('a unit that is applied is kept, whatever becomes of what it depends on, also after a restart', async () => {
  const world = shop(workingStatus);
  const first = await start(world);
  offer(first, 'database/production', 'database');
  offer(first, 'web/production', 'web', dependsOn('database'));
  await phase(first, 'web/production', 'settled');
  world.renders.set('broken', { message: 'template: unexpected end', terminal: true });
  offer(first, 'database/production', 'broken', { generation: 2 });
  await phase(first, 'database/production', 'failed', 2);
  await first.kill();
  const second = await start(world);
  await phase(second, 'web/production', 'settled');
  world.cluster.drop(configMapAddress('web'));
  await vi.waitFor(() => expect(second.kinds()).toContain('DriftRepaired'));
});

test('a repair while a new generation waits brings back what runs, also when it must be rendered again', async () => {
  const world = shop(workingStatus);
  // Too large for the cache of rendered objects.
  const page = { ...configMap('page'), data: { page: 'x'.repeat(25 * 1024 * 1024) } };
  world.renders.set('old', [configMap('web', 'old'), page]);
  world.renders.set('new', [configMap('web', 'new')]);
  const agent = await start(world);
  offer(agent, 'web/production', 'old');
  await phase(agent, 'web/production', 'settled');
  offer(agent, 'web/production', 'new', { generation: 2, ...dependsOn('database') });
  await phase(agent, 'web/production', 'waiting', 2);
  world.cluster.drop(configMapAddress('web'));
  await vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'));
  expect((await world.cluster.get(configMapAddress('web')))?.data).toEqual({ value: 'old' });
});

test('while a new generation waits for others, what runs is kept against drift', async () => {
  const world = shop(workingStatus);
  const agent = await start(world);
  offer(agent, 'web/production', 'web');
  await phase(agent, 'web/production', 'settled');
  offer(agent, 'web/production', 'web', { generation: 2, ...dependsOn('database') });
  await phase(agent, 'web/production', 'waiting', 2);
  world.cluster.drop(configMapAddress('web'));
  await vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'));
  expect(agent.report('web/production')).toMatchObject({ phase: 'waiting', generation: 2 });
});
