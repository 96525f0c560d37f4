import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ClusterError } from '../cluster/index.ts';
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
  generation: number,
  commit: string,
  change: AssignmentChange & { unit?: string } = {},
) => {
  const { unit = 'checkout/staging', ...rest } = change;
  return agent.reconciler.offer(assignmentOf(unit, generation, commit, rest));
};

const phase = (agent: Agent, expected: string, generation: number, unit = 'checkout/staging') =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: expected, generation }), {
    timeout: 5_000,
    interval: 5,
  });

const names = (world: World): string[] =>
  world.cluster
    .objects()
    .filter(({ kind }) => kind !== 'Unit')
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    .sort();

const pendingDeployments = (object: KubernetesObject) =>
  object.kind === 'Deployment'
    ? { observedGeneration: object.metadata.generation }
    : workingStatus(object);

describe('apply', () => {
  test('a unit is applied, becomes healthy and is settled, and its parent names its kinds', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('settings'), deployment('web')]);
    const agent = await start(world);
    expect(offer(agent, 1, 'a')).toEqual({ kind: 'accept' });
    await phase(agent, 'settled', 1);
    expect(agent.report('checkout/staging')).toMatchObject({
      health: 'Healthy',
      objectsTotal: 2,
      objectsHealthy: 2,
      objects: [],
    });
    expect(agent.kinds()).toEqual(['AssignmentAccepted', 'ObjectsApplied', 'UnitHealthy']);
    const parent = await vi.waitFor(() => {
      const found = world.cluster.objects().find(({ kind }) => kind === 'Unit');
      expect(found?.status).toMatchObject({ phase: 'settled', objects: '2/2' });
      return found;
    });
    expect(parent?.metadata).toMatchObject({
      name: 'checkout.staging',
      namespace: 'fairlead',
      annotations: {
        'applyset.kubernetes.io/contains-group-kinds': 'ConfigMap,Deployment.apps',
        'applyset.kubernetes.io/additional-namespaces': 'default',
      },
    });
  });

  test('the first take of a unit costs one request an object, one parent and no reads', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('one'), configMap('two'), configMap('three')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    const verbs = world.requests.filter(({ kind }) => kind === 'ConfigMap').map(({ verb }) => verb);
    expect(verbs.toSorted()).toEqual(['apply', 'apply', 'apply', 'list']);
  });

  test('a wave waits for the health of the one before', async () => {
    const world = createWorld(pendingDeployments);
    const late = configMap('late');
    late.metadata.annotations = { 'fairlead.dev/wave': '1' };
    world.renders.set('a', [deployment('web'), late]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'waiting', 1);
    expect(names(world)).toEqual(['Deployment/web']);
    world.cluster.setStatus(
      deploymentAddress('web'),
      workingStatus({ ...deployment('web'), metadata: { name: 'web', generation: 1 } }) ?? {},
    );
    await phase(agent, 'settled', 1);
    expect(names(world)).toEqual(['ConfigMap/late', 'Deployment/web']);
  });

  test('a definition and its objects come in one unit', async () => {
    const world = createWorld();
    const definition: KubernetesObject = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'widgets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { kind: 'Widget', plural: 'widgets' },
        versions: [{ name: 'v1' }],
      },
    };
    const widget = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'one' } };
    world.renders.set('a', [widget, definition]);
    const agent = await start(world);
    offer(agent, 1, 'a', { apply: { namespace: 'shop' } });
    await phase(agent, 'settled', 1);
    expect(names(world)).toEqual(['CustomResourceDefinition/widgets.example.com', 'Widget/one']);
  });

  test('only what has changed is written for a new commit', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('same'), configMap('other', 'old')]);
    world.renders.set('b', [configMap('same'), configMap('other', 'new')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    world.requests.length = 0;
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    const written = world.requests.filter((request) => isWrite(request) && request.kind !== 'Unit');
    expect(written.map(({ name }) => name)).toEqual(['other']);
  });

  test('an object that the API server refuses fails the unit for good, with its words', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('bad')]);
    world.obstacle.onRequest = ({ verb, name }) => {
      if (verb === 'apply' && name === 'bad') throw new ClusterError('invalid', 'data is wrong');
    };
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'failed', 1);
    expect(agent.report('checkout/staging')).toMatchObject({
      terminal: true,
      message: 'ConfigMap default/bad: data is wrong',
    });
  });

  test('a refusal that may pass is tried again', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('one')]);
    let refusals = 1;
    world.obstacle.onRequest = ({ verb, kind }) => {
      if (verb === 'apply' && kind === 'ConfigMap' && refusals-- > 0) {
        throw new ClusterError('forbidden', 'not yet');
      }
    };
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'failed', 1);
    expect(agent.report('checkout/staging')?.terminal).toBe(false);
    await phase(agent, 'settled', 1);
  });

  test('F09: the unit goes on without its own definition', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('one')]);
    world.obstacle.onRequest = ({ kind }) => {
      if (kind === 'Unit') throw new ClusterError('unknown_kind', 'no units here');
    };
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
  });
});

describe('absence is never deletion', () => {
  async function settled(world: World, count = 2): Promise<Agent> {
    world.renders.set(
      'a',
      Array.from({ length: count }, (_, index) => configMap(`old-${index}`)),
    );
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    return agent;
  }

  test('F05: an empty render deletes nothing', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.renders.set('b', []);
    offer(agent, 2, 'b');
    await phase(agent, 'failed', 2);
    expect(names(world)).toEqual(['ConfigMap/old-0', 'ConfigMap/old-1']);
  });

  test('F04: a failed render deletes nothing', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.renders.set('b', { message: 'template: unexpected end', terminal: true });
    offer(agent, 2, 'b');
    await phase(agent, 'failed', 2);
    expect(names(world)).toEqual(['ConfigMap/old-0', 'ConfigMap/old-1']);
    expect(agent.audits.at(-1)).toMatchObject({ kind: 'RenderFailed', generation: 2 });
  });

  test('what is no longer rendered goes only when the new objects are healthy', async () => {
    const world = createWorld(pendingDeployments);
    const agent = await settled(world);
    world.renders.set('b', [deployment('web')]);
    offer(agent, 2, 'b');
    await phase(agent, 'waiting', 2);
    expect(names(world)).toEqual(['ConfigMap/old-0', 'ConfigMap/old-1', 'Deployment/web']);
    world.cluster.setStatus(
      deploymentAddress('web'),
      workingStatus({ ...deployment('web'), metadata: { name: 'web', generation: 1 } }) ?? {},
    );
    await phase(agent, 'settled', 2);
    expect(names(world)).toEqual(['Deployment/web']);
    expect(agent.kinds().filter((kind) => kind === 'ObjectPruned')).toHaveLength(2);
  });

  test('a copy of an owned object is not pruned', async () => {
    const world = createWorld();
    const agent = await settled(world);
    const original = world.cluster.objects().find(({ metadata }) => metadata.name === 'old-0');
    world.cluster.edit(configMapAddress('copy'), 'kubectl', (object) => {
      object.metadata.labels = original?.metadata.labels;
      object.metadata.annotations = original?.metadata.annotations;
    });
    world.renders.set('b', [configMap('new')]);
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(names(world)).toEqual(['ConfigMap/copy', 'ConfigMap/new']);
  });

  test('orphan leaves every object in place and repairs nothing', async () => {
    const world = createWorld();
    const agent = await settled(world);
    offer(agent, 2, 'a', { disposition: 'orphan' });
    await phase(agent, 'orphaned', 2);
    world.requests.length = 0;
    world.cluster.drop(configMapAddress('old-0'));
    expect(world.requests.filter(isWrite)).toEqual([]);
    expect(names(world)).toEqual(['ConfigMap/old-1']);
  });

  test('an explicit order deletes the objects and then their parent', async () => {
    const world = createWorld();
    const agent = await settled(world);
    await vi.waitFor(() =>
      expect(world.cluster.objects().some(({ kind }) => kind === 'Unit')).toBe(true),
    );
    offer(agent, 2, 'a', { disposition: 'delete' });
    await phase(agent, 'deleted', 2);
    expect(world.cluster.objects()).toEqual([]);
    expect(world.requests.filter(({ verb }) => verb === 'remove').at(-1)?.kind).toBe('Unit');
  });
});

describe('one owner an object', () => {
  test('an object of another unit is not taken, both are named, and nothing is applied', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('shared')]);
    world.renders.set('b', [configMap('mine'), configMap('shared', 'stolen')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    offer(agent, 1, 'b', { unit: 'billing/staging' });
    await phase(agent, 'failed', 1, 'billing/staging');
    expect(agent.report('billing/staging')).toMatchObject({ terminal: true });
    const message = agent.report('billing/staging')?.message;
    expect(message).toContain('checkout/staging');
    expect(message).toContain('billing/staging');
    expect(names(world)).toEqual(['ConfigMap/shared']);
    expect(agent.kinds()).toContain('OwnershipRefused');
  });

  test('two units that claim an object in the same moment: one has it, the other is refused', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('shared')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    offer(agent, 1, 'a', { unit: 'billing/staging' });
    await vi.waitFor(() =>
      expect(
        ['checkout/staging', 'billing/staging'].map((unit) => agent.report(unit)?.phase).sort(),
      ).toEqual(['failed', 'settled']),
    );
  });

  test('F53: the object of a foreign ApplySet is refused', async () => {
    const world = createWorld();
    world.cluster.edit(configMapAddress('theirs'), 'other-hub', (object) => {
      object.metadata.labels = { 'applyset.kubernetes.io/part-of': 'applyset-other-v1' };
    });
    world.renders.set('a', [configMap('theirs')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'failed', 1);
    expect(agent.report('checkout/staging')?.message).toContain('applyset-other-v1');
  });

  test.each([
    ['if-unowned', 'other', 'settled'],
    ['if-equal', 'other', 'failed'],
    ['if-equal', 'same', 'settled'],
    ['always', 'other', 'settled'],
  ] as const)('adopt %s, live value %s: %s', async (adopt, value, expected) => {
    const world = createWorld();
    world.cluster.edit(configMapAddress('live'), 'kubectl', (object) => {
      object.data = { value };
    });
    world.renders.set('a', [configMap('live', 'same')]);
    const agent = await start(world);
    offer(agent, 1, 'a', { apply: { adopt } });
    await phase(agent, expected, 1);
  });

  test('an object that another owner takes is reported and not fought over', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('one')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    world.cluster.edit(configMapAddress('one'), 'other-hub', (object) => {
      object.metadata.labels = { 'applyset.kubernetes.io/part-of': 'applyset-other-v1' };
    });
    await phase(agent, 'failed', 1);
    expect(agent.report('checkout/staging')?.message).toContain('applyset-other-v1');
  });
});

describe('drift', () => {
  async function settled(world: World, change: AssignmentChange = {}): Promise<Agent> {
    world.renders.set('a', [configMap('one'), deployment('web')]);
    const agent = await start(world);
    offer(agent, 1, 'a', change);
    await phase(agent, 'settled', 1);
    return agent;
  }
  const audited = (agent: Agent, kind: string) =>
    vi.waitFor(() => {
      const found = agent.audits.findLast((entry) => entry.kind === kind);
      expect(found).toBeDefined();
      return found;
    });

  test('an edited field is restored, and the audit names field, values and editor', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.cluster.edit(deploymentAddress('web'), 'kubectl-edit', (object) => {
      const spec = object.spec as { template: { spec: { containers: { image: string }[] } } };
      spec.template.spec.containers[0] = { name: 'web', image: 'evil:2' } as never;
    });
    expect(await audited(agent, 'DriftRepaired')).toMatchObject({
      details: {
        managers: ['kubectl-edit'],
        differences: [
          {
            path: 'spec.template.spec.containers[name=web].image',
            live: 'evil:2',
            desired: 'web:1',
          },
        ],
      },
    });
    const live = await world.cluster.get(deploymentAddress('web'));
    expect(JSON.stringify(live?.spec)).toContain('web:1');
  });

  test('a deleted object comes back', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.cluster.drop(configMapAddress('one'));
    expect(await audited(agent, 'DriftRepaired')).toMatchObject({ details: { deleted: true } });
    expect(names(world)).toContain('ConfigMap/one');
  });

  test('promise 8: while a newer commit does not render, drift of what runs is still restored', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.renders.set('b', { message: 'template: unexpected end', terminal: true });
    offer(agent, 2, 'b');
    await phase(agent, 'failed', 2);
    world.cluster.drop(configMapAddress('one'));
    await audited(agent, 'DriftRepaired');
    expect(names(world)).toContain('ConfigMap/one');
    expect(agent.report('checkout/staging')).toMatchObject({ phase: 'failed', generation: 2 });
  });

  test('a stripped label comes back', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.cluster.edit(configMapAddress('one'), 'kubectl-label', (object) => {
      delete object.metadata.labels;
    });
    await audited(agent, 'DriftRepaired');
    const live = await world.cluster.get(configMapAddress('one'));
    expect(live?.metadata.labels).toHaveProperty(['applyset.kubernetes.io/part-of']);
  });

  test('status and fields of others are no drift', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.requests.length = 0;
    world.cluster.edit(deploymentAddress('web'), 'other', (object) => {
      object.metadata.annotations = { ...object.metadata.annotations, 'other/seen': 'yes' };
    });
    world.cluster.setStatus(deploymentAddress('web'), { observedGeneration: 1 });
    await vi.waitFor(() => expect(agent.report('checkout/staging')?.health).toBe('Progressing'));
    expect(world.requests.filter((request) => isWrite(request) && request.kind !== 'Unit')).toEqual(
      [],
    );
  });

  test('the policy report tells of drift once and repairs nothing', async () => {
    const world = createWorld();
    const agent = await settled(world, { apply: { drift: 'report' } });
    world.cluster.edit(configMapAddress('one'), 'kubectl-edit', (object) => {
      object.data = { value: 'edited' };
    });
    expect(await audited(agent, 'DriftDetected')).toMatchObject({
      details: { differences: [{ path: 'data.value', live: 'edited', desired: 'a' }] },
    });
    expect((await world.cluster.get(configMapAddress('one')))?.data).toEqual({ value: 'edited' });
    expect(agent.kinds().filter((kind) => kind === 'DriftDetected')).toHaveLength(1);
  });

  test('F37: another manager that keeps writing is named and the repairs slow down', async () => {
    const world = createWorld();
    const agent = await settled(world);
    const repairs = () => agent.kinds().filter((kind) => kind === 'DriftRepaired').length;
    for (let edit = 1; edit <= 10; edit++) {
      world.cluster.edit(configMapAddress('one'), 'rival', (object) => {
        object.data = { value: `edit ${edit}` };
      });
      await vi.waitFor(() => expect(repairs()).toBe(edit));
    }
    world.cluster.edit(configMapAddress('one'), 'rival', (object) => {
      object.data = { value: 'one too many' };
    });
    expect(await audited(agent, 'DriftFight')).toMatchObject({
      message: expect.stringContaining('rival'),
    });
    expect(repairs()).toBe(10);
  });

  test('an object whose reconciling a person has disabled is left alone', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.cluster.edit(configMapAddress('one'), 'kubectl', (object) => {
      object.metadata.annotations = {
        ...object.metadata.annotations,
        'fairlead.dev/reconcile': 'disabled',
      };
      object.data = { value: 'by hand' };
    });
    world.cluster.drop(deploymentAddress('web'));
    await audited(agent, 'DriftRepaired');
    expect((await world.cluster.get(configMapAddress('one')))?.data).toEqual({ value: 'by hand' });
  });
});

test('F38 F39: a unit of 3,000 objects is applied, and its reports stay small and say what they left out', async () => {
  const world = createWorld(pendingDeployments);
  const count = 3_000;
  world.renders.set(
    'a',
    Array.from({ length: count }, (_, index) => deployment(`web-${index}`)),
  );
  const agent = await start(world);
  offer(agent, 1, 'a');
  await vi.waitFor(
    () =>
      expect(agent.report('checkout/staging')).toMatchObject({
        phase: 'waiting',
        objectsTotal: count,
        objectsHealthy: 0,
        objectsTruncated: count - 50,
      }),
    { timeout: 20_000 },
  );
  for (const report of agent.reports) {
    expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThan(64 * 1024);
  }
}, 30_000);

describe('restart and crash', () => {
  test('F35: a restart with nothing new writes nothing', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('one'), deployment('web')]);
    const first = await start(world);
    offer(first, 1, 'a');
    await phase(first, 'settled', 1);
    await vi.waitFor(() =>
      expect(world.requests.some(({ verb, kind }) => verb === 'apply' && kind === 'Unit')).toBe(
        true,
      ),
    );
    await first.kill();
    world.requests.length = 0;
    const writes = world.journal.writes();
    const second = await start(world);
    await phase(second, 'settled', 1);
    expect(second.report('checkout/staging')?.health).toBe('Healthy');
    expect(world.requests.filter(isWrite)).toEqual([]);
    expect(world.journal.writes()).toBe(writes);
  });

  test('drift that happened while the agent was away is repaired', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('one'), configMap('two')]);
    const first = await start(world);
    offer(first, 1, 'a');
    await phase(first, 'settled', 1);
    await first.kill();
    world.cluster.drop(configMapAddress('one'));
    world.cluster.edit(configMapAddress('two'), 'kubectl', (object) => {
      object.data = { value: 'edited' };
    });
    const second = await start(world);
    await vi.waitFor(async () => {
      expect(names(world)).toEqual(['ConfigMap/one', 'ConfigMap/two']);
      expect((await world.cluster.get(configMapAddress('two')))?.data).toEqual({ value: 'a' });
    });
    await phase(second, 'settled', 1);
  });

  test('promise 11, F18, FLT-18: killed at any request, the next life converges to the same state', async () => {
    for (let killAt = 1; killAt <= 14; killAt++) {
      const world = createWorld();
      world.renders.set('a', [configMap('kept'), configMap('old'), deployment('web', 'web:1')]);
      world.renders.set('b', [configMap('kept'), configMap('new'), deployment('web', 'web:2')]);
      const first = await start(world);
      offer(first, 1, 'a');
      await phase(first, 'settled', 1);
      let writes = 0;
      world.obstacle.onRequest = (request) => {
        if (!isWrite(request) || ++writes < killAt) return;
        throw new ClusterError('unavailable', 'killed');
      };
      offer(first, 2, 'b');
      await vi.waitFor(() =>
        expect(writes >= killAt || first.report('checkout/staging')?.phase === 'settled').toBe(
          true,
        ),
      );
      await first.kill();
      world.obstacle.onRequest = () => {};
      const second = await start(world);
      await phase(second, 'settled', 2);
      expect(names(world)).toEqual(['ConfigMap/kept', 'ConfigMap/new', 'Deployment/web']);
    }
  });

  test('F08: a lost journal deletes nothing and still prunes what the parent object names', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('one'), deployment('web')]);
    world.renders.set('b', [configMap('one')]);
    const first = await start(world);
    offer(first, 1, 'a');
    await phase(first, 'settled', 1);
    await vi.waitFor(() =>
      expect(world.cluster.objects().some(({ kind }) => kind === 'Unit')).toBe(true),
    );
    await first.kill();
    const reborn = { ...world, journal: createWorld().journal };
    const second = await start(reborn);
    expect(names(world)).toEqual(['ConfigMap/one', 'Deployment/web']);
    offer(second, 2, 'b');
    await phase(second, 'settled', 2);
    expect(names(world)).toEqual(['ConfigMap/one']);
  });
});

describe('assignments', () => {
  test('promise 5: an older generation is refused and audited', async () => {
    const world = createWorld();
    world.renders.set('a', [configMap('one')]);
    const agent = await start(world);
    offer(agent, 2, 'a');
    expect(offer(agent, 1, 'a').kind).toBe('refuse');
    expect(agent.kinds()).toContain('AssignmentRefused');
  });

  test('a newer assignment replaces one that is under way', async () => {
    const world = createWorld(pendingDeployments);
    world.renders.set('a', [deployment('stuck')]);
    world.renders.set('b', [configMap('fine')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'waiting', 1);
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(names(world)).toEqual(['ConfigMap/fine']);
  });

  test('F32: a flapping object makes no more than a few reports a second', async () => {
    const world = createWorld();
    world.renders.set('a', [deployment('web')]);
    const agent = await start(world);
    offer(agent, 1, 'a');
    await phase(agent, 'settled', 1);
    const before = agent.reports.length;
    for (let flap = 0; flap < 200; flap++) {
      world.cluster.setStatus(deploymentAddress('web'), {
        observedGeneration: 1,
        readyReplicas: flap % 2,
      });
    }
    await vi.waitFor(() => expect(agent.report('checkout/staging')?.health).toBe('Progressing'));
    expect(agent.reports.length - before).toBeLessThanOrEqual(2);
  });
});
