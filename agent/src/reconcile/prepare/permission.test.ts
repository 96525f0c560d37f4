import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err, expectOk, ok } from '@fairlead/shared/result';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createMemoryCluster, type MemoryRequest } from '../../cluster/index.ts';
import { judgeAssignment, parseClusterPolicy } from '../../domain/policy/index.ts';
import { renderedBytesMax, unitsInParallelMax } from '../../limits.ts';
import type { Trust } from '../index.ts';
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
  isWrite,
  openTrust,
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

const unit = 'checkout/staging';
const offer = (agent: Agent, generation: number, commit: string, change: AssignmentChange = {}) =>
  agent.reconciler.offer(assignmentOf(unit, generation, commit, change));
const reported = (agent: Agent, expected: object) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject(expected), {
    timeout: 20_000,
    interval: 5,
  });
const repaired = (agent: Agent) =>
  vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'), { timeout: 20_000 });
const names = (world: World): string[] =>
  world.cluster
    .objects()
    .filter(({ kind }) => kind !== 'Unit')
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    .sort();

/** Commits that begin with `signed` are signed; the policy may change under way. */
function trusting(policy: { text: string }): Trust {
  return {
    permit: async (assignment) => {
      const verdict = judgeAssignment(
        expectOk(parseClusterPolicy(policy.text), 'the policy'),
        assignment,
      );
      if (verdict.ok) return verdict;
      return err({ audit: 'PolicyRefused', terminal: true, message: verdict.error });
    },
    verify: async ({ commit }, { signatures }) => {
      if (signatures === 'none') return ok({ signer: '', warning: '' });
      if (commit.startsWith('signed')) return ok({ signer: 'maintainers', warning: '' });
      if (signatures === 'warn') return ok({ signer: '', warning: `${commit} is not trusted` });
      return err({
        audit: 'SignatureRefused',
        terminal: true,
        message: `${commit} is not trusted`,
      });
    },
  };
}

const required = () => ({ text: 'signatures: {mode: required}' });

describe('promise 10: a commit that no trusted key signed', () => {
  async function signedFirst() {
    const world = createWorld();
    const policy = required();
    const trust = trusting(policy);
    const agent = await start({ ...world, trust });
    world.renders.set('signed-1', [configMap('a', 'good'), configMap('b')]);
    world.renders.set('evil', [configMap('a', 'evil'), configMap('c')]);
    offer(agent, 1, 'signed-1');
    await reported(agent, { phase: 'settled', generation: 1 });
    return { world, policy, trust, agent };
  }

  test('is not applied and removes nothing, and what runs is kept against drift', async () => {
    const { world, agent } = await signedFirst();
    world.requests.length = 0;
    offer(agent, 2, 'evil');
    await reported(agent, { phase: 'failed', generation: 2, terminal: true });
    expect(agent.report(unit)?.message).toBe('evil is not trusted');
    expect(names(world)).toEqual(['ConfigMap/a', 'ConfigMap/b']);
    expect(world.requests.filter(({ kind }) => kind === 'ConfigMap').filter(isWrite)).toEqual([]);
    expect(agent.kinds().filter((kind) => kind === 'SignatureRefused')).toHaveLength(1);

    world.cluster.drop(configMapAddress('a'));
    await repaired(agent);
    const restored = await world.cluster.get(configMapAddress('a'));
    expect(restored?.data).toEqual({ value: 'good' });
  });

  test('is not what a repair renders, even when the objects are in memory no more', async () => {
    const world = createWorld();
    const agent = await start({ ...world, trust: trusting(required()) });
    const large = configMap('large', 'x'.repeat(renderedBytesMax + 1));
    world.renders.set('signed-1', [configMap('a', 'good'), large]);
    world.renders.set('evil', [configMap('a', 'evil')]);
    offer(agent, 1, 'signed-1');
    await reported(agent, { phase: 'settled', generation: 1 });
    offer(agent, 2, 'evil');
    await reported(agent, { phase: 'failed', generation: 2 });
    world.cluster.edit(configMapAddress('a'), 'somebody', (object) => {
      object.data = { value: 'theirs' };
    });
    await repaired(agent);
    expect((await world.cluster.get(configMapAddress('a')))?.data).toEqual({ value: 'good' });
  }, 30_000);

  test('is refused as a rollback too', async () => {
    const { world, agent, policy } = await signedFirst();
    policy.text = '{}';
    offer(agent, 2, 'evil');
    await reported(agent, { phase: 'settled', generation: 2 });
    policy.text = required().text;
    offer(agent, 3, 'signed-1');
    await reported(agent, { phase: 'settled', generation: 3 });
    offer(agent, 4, 'evil');
    await reported(agent, { phase: 'failed', generation: 4, terminal: true });
    expect((await world.cluster.get(configMapAddress('a')))?.data).toEqual({ value: 'good' });
  });

  test('is neither rendered nor asked about for a plan', async () => {
    const { world, agent } = await signedFirst();
    world.requests.length = 0;
    const plan = await agent.reconciler.preview(
      assignmentOf(unit, 2, 'evil'),
      AbortSignal.timeout(10_000),
    );
    expect(plan).toMatchObject({ error: 'evil is not trusted', objects: [] });
    expect(world.requests).toEqual([]);
  });

  test('is applied at once when the cluster comes to trust it', async () => {
    const { world, agent, policy } = await signedFirst();
    offer(agent, 2, 'evil');
    await reported(agent, { phase: 'failed', generation: 2 });
    policy.text = 'signatures: {mode: none}';
    agent.reconciler.retryRefused();
    await reported(agent, { phase: 'settled', generation: 2 });
    expect(names(world)).toEqual(['ConfigMap/a', 'ConfigMap/c']);
  });

  test('is refused after a restart as before', async () => {
    const { world, agent, trust } = await signedFirst();
    offer(agent, 2, 'evil');
    await reported(agent, { phase: 'failed', generation: 2 });
    await agent.kill();
    const again = await start({ ...world, trust });
    await reported(again, { phase: 'failed', generation: 2, message: 'evil is not trusted' });
    expect(names(world)).toEqual(['ConfigMap/a', 'ConfigMap/b']);
  });

  test('is applied where the cluster only warns, and the report and the audit say so', async () => {
    const world = createWorld();
    const agent = await start({ ...world, trust: trusting({ text: 'signatures: {mode: warn}' }) });
    world.renders.set('unsigned', [configMap('a')]);
    world.renders.set('signed', [configMap('a', 'b')]);
    offer(agent, 1, 'unsigned');
    await reported(agent, { phase: 'settled', health: 'Healthy' });
    expect(agent.report(unit)?.message).toBe('unsigned is not trusted');
    expect(agent.kinds().filter((kind) => kind === 'SignatureWarned')).toHaveLength(1);
    offer(agent, 2, 'signed');
    await reported(agent, { phase: 'settled', generation: 2, message: '' });
    expect(agent.audits.find(({ kind }) => kind === 'SignatureVerified')).toMatchObject({
      generation: 2,
      message: 'the commit was signed by maintainers',
    });
  });
});

describe("the cluster's policy", () => {
  const refusedBy = async (
    policy: string,
    change: AssignmentChange,
    objects: KubernetesObject[],
  ) => {
    const world = createWorld();
    const agent = await start({ ...world, trust: trusting({ text: policy }) });
    world.renders.set('a', objects);
    offer(agent, 1, 'a', change);
    await reported(agent, { phase: 'failed', terminal: true });
    expect(names(world)).toEqual([]);
    expect(agent.kinds()).toContain('PolicyRefused');
    return agent.report(unit)?.message;
  };
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'r' },
  };

  test.each<[string, KubernetesObject[], RegExp]>([
    [
      'another namespace',
      [configMap('a', 'a', 'kube-system')],
      /^ConfigMap kube-system\/a lies outside of the namespaces that this cluster's policy allows the unit, default; nothing was applied$/,
    ],
    [
      'the whole cluster',
      [configMap('b'), role],
      /^ClusterRole r lives in no namespace, and this cluster's policy/,
    ],
  ])('keeps a unit out of %s', async (_, objects, message) => {
    const policy = 'units: [{pipelines: [checkout], namespaces: [default]}]';
    expect(await refusedBy(policy, {}, objects)).toMatch(message);
  });

  test.each(['fairlead-policy', 'fairlead-trusted-keys', 'fairlead-agent-identity', 'shop-keys'])(
    'is nothing that a unit may change, and neither is %s',
    async (name) => {
      const policy = 'signatures: {mode: none, keys: [shop-keys]}';
      const objects = [configMap(name, 'a', 'fairlead')];
      expect(await refusedBy(policy, {}, objects)).toMatch(/what this cluster holds its agent by/);
    },
  );

  test('refuses an order to delete, and the objects stay and are kept', async () => {
    const world = createWorld();
    const agent = await start({ ...world, trust: trusting({ text: 'deletion: refused' }) });
    world.renders.set('a', [configMap('a')]);
    offer(agent, 1, 'a');
    await reported(agent, { phase: 'settled' });
    offer(agent, 2, 'a', { disposition: 'delete' });
    await reported(agent, { phase: 'failed', generation: 2 });
    expect(names(world)).toEqual(['ConfigMap/a']);
  });

  test('holds a large prune whatever budget and confirmation the hub sends', async () => {
    const world = createWorld();
    const policy = { text: 'deletion: refused' };
    const agent = await start({ ...world, trust: trusting(policy) });
    const many = Array.from({ length: 20 }, (_, index) => configMap(`old-${index}`));
    world.renders.set('many', many);
    world.renders.set('few', [configMap('new')]);
    const apply = { deletionBudget: { objectsMax: 10_000, percentMax: 100 } };
    offer(agent, 1, 'many', { apply });
    await reported(agent, { phase: 'settled' });
    offer(agent, 2, 'few', { apply });
    await reported(agent, { phase: 'prune-held', generation: 2, pruneHeldObjects: 20 });
    offer(agent, 3, 'few', { apply: { ...apply, confirmedPruneGeneration: 2 } });
    await reported(agent, { phase: 'prune-held', generation: 3 });
    expect(names(world)).toHaveLength(21);
  });
});

describe('an agent of some namespaces', () => {
  const watchNamespaces = ['shop', 'payments'];

  test('watches each kind in each of them, and nothing in the whole cluster', async () => {
    const world = createWorld();
    const agent = await start({ ...world, watchNamespaces });
    world.renders.set('a', [configMap('a', 'a', 'shop'), configMap('a', 'a', 'payments')]);
    world.renders.set('b', [configMap('a', 'b', 'shop')]);
    world.requests.length = 0;
    offer(agent, 1, 'a', { apply: { namespace: 'shop' } });
    await reported(agent, { phase: 'settled', objectsTotal: 2 });
    const lists = world.requests.filter(({ verb }) => verb === 'list');
    expect(lists.map(({ kind, namespace }) => `${namespace}/${kind}`).sort()).toEqual([
      'payments/ConfigMap',
      'shop/ConfigMap',
    ]);
    world.cluster.drop({ ...configMapAddress('a'), namespace: 'payments' });
    await repaired(agent);
    offer(agent, 2, 'b', { apply: { namespace: 'shop' } });
    await reported(agent, { phase: 'settled', generation: 2 });
    expect(names(world)).toEqual(['ConfigMap/a']);
  });

  test('takes an empty list of one namespace for no loss in another', async () => {
    const world = createWorld();
    const agent = await start({ ...world, watchNamespaces });
    world.renders.set('a', [configMap('a', 'a', 'shop'), configMap('b', 'b', 'shop')]);
    offer(agent, 1, 'a', { apply: { namespace: 'shop' } });
    await reported(agent, { phase: 'settled', objectsHealthy: 2 });
    await agent.kill();
    world.requests.length = 0;
    const again = await start({ ...world, watchNamespaces });
    await reported(again, { phase: 'settled', objectsHealthy: 2 });
    await vi.waitFor(() => expect(again.reconciler.isIdle()).toBe(true));
    expect(world.requests.filter(({ kind }) => kind === 'ConfigMap').filter(isWrite)).toEqual([]);
    expect(again.kinds()).toEqual([]);
  });

  test.each<[KubernetesObject, RegExp]>([
    [
      configMap('a', 'a', 'default'),
      /lies outside of the namespaces of this agent, shop, payments/,
    ],
    [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
      /lives in no namespace, and this agent works only in shop, payments: let an administrator/,
    ],
  ])('refuses what lies elsewhere: %j', async (object, message) => {
    const world = createWorld();
    const agent = await start({ ...world, watchNamespaces });
    world.renders.set('a', [configMap('b', 'b', 'shop'), object]);
    offer(agent, 1, 'a', { apply: { namespace: 'shop' } });
    await reported(agent, { phase: 'failed', message: expect.stringMatching(message) });
    expect(names(world)).toEqual([]);
  });
});

describe("a unit's service account", () => {
  const deployer = 'system:serviceaccount:default:deployer';
  const worldWhere = (mayDo: (request: MemoryRequest) => boolean) => {
    const requests: MemoryRequest[] = [];
    const cluster = createMemoryCluster({
      statusOf: workingStatus,
      mayDo,
      onRequest: (request) => {
        requests.push(request);
      },
    });
    return { cluster, journal: createMemoryJournal(), renders: new Map(), requests };
  };
  const apply = { serviceAccount: 'deployer' };

  test('makes every request about its objects, and none of the agent itself', async () => {
    const world = worldWhere(() => true);
    const agent = await start(world);
    world.renders.set('a', [configMap('a'), configMap('old')]);
    world.renders.set('b', [configMap('a', 'b')]);
    world.cluster.edit(configMapAddress('a'), 'kubectl', (object) => {
      object.data = { value: 'a' };
    });
    offer(agent, 1, 'a', { apply: { ...apply, adopt: 'if-equal', drift: 'report' } });
    await reported(agent, { phase: 'settled' });
    world.cluster.edit(configMapAddress('a'), 'somebody', (object) => {
      object.data = { value: 'theirs' };
    });
    await vi.waitFor(() => expect(agent.kinds()).toContain('DriftDetected'));
    offer(agent, 2, 'b', { apply });
    await reported(agent, { phase: 'settled', generation: 2 });
    world.cluster.drop(configMapAddress('a'));
    await repaired(agent);

    const about = (kind: string) =>
      world.requests.filter((request) => request.kind === kind && request.verb !== 'list');
    const verbs = new Set(about('ConfigMap').map(({ verb }) => verb));
    expect([...verbs].sort()).toEqual(['apply', 'dry-run', 'get', 'remove', 'set-managed-fields']);
    expect(new Set(about('ConfigMap').map(({ asUser }) => asUser))).toEqual(new Set([deployer]));
    const own = world.requests.filter(({ verb, kind }) => verb === 'list' || kind === 'Unit');
    expect(new Set(own.map(({ asUser }) => asUser))).toEqual(new Set([undefined]));
  });

  test('that may not do something fails the unit with who, what and the remedy', async () => {
    const world = worldWhere(({ kind }) => kind !== 'Secret');
    const agent = await start(world);
    const secret = { ...configMap('s'), kind: 'Secret' };
    world.renders.set('a', [secret, deployment('web')]);
    offer(agent, 1, 'a', { apply });
    await reported(agent, { phase: 'failed', terminal: false });
    expect(agent.report(unit)?.message).toMatch(
      /^Secret default\/s: Secret "s" is forbidden: User "system:serviceaccount:default:deployer" cannot apply .*; grant it to the unit's service account default\/deployer by a Role and a RoleBinding/,
    );
    expect(world.cluster.objects().filter(({ kind }) => kind !== 'Unit')).toEqual([]);
    expect(agent.audits.find(({ kind }) => kind === 'ApplyFailed')?.message).toMatch(/deployer/);
  });

  test('repairs what it applied, also while an assignment with another one is refused', async () => {
    const world = worldWhere(() => true);
    const agent = await start({ ...world, trust: trusting(required()) });
    world.renders.set('signed', [configMap('a')]);
    world.renders.set('evil', [configMap('a', 'evil')]);
    offer(agent, 1, 'signed', { apply });
    await reported(agent, { phase: 'settled' });
    offer(agent, 2, 'evil', { apply: { serviceAccount: '' } });
    await reported(agent, { phase: 'failed', generation: 2 });
    world.requests.length = 0;
    world.cluster.drop(configMapAddress('a'));
    await repaired(agent);
    const users = world.requests
      .filter(({ kind }) => kind === 'ConfigMap')
      .map(({ asUser }) => asUser);
    expect(new Set(users)).toEqual(new Set([deployer]));
  });

  test('lives in the namespace of the unit', async () => {
    const users = new Set<string | undefined>();
    const world = worldWhere(({ asUser }) => {
      users.add(asUser);
      return true;
    });
    const agent = await start(world);
    world.renders.set('a', [configMap('a')]);
    offer(agent, 1, 'a', { apply: { ...apply, namespace: 'shop', createNamespace: true } });
    await reported(agent, { phase: 'settled' });
    expect([...users]).toEqual(['system:serviceaccount:shop:deployer']);
  });
});

test('what is told to come next waits for its first turn, is of the commit, and is permitted', async () => {
  const { cluster, journal, renders } = createWorld();
  renders.set('a', [configMap('one')]);
  const permitted = openTrust.permit;
  const trust: Trust = {
    ...openTrust,
    permit: async (assignment) =>
      assignment.pipeline.startsWith('refused')
        ? err({ message: 'no', terminal: true, audit: 'PolicyRefused' })
        : permitted(assignment),
  };
  const agent = await start({ cluster, journal, renders, trust });
  const unitOf = (name: string, change: AssignmentChange = {}) =>
    assignmentOf(`${name}/staging`, 1, 'a', { root: name, ...change });
  for (let index = 0; index < unitsInParallelMax; index++) {
    agent.reconciler.offer(unitOf(`first-${index}`));
  }
  const waiting = [
    unitOf('second'),
    unitOf('refused'),
    unitOf('other-commit', { commit: 'b' as never }),
    unitOf('other-repository', { repository: 'else' as never }),
    unitOf('same-root', { root: 'first-0' }),
    unitOf('gone', { disposition: 'orphan' }),
    unitOf('third'),
  ];
  for (const assignment of waiting) agent.reconciler.offer(assignment);
  const upcoming = await agent.reconciler.upcoming(unitOf('first-0'));
  expect(upcoming.map(({ pipeline }) => pipeline)).toEqual(['second', 'third']);
});
