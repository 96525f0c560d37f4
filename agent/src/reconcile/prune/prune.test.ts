import { type KubernetesObject, objectKeyText } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ClusterError } from '../../cluster/index.ts';
import {
  type Agent,
  type AssignmentChange,
  assignmentOf,
  configMap,
  configMapAddress,
  createWorld,
  isWrite,
  startAgent,
  type World,
  workingStatus,
} from '../testing/index.ts';

const agents: Agent[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

const unit = 'checkout/staging';
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
  const { unit: named = unit, ...rest } = change;
  return agent.reconciler.offer(assignmentOf(named, generation, commit, rest));
};

const phase = (agent: Agent, expected: string, generation: number, named = unit) =>
  vi.waitFor(() => expect(agent.report(named)).toMatchObject({ phase: expected, generation }), {
    timeout: 5_000,
    interval: 5,
  });

const names = (world: World): string[] =>
  world.cluster
    .objects()
    .filter(({ kind }) => kind !== 'Unit')
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    .sort();

const many = (count: number, prefix = 'old') =>
  Array.from({ length: count }, (_, index) => configMap(`${prefix}-${index}`));

/** A unit that has settled with these objects, whose next commit renders `left` only. */
async function shrinking(world: World, before: KubernetesObject[], left = [configMap('new')]) {
  world.renders.set('a', before);
  world.renders.set('b', left);
  const agent = await start(world);
  offer(agent, 1, 'a');
  await phase(agent, 'settled', 1);
  return agent;
}

const uidsIn = (world: World) =>
  world.cluster
    .objects()
    .filter(({ kind }) => kind !== 'Unit')
    .map(({ metadata }) => metadata.uid);

const removals = (world: World): string[] =>
  world.requests.filter(({ verb }) => verb === 'remove').map(({ kind, name }) => `${kind}/${name}`);

describe('a held prune', () => {
  async function held(world: World) {
    const agent = await shrinking(world, many(20));
    offer(agent, 2, 'b');
    await phase(agent, 'prune-held', 2);
    return agent;
  }
  const confirmed = (agent: Agent, digest = agent.report(unit)?.pruneHeldDigest) => ({
    apply: { confirmedPruneGeneration: 2, confirmedPruneDigest: digest ?? '' },
  });

  test('names its objects and goes on when a person confirms exactly these', async () => {
    const world = createWorld();
    const agent = await held(world);
    const report = agent.report(unit);
    expect(report).toMatchObject({
      pruneHeldObjects: 20,
      pruneHeldDigest: expect.stringMatching(/./),
    });
    expect(report?.pruneHeld.map(objectKeyText)).toContain('/ConfigMap/default/old-0');
    expect(report?.message).toContain('a person must confirm it');
    expect(names(world)).toHaveLength(21);
    offer(agent, 3, 'b', confirmed(agent));
    await phase(agent, 'settled', 3);
    expect(names(world)).toEqual(['ConfigMap/new']);
    expect(agent.report(unit)).toMatchObject({ pruneHeldObjects: 0, pruneHeld: [] });
  });

  test.each([
    ['a digest of another set', 'other'],
    ['no digest', ''],
  ])('a confirmation with %s confirms nothing', async (_what, digest) => {
    const world = createWorld();
    const agent = await held(world);
    offer(agent, 3, 'b', confirmed(agent, digest));
    await phase(agent, 'prune-held', 3);
    expect(names(world)).toHaveLength(21);
  });

  test('a set that has grown since the confirmation is held again', async () => {
    const world = createWorld();
    const agent = await held(world);
    const { apply } = confirmed(agent);
    world.renders.set('c', many(20, 'more').concat(configMap('new')));
    world.renders.set('d', [configMap('new')]);
    offer(agent, 3, 'c');
    await phase(agent, 'prune-held', 3);
    offer(agent, 4, 'd', { apply });
    await phase(agent, 'prune-held', 4);
    expect(agent.report(unit)?.pruneHeldObjects).toBe(40);
    expect(names(world)).toHaveLength(41);
  });

  test('what somebody else deletes meanwhile leaves the report, and the rest stays held', async () => {
    const world = createWorld();
    const agent = await held(world);
    for (let index = 0; index < 12; index++) world.cluster.drop(configMapAddress(`old-${index}`));
    await vi.waitFor(() => expect(agent.report(unit)?.pruneHeldObjects).toBe(8));
    expect(agent.report(unit)?.phase).toBe('prune-held');
    offer(agent, 3, 'b', confirmed(agent));
    await phase(agent, 'settled', 3);
    expect(names(world)).toEqual(['ConfigMap/new']);
  });

  test('an explicit order is held when the unit has more objects than the order names', async () => {
    const world = createWorld();
    const agent = await shrinking(world, many(20));
    const order = (objectsMax: number): AssignmentChange => ({
      disposition: 'delete',
      apply: { deletionBudget: { objectsMax, percentMax: 0 } },
    });
    offer(agent, 2, 'a', order(19));
    await phase(agent, 'prune-held', 2);
    expect(names(world)).toHaveLength(20);
    expect(agent.report(unit)?.message).toContain('the order must be given again');
    offer(agent, 3, 'a', order(20));
    await phase(agent, 'deleted', 3);
    expect(names(world)).toEqual([]);
  });
});

describe('what stays', () => {
  const claim: KubernetesObject = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
  };

  test('a claim holds data: it is kept and named, also by an explicit order', async () => {
    const world = createWorld((object) =>
      object.kind === 'PersistentVolumeClaim' ? { phase: 'Bound' } : workingStatus(object),
    );
    const agent = await shrinking(world, [claim, configMap('old')]);
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(names(world)).toEqual(['ConfigMap/new', 'PersistentVolumeClaim/data']);
    expect(agent.report(unit)?.message).toContain(
      'PersistentVolumeClaim default/data (it holds data',
    );
    offer(agent, 3, 'b', { disposition: 'delete' });
    await phase(agent, 'deleted', 3);
    expect(names(world)).toEqual(['PersistentVolumeClaim/data']);
    expect(agent.report(unit)?.message).toContain('PersistentVolumeClaim default/data');
  });

  test('F16: an object with a finalizer is named with it, and the prune goes on after the limit', async () => {
    const world = createWorld();
    const stuck = configMap('stuck');
    stuck.metadata.finalizers = ['example.com/outside'];
    stuck.metadata.annotations = { 'fairlead.dev/wave': '1' };
    const agent = await shrinking(world, [stuck, configMap('old')]);
    const realNow = Date.now;
    let aheadMs = 0;
    vi.spyOn(Date, 'now').mockImplementation(() => realNow() + aheadMs);
    offer(agent, 2, 'b');
    await phase(agent, 'pruning', 2);
    await vi.waitFor(() =>
      expect(agent.report(unit)?.message).toContain(
        'ConfigMap default/stuck (finalizers: example.com/outside)',
      ),
    );
    expect(names(world)).toContain('ConfigMap/old');
    aheadMs = 31_000;
    // The unit looks again at once when what holds the object changes.
    world.cluster.edit(configMapAddress('stuck'), 'kubectl', (object) => {
      object.metadata.finalizers = ['example.com/outside', 'example.com/more'];
    });
    await phase(agent, 'settled', 2);
    expect(names(world)).toEqual(['ConfigMap/new', 'ConfigMap/stuck']);
    expect(agent.audits.find(({ kind }) => kind === 'ObjectLeaving')).toMatchObject({
      object: { name: 'stuck' },
      details: { finalizers: ['example.com/outside', 'example.com/more'] },
    });
    expect(agent.report(unit)?.message).toContain('finalizers: example.com/outside');
    world.cluster.edit(configMapAddress('stuck'), 'kubectl', (object) => {
      object.metadata.finalizers = [];
    });
    await vi.waitFor(() => expect(agent.report(unit)?.message).toBe(''));
  });

  const namespace = (name: string): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  });

  test('a namespace that holds what the unit does not own is kept and said to hold it', async () => {
    const world = createWorld();
    const agent = await shrinking(world, [namespace('shop'), configMap('own', 'a', 'shop')]);
    world.cluster.edit(
      { apiVersion: 'v1', kind: 'Secret', namespace: 'shop', name: 'theirs' },
      'kubectl',
      () => {},
    );
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(names(world)).toEqual(['ConfigMap/new', 'Namespace/shop', 'Secret/theirs']);
    expect(agent.report(unit)?.message).toContain('Secret shop/theirs');
    expect(agent.audits.find(({ kind }) => kind === 'ObjectKept')?.message).toContain(
      'Namespace shop was kept: it holds what the unit does not own: Secret shop/theirs',
    );
  });

  test('a namespace goes last when it holds nothing but what Kubernetes puts in it', async () => {
    const world = createWorld();
    const agent = await shrinking(world, [namespace('shop'), configMap('own', 'a', 'shop')]);
    world.cluster.edit(
      { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'shop', name: 'kube-root-ca.crt' },
      'kube-controller-manager',
      () => {},
    );
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(removals(world)).toEqual(['ConfigMap/own', 'Namespace/shop']);
  });

  test('a namespace that may not be looked through is kept', async () => {
    const world = createWorld();
    const agent = await shrinking(world, [namespace('shop')]);
    world.obstacle.onRequest = ({ verb, kind }) => {
      if (verb === 'list' && kind === 'Secret') {
        throw new ClusterError('forbidden', 'secrets is forbidden');
      }
    };
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(names(world)).toContain('Namespace/shop');
    expect(agent.report(unit)?.message).toContain('secrets is forbidden');
  });

  test('a definition whose objects somebody else has made is kept', async () => {
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
    const widget = (name: string) => ({
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      metadata: { name, namespace: 'default' },
    });
    const agent = await shrinking(world, [definition, widget('own')]);
    world.cluster.edit(
      { apiVersion: 'example.com/v1', kind: 'Widget', namespace: 'default', name: 'theirs' },
      'kubectl',
      () => {},
    );
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(names(world)).toEqual([
      'ConfigMap/new',
      'CustomResourceDefinition/widgets.example.com',
      'Widget/theirs',
    ]);
  });
});

describe('identity', () => {
  test.each([1, 52, 53, 54, 63])(
    'F06: names of %i characters that begin alike are told apart by identity and uid',
    async (length) => {
      const world = createWorld();
      const base = 'a'.repeat(length - 1);
      const [kept, going] = [configMap(`${base}k`), configMap(`${base}g`)];
      const long = configMap('x'.repeat(253));
      const agent = await shrinking(world, [kept, going, long], [kept, long]);
      offer(agent, 2, 'b');
      await phase(agent, 'settled', 2);
      expect(removals(world)).toEqual([`ConfigMap/${base}g`]);
    },
  );

  test('F06: another object under the name of a removed one stays', async () => {
    const world = createWorld();
    const agent = await shrinking(world, [configMap('old')]);
    world.obstacle.onRequest = ({ verb, name }) => {
      if (verb !== 'remove' || name !== 'old') return;
      world.obstacle.onRequest = () => {};
      // In the last moment somebody replaces it.
      world.cluster.drop(configMapAddress('old'));
      world.cluster.edit(configMapAddress('old'), 'kubectl', () => {});
    };
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(names(world)).toEqual(['ConfigMap/new', 'ConfigMap/old']);
  });

  test('F07: an agent that restarts while look-ups by label fail removes nothing', async () => {
    const world = createWorld();
    const first = await shrinking(world, [configMap('one'), configMap('two')]);
    await first.kill();
    let failed = 0;
    world.obstacle.onRequest = ({ verb, kind }) => {
      if (verb !== 'list') return;
      if (kind === 'ConfigMap') failed++;
      throw new ClusterError('unavailable', 'no answer');
    };
    const second = await start(world);
    offer(second, 2, 'b');
    await vi.waitFor(() => expect(failed).toBeGreaterThan(0));
    await second.kill();
    expect(removals(world)).toEqual([]);
    expect(names(world)).toEqual(['ConfigMap/one', 'ConfigMap/two']);
  });
});

describe('leaving and coming back', () => {
  test('F02: a removed pipeline that is defined again takes its objects back without a delete or a write', async () => {
    const world = createWorld();
    const agent = await shrinking(world, [configMap('one'), configMap('two')]);
    offer(agent, 2, 'a', { disposition: 'orphan' });
    await phase(agent, 'orphaned', 2);
    expect(agent.report(unit)?.message).toContain('2 objects are left in place');
    const uids = uidsIn(world);
    world.requests.length = 0;
    offer(agent, 3, 'a');
    await phase(agent, 'settled', 3);
    expect(removals(world)).toEqual([]);
    expect(world.requests.filter((request) => isWrite(request) && request.kind !== 'Unit')).toEqual(
      [],
    );
    expect(uidsIn(world)).toEqual(uids);
  });

  test('F08: an agent of another hub, without a journal, takes the unit over with no delete', async () => {
    const world = createWorld();
    const first = await shrinking(world, [configMap('one'), configMap('two')]);
    const uids = uidsIn(world);
    await first.kill();
    const moved = { ...world, journal: createWorld().journal };
    const second = await start(moved);
    offer(second, 1, 'a');
    await phase(second, 'settled', 1);
    expect(removals(world)).toEqual([]);
    expect(uidsIn(world)).toEqual(uids);
  });

  test('promise 11: killed at any request of a deletion, the next life ends it, and nothing else goes', async () => {
    for (let killAt = 1; killAt <= 6; killAt++) {
      const world = createWorld();
      world.cluster.edit(configMapAddress('theirs'), 'kubectl', () => {});
      const first = await shrinking(world, many(4));
      let writes = 0;
      world.obstacle.onRequest = (request) => {
        if (request.verb !== 'remove' || ++writes < killAt) return;
        throw new ClusterError('unavailable', 'killed');
      };
      offer(first, 2, 'a', { disposition: 'delete' });
      await vi.waitFor(() =>
        expect(writes >= killAt || first.report(unit)?.phase === 'deleted').toBe(true),
      );
      await first.kill();
      world.obstacle.onRequest = () => {};
      const second = await start(world);
      await phase(second, 'deleted', 2);
      expect(names(world)).toEqual(['ConfigMap/theirs']);
    }
  });
});
