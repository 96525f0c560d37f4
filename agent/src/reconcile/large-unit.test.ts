import { setImmediate as tick } from 'node:timers/promises';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, expect, test, vi } from 'vitest';
import type { Cluster } from '../cluster/index.ts';
import {
  type Agent,
  assignmentOf,
  configMap,
  configMapAddress,
  createWorld,
  startAgent,
} from './testing/index.ts';

const agents: Agent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

const objectsMax = 20_000;
/**
 * Beats, watches and probes of the agent's health bear 200 ms. Beside other work even processor time takes twice as long,
 * because the cores share their caches; unbroken work would be over a second.
 */
const heldMsMax = 400;
const unit = 'large/staging';
const large = (value: string): KubernetesObject[] =>
  Array.from({ length: objectsMax }, (_, index) =>
    configMap(`settings-${index}`, index === 0 ? value : 'a'),
  );

const phase = (agent: Agent, generation: number) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: 'settled', generation }), {
    timeout: 240_000,
    interval: 50,
  });

/** Requests that take a turn of the event loop each, as over a network; in memory they would block it by themselves. */
const remote = (cluster: Cluster): Cluster => ({
  ...cluster,
  apply: async (object, options) => {
    await tick();
    return cluster.apply(object, options);
  },
});

/**
 * The longest that the agent's own work kept timers waiting: processor time, so that a busy machine does not count. What
 * the fake cluster does at once for a watch is no work of the agent's.
 */
function watchEventLoop() {
  let longestMs = 0;
  let before = process.threadCpuUsage();
  const sample = () => {
    const { user, system } = process.threadCpuUsage(before);
    before = process.threadCpuUsage();
    longestMs = Math.max(longestMs, (user + system) / 1_000);
  };
  const timer = setInterval(sample, 1);
  return {
    longestMs: () => {
      sample();
      const longest = longestMs;
      longestMs = 0;
      return longest;
    },
    stop: () => clearInterval(timer),
  };
}

test('promise 8: a unit of 20,000 objects is applied, kept and changed without ever stopping the agent', async () => {
  const world = createWorld();
  world.renders.set('a', large('a'));
  world.renders.set('b', large('b'));
  const agent = await startAgent({ ...world, cluster: remote(world.cluster) });
  agents.push(agent);
  const loop = watchEventLoop();
  loop.longestMs();
  agent.reconciler.offer(assignmentOf(unit, 1, 'a'));
  await phase(agent, 1);
  expect(loop.longestMs()).toBeLessThan(heldMsMax);
  world.cluster.drop(configMapAddress('settings-7'));
  await vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'));
  expect(loop.longestMs()).toBeLessThan(heldMsMax);
  world.requests.length = 0;
  agent.reconciler.offer(assignmentOf(unit, 2, 'b'));
  await phase(agent, 2);
  expect(loop.longestMs()).toBeLessThan(heldMsMax);
  loop.stop();
  const writes = world.requests.filter(({ verb, kind }) => verb === 'apply' && kind !== 'Unit');
  expect(writes.map(({ name }) => name)).toEqual(['settings-0']);
}, 300_000);
