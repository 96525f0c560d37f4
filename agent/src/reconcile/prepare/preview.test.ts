import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ClusterError } from '../../cluster/index.ts';
import {
  type Agent,
  type AssignmentChange,
  assignmentOf,
  configMap,
  configMapAddress,
  createWorld,
  deployment,
  deploymentAddress,
  isWrite,
  startAgent,
  type World,
} from '../testing/index.ts';

const agents: Agent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

const unit = 'checkout/staging';

async function started(world: World): Promise<Agent> {
  const agent = await startAgent(world);
  agents.push(agent);
  return agent;
}

/** A settled unit of two objects whose world has seen no request since. */
async function settled(world: World, change: AssignmentChange = {}): Promise<Agent> {
  world.renders.set('a', [configMap('one'), configMap('two'), deployment('web')]);
  const agent = await started(world);
  agent.reconciler.offer(assignmentOf(unit, 1, 'a', change));
  await vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: 'settled' }), {
    timeout: 5_000,
    interval: 5,
  });
  world.requests.length = 0;
  return agent;
}

const preview = (agent: Agent, commit: string, change: AssignmentChange = {}) =>
  agent.reconciler.preview(assignmentOf(unit, 2, commit, change), new AbortController().signal);

const lines = ({ objects }: Awaited<ReturnType<typeof preview>>) =>
  objects.map(({ action, object }) => `${action} ${object.kind}/${object.name}`);

describe('a plan', () => {
  test('names what a commit creates, changes with its fields, removes, and leaves', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.renders.set('b', [configMap('one'), deployment('web', 'web:2'), configMap('new')]);
    const plan = await preview(agent, 'b');
    expect(lines(plan)).toEqual([
      'create ConfigMap/new',
      'configure Deployment/web',
      'prune ConfigMap/two',
    ]);
    expect(plan.objects[1]).toMatchObject({
      differences: [
        {
          path: 'spec.template.spec.containers[name=web].image',
          live: 'web:1',
          desired: 'web:2',
        },
      ],
    });
    expect(plan.totals).toMatchObject({ create: 1, configure: 1, prune: 1, unchanged: 1 });
  });

  test('writes nothing, and neither the running unit nor its reports and journal notice', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.renders.set('b', [configMap('one', 'b'), configMap('new')]);
    const objects = world.cluster.objects();
    const [reports, audits, writes] = [
      agent.reports.length,
      agent.audits.length,
      world.journal.writes(),
    ];
    await preview(agent, 'b');
    expect(world.requests.filter(isWrite)).toEqual([]);
    expect(world.cluster.objects()).toEqual(objects);
    expect([agent.reports.length, agent.audits.length, world.journal.writes()]).toEqual([
      reports,
      audits,
      writes,
    ]);
    // Repairs still come from what the unit runs, not from what was asked about.
    world.cluster.drop(configMapAddress('one'));
    await vi.waitFor(async () =>
      expect((await world.cluster.get(configMapAddress('one')))?.data).toEqual({ value: 'a' }),
    );
  });

  test('of the assigned commit it is the difference to what is live', async () => {
    const world = createWorld();
    const agent = await settled(world, { apply: { drift: 'report' } });
    expect((await preview(agent, 'a')).totals).toMatchObject({ configure: 0, unchanged: 3 });
    world.cluster.edit(configMapAddress('one'), 'kubectl-edit', (object) => {
      object.data = { value: 'by hand' };
    });
    const plan = await preview(agent, 'a');
    expect(plan.objects).toMatchObject([
      {
        action: 'configure',
        object: { name: 'one' },
        differences: [{ path: 'data.value', live: 'by hand', desired: 'a' }],
      },
    ]);
  });

  test('of a unit that the cluster does not have yet, everything is created', async () => {
    const world = createWorld();
    const agent = await started(world);
    world.renders.set('a', [configMap('one')]);
    expect(lines(await preview(agent, 'a'))).toEqual(['create ConfigMap/one']);
    expect(world.cluster.objects()).toEqual([]);
  });

  test('masks the data of a Secret and leaves out what rules ignore', async () => {
    const world = createWorld();
    const secret = (value: string): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: configMap('one').metadata,
      data: { password: value },
    });
    world.renders.set('a', [secret('b2xk'), deployment('web')]);
    world.renders.set('b', [secret('bmV3'), deployment('web')]);
    const rule = { group: '', kind: 'Deployment', namespace: '', name: '', managers: [] };
    const apply = { ignoreDifferences: [{ ...rule, jsonPointers: ['/spec/replicas'] }] };
    const agent = await started(world);
    agent.reconciler.offer(assignmentOf(unit, 1, 'a', { apply }));
    await vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: 'settled' }));
    world.cluster.edit(deploymentAddress('web'), 'hpa', (object) => {
      (object.spec as { replicas: number }).replicas = 9;
    });
    const plan = await preview(agent, 'b', { apply });
    expect(lines(plan)).toEqual(['configure Secret/one']);
    expect(JSON.stringify(plan)).toContain('data.password');
    expect(JSON.stringify(plan)).not.toMatch(/b2xk|bmV3/);
  });

  test('says why an object stays, and why a removal would wait', async () => {
    const world = createWorld();
    const names = Array.from({ length: 20 }, (_, index) => `object-${index}`);
    const kept = configMap('kept');
    kept.metadata.annotations = { 'fairlead.dev/prune': 'disabled' };
    world.renders.set('a', [...names.map((name) => configMap(name)), kept]);
    world.renders.set('b', [configMap('object-0')]);
    const agent = await started(world);
    agent.reconciler.offer(assignmentOf(unit, 1, 'a'));
    await vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: 'settled' }));
    const plan = await preview(agent, 'b');
    expect(plan.totals).toMatchObject({ prune: 19, keep: 1 });
    expect(plan.pruneHeld).toMatch(/19 of 20 objects would go/);
    expect(plan.objects.at(-1)).toMatchObject({
      action: 'keep',
      message: 'an annotation disables its pruning',
    });
  });
});

describe('what cannot be planned', () => {
  test('a commit that does not render is an error with its words', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.renders.set('b', { message: 'template: unexpected end', terminal: true });
    expect(await preview(agent, 'b')).toMatchObject({ error: 'template: unexpected end' });
    expect(agent.report(unit)).toMatchObject({ phase: 'settled' });
  });

  test('promise 4: an object of another unit is refused with both names', async () => {
    const world = createWorld();
    const agent = await settled(world);
    const plan = await agent.reconciler.preview(
      assignmentOf('other/staging', 1, 'a'),
      new AbortController().signal,
    );
    expect(plan.error).toMatch(/belongs to unit checkout\/staging, not to unit other\/staging/);
  });

  test('what the API server refuses is marked, and the rest is planned', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.renders.set('b', [configMap('one', 'b'), deployment('web', 'web:2')]);
    world.obstacle.onRequest = ({ verb, kind }) => {
      if (verb !== 'dry-run' || kind !== 'Deployment') return;
      throw new ClusterError('invalid', 'spec.selector: field is immutable', { status: 422 });
    };
    expect((await preview(agent, 'b')).objects).toMatchObject([
      { action: 'configure', object: { name: 'one' } },
      { action: 'refuse', object: { name: 'web' }, message: 'spec.selector: field is immutable' },
      { action: 'prune', object: { name: 'two' } },
    ]);
  });

  test('a plan that takes too long says so', async () => {
    const world = createWorld();
    const agent = await settled(world);
    const plan = await agent.reconciler.preview(assignmentOf(unit, 2, 'a'), AbortSignal.abort());
    expect(plan.error).toMatch(/took too long/);
  });
});
