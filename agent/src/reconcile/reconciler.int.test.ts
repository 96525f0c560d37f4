import { type KubernetesObject, unitDefinition } from '@fairlead/shared/manifest';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type ControlPlane,
  startControlPlane,
  temporaryDirectory,
  waitFor,
} from '../../../e2e/stack/index.ts';
import { type Cluster, createKubernetesCluster } from '../cluster/index.ts';
import {
  type Agent,
  type AssignmentChange,
  assignmentOf,
  configMap,
  createMemoryJournal,
  deployment,
  type Renders,
  startAgent,
} from './testing/index.ts';

const stack = new AsyncDisposableStack();
let controlPlane: ControlPlane;
let cluster: Cluster;
const agents: Agent[] = [];
// Audit and repair need no more than a second; the limit only ends a test that has failed.
const restored = { timeout: 10_000, interval: 10 };
const user = 'system:serviceaccount:fairlead:fairlead-agent';

// The agent's own rights, as an install gives them: what it applies, and never the right to raise its own.
const agentRole = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'fairlead-agent' },
  rules: [
    {
      apiGroups: ['*'],
      resources: ['*'],
      verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
    },
  ],
};

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  controlPlane = stack.use(
    await startControlPlane({ name: 'reconcile', directory: path, enableAuditLog: true }),
  );
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'fairlead-agent' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'fairlead-agent' },
    subjects: [{ kind: 'ServiceAccount', namespace: 'fairlead', name: 'fairlead-agent' }],
  };
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'fairlead-agent', namespace: 'fairlead' },
  };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'fairlead' } };
  for (const object of [namespace, account, agentRole, binding, unitDefinition]) {
    await controlPlane.kubectl(['apply', '-f', '-'], JSON.stringify(object));
  }
  await controlPlane.kubectl(['wait', '--for=condition=Established', 'crd/units.fairlead.dev']);
  const kubeconfigPath = await controlPlane.serviceAccountKubeconfig('fairlead', 'fairlead-agent');
  cluster = createKubernetesCluster({ kubeconfigPath });
  stack.defer(() => cluster.close());
});
afterAll(() => stack.disposeAsync());
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

function world() {
  return { cluster, journal: createMemoryJournal(), renders: new Map() as Renders };
}

async function start(parts: ReturnType<typeof world>): Promise<Agent> {
  const agent = await startAgent(parts);
  agents.push(agent);
  return agent;
}

const offer = (
  agent: Agent,
  unit: string,
  generation: number,
  commit: string,
  change: AssignmentChange = {},
) => agent.reconciler.offer(assignmentOf(unit, generation, commit, change));

const phase = (agent: Agent, unit: string, expected: string, generation = 1) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: expected, generation }), {
    timeout: 30_000,
    interval: 20,
  });

const has = (kind: string, name: string): Promise<boolean> =>
  controlPlane
    .kubectl(['get', kind, name, '-n', 'default', '--ignore-not-found', '-o', 'name'])
    .then((text) => text.trim() !== '');

const json = async (kind: string, name: string): Promise<KubernetesObject> =>
  JSON.parse(await controlPlane.kubectl(['get', kind, name, '-n', 'default', '-o', 'json']));

describe('a unit on a real control plane', () => {
  test('is applied, becomes healthy by its pods and shows itself to kubectl', async () => {
    const parts = world();
    parts.renders.set('a', [configMap('settings'), deployment('web')]);
    const agent = await start(parts);
    offer(agent, 'shop/staging', 1, 'a');
    await phase(agent, 'shop/staging', 'settled');
    expect(agent.report('shop/staging')).toMatchObject({ health: 'Healthy', objectsHealthy: 2 });
    const live = await json('deployment', 'web');
    expect(live.status).toMatchObject({ readyReplicas: 1 });
    await waitFor('the unit object to be settled', async (see) => {
      const text = await controlPlane.kubectl(['get', 'units', '-n', 'fairlead']);
      see(text);
      return /shop\.staging\s+shop\s+staging\s+settled\s+Healthy\s+2\/2/.test(text);
    });
  });

  test('waits for the new objects before the old ones go, and says why it waits', async () => {
    const parts = world();
    parts.renders.set('a', [configMap('before')]);
    parts.renders.set('b', [deployment('never', 'registry.example/web:broken')]);
    parts.renders.set('c', [configMap('after')]);
    const agent = await start(parts);
    offer(agent, 'waits/staging', 1, 'a');
    await phase(agent, 'waits/staging', 'settled');
    offer(agent, 'waits/staging', 2, 'b');
    await phase(agent, 'waits/staging', 'waiting', 2);
    await vi.waitFor(
      () =>
        expect(agent.report('waits/staging')?.objects[0]?.message).toMatch(
          /^never-.*: ImagePullBackOff/,
        ),
      { timeout: 20_000, interval: 50 },
    );
    expect(await has('configmap', 'before')).toBe(true);
    offer(agent, 'waits/staging', 3, 'c');
    await phase(agent, 'waits/staging', 'settled', 3);
    expect(await has('configmap', 'before')).toBe(false);
    expect(await has('deployment', 'never')).toBe(false);
  });

  test('that breaks after success says so within seconds, in the words of its pod', async () => {
    const parts = world();
    parts.renders.set('a', [deployment('breaks')]);
    const agent = await start(parts);
    offer(agent, 'breaks/staging', 1, 'a');
    await phase(agent, 'breaks/staging', 'settled');
    const [pod = ''] = (
      await controlPlane.kubectl(['get', 'pods', '-l', 'app=breaks', '-n', 'default', '-o', 'name'])
    ).split('\n');
    const waiting = {
      reason: 'CrashLoopBackOff',
      message: 'back-off 10s restarting failed container',
    };
    const status = {
      conditions: [{ type: 'Ready', status: 'False', reason: 'ContainersNotReady' }],
      containerStatuses: [
        {
          name: 'web',
          ready: false,
          restartCount: 3,
          image: 'web:1',
          imageID: '',
          state: { waiting },
        },
      ],
    };
    await controlPlane.kubectl([
      'patch',
      pod,
      '-n',
      'default',
      '--subresource=status',
      '-p',
      JSON.stringify({ status }),
    ]);
    await vi.waitFor(
      () =>
        expect(agent.report('breaks/staging')).toMatchObject({
          health: 'Degraded',
          objects: [
            { message: expect.stringMatching(/^breaks-.*: CrashLoopBackOff: back-off 10s/) },
          ],
        }),
      { timeout: 5_000, interval: 20 },
    );
    expect(agent.kinds()).toContain('UnitDegraded');
  });

  test('judges a custom kind by the entries of its stage, and by the table without them', async () => {
    const parts = world();
    const name = 'backups.velero.io';
    parts.renders.set('a', [
      {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name, annotations: { 'api-approved.kubernetes.io': 'unapproved' } },
        spec: {
          group: 'velero.io',
          scope: 'Namespaced',
          names: { kind: 'Backup', plural: 'backups', singular: 'backup', listKind: 'BackupList' },
          versions: [
            {
              name: 'v1',
              served: true,
              storage: true,
              subresources: { status: {} },
              schema: {
                openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
            },
          ],
        },
      },
      { apiVersion: 'velero.io/v1', kind: 'Backup', metadata: { name: 'nightly' } },
    ]);
    const agent = await start(parts);
    offer(agent, 'judged/staging', 1, 'a');
    await vi.waitFor(
      () =>
        expect(agent.report('judged/staging')?.objects).toMatchObject([
          { object: { kind: 'Backup' }, message: 'waits for the first status' },
        ]),
      { timeout: 20_000, interval: 20 },
    );
    const patch = (status: object) =>
      controlPlane.kubectl([
        'patch',
        'backup',
        'nightly',
        '-n',
        'default',
        '--subresource=status',
        '--type=merge',
        '-p',
        JSON.stringify({ status }),
      ]);
    const judged = (health: string) =>
      vi.waitFor(() => expect(agent.report('judged/staging')).toMatchObject({ health }), restored);
    await patch({ phase: 'PartiallyFailed' });
    await judged('Degraded');
    const check = { apiVersion: 'velero.io', kind: 'Backup', inProgress: '', failed: '' };
    offer(agent, 'judged/staging', 2, 'a', {
      apply: { healthChecks: [{ ...check, current: "status.phase == 'PartiallyFailed'" }] },
    });
    await phase(agent, 'judged/staging', 'settled', 2);
    await judged('Healthy');
    await patch({ phase: 'Completed' });
    await judged('Progressing');
  });

  test('F05: an empty render deletes nothing', async () => {
    const parts = world();
    parts.renders.set('a', [configMap('stays')]);
    parts.renders.set('b', []);
    const agent = await start(parts);
    offer(agent, 'empty/staging', 1, 'a');
    await phase(agent, 'empty/staging', 'settled');
    offer(agent, 'empty/staging', 2, 'b');
    await phase(agent, 'empty/staging', 'failed', 2);
    expect(await has('configmap', 'stays')).toBe(true);
  });

  test('promise 4: an object of another unit is not taken, and nothing of the claimant is applied', async () => {
    const parts = world();
    parts.renders.set('a', [configMap('shared', 'first')]);
    parts.renders.set('b', [configMap('shared', 'second'), configMap('beside')]);
    const agent = await start(parts);
    offer(agent, 'first/staging', 1, 'a');
    await phase(agent, 'first/staging', 'settled');
    offer(agent, 'second/staging', 1, 'b');
    await phase(agent, 'second/staging', 'failed');
    expect(agent.report('second/staging')?.message).toContain('first/staging');
    expect((await json('configmap', 'shared')).data).toEqual({ value: 'first' });
    expect(await has('configmap', 'beside')).toBe(false);
  });

  test('a definition and its first object come in one unit', async () => {
    const parts = world();
    const definition: KubernetesObject = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'widgets.reconcile.example.com' },
      spec: {
        group: 'reconcile.example.com',
        scope: 'Namespaced',
        names: { kind: 'Widget', plural: 'widgets', singular: 'widget', listKind: 'WidgetList' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object' } },
          },
        ],
      },
    };
    parts.renders.set('a', [
      { apiVersion: 'reconcile.example.com/v1', kind: 'Widget', metadata: { name: 'one' } },
      definition,
    ]);
    const agent = await start(parts);
    offer(agent, 'widgets/staging', 1, 'a');
    await phase(agent, 'widgets/staging', 'settled');
    expect(await has('widgets.reconcile.example.com', 'one')).toBe(true);
  });

  test('an order to delete removes the objects and the unit object', async () => {
    const parts = world();
    parts.renders.set('a', [configMap('going'), deployment('going')]);
    const agent = await start(parts);
    offer(agent, 'going/staging', 1, 'a');
    await phase(agent, 'going/staging', 'settled');
    offer(agent, 'going/staging', 2, 'a', { disposition: 'delete' });
    await phase(agent, 'going/staging', 'deleted', 2);
    expect(await has('configmap', 'going')).toBe(false);
    expect(await has('deployment', 'going')).toBe(false);
  });
});

describe('drift on a real control plane is restored within a second', () => {
  /** Milliseconds from the answer to the change until the condition holds. */
  async function timeUntil(check: () => Promise<boolean>): Promise<number> {
    const start = performance.now();
    await vi.waitFor(async () => expect(await check()).toBe(true), restored);
    return performance.now() - start;
  }
  const get = (name: string) =>
    cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name });

  test.each([
    ['edit', ['patch', 'configmap', 'drift-edit', '-p', '{"data":{"value":"edited"}}']],
    ['delete', ['delete', 'configmap', 'drift-delete', '--wait=false']],
    ['label-strip', ['label', 'configmap', 'drift-label-strip', 'applyset.kubernetes.io/part-of-']],
  ])('%s', async (what, command) => {
    const name = `drift-${what}`;
    const unit = `${name}/staging`;
    const parts = world();
    parts.renders.set('a', [configMap(name)]);
    const agent = await start(parts);
    offer(agent, unit, 1, 'a');
    await phase(agent, unit, 'settled');
    await controlPlane.kubectl(command);
    const tookMs = await timeUntil(async () => {
      const live = await get(name);
      const data = live?.data as { value?: string } | undefined;
      return (
        data?.value === 'a' &&
        live?.metadata.labels?.['applyset.kubernetes.io/part-of'] !== undefined
      );
    });
    expect(tookMs).toBeLessThan(1_000);
    await vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'), restored);
  });
});

test('F35: a restart with nothing new makes no write request', async () => {
  const parts = world();
  parts.renders.set('a', [configMap('calm'), deployment('calm')]);
  const first = await start(parts);
  offer(first, 'calm/staging', 1, 'a');
  await phase(first, 'calm/staging', 'settled');
  const writes = async () =>
    (await controlPlane.readAuditLog()).filter(
      (event) =>
        event.user.username === user &&
        ['create', 'update', 'patch', 'delete'].includes(event.verb),
    );
  await waitFor('the unit object to be settled', async () => {
    const address = { apiVersion: 'fairlead.dev/v1alpha1', kind: 'Unit', namespace: 'fairlead' };
    const unit = await cluster.get({ ...address, name: 'calm.staging' });
    return (unit?.status as { phase?: string } | undefined)?.phase === 'settled';
  });
  await first.kill();
  const before = (await writes()).length;
  const second = await start(parts);
  await phase(second, 'calm/staging', 'settled');
  // A request of the second life that comes after all its work marks the end of what is counted.
  await controlPlane.kubectl(['label', 'configmap', 'calm', 'marker=seen']);
  await controlPlane.kubectl(['delete', 'configmap', 'calm', '--wait=false']);
  await vi.waitFor(() => expect(second.kinds()).toContain('DriftRepaired'), restored);
  const after = (await writes()).slice(before);
  expect(after.map(({ objectRef }) => objectRef?.name)).toEqual(['calm']);
});
