import { type KubernetesObject, unitDefinition } from '@fairlead/shared/manifest';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type ControlPlane,
  startControlPlane,
  temporaryDirectory,
} from '../../../../e2e/stack/index.ts';
import { type Cluster, createKubernetesCluster } from '../../cluster/index.ts';
import {
  type Agent,
  type AssignmentChange,
  assignmentOf,
  configMap,
  createMemoryJournal,
  deployment,
  type Renders,
  startAgent,
} from '../testing/index.ts';

const stack = new AsyncDisposableStack();
let controlPlane: ControlPlane;
let cluster: Cluster;
const agents: Agent[] = [];
const userAgent = 'fairlead-agent';

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  controlPlane = stack.use(
    await startControlPlane({ name: 'take-over', directory: path, enableAuditLog: true }),
  );
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'fairlead' } };
  for (const object of [namespace, unitDefinition]) {
    await controlPlane.kubectl(['apply', '-f', '-'], JSON.stringify(object));
  }
  await controlPlane.kubectl(['wait', '--for=condition=Established', 'crd/units.fairlead.dev']);
  cluster = createKubernetesCluster({ kubeconfigPath: controlPlane.adminKubeconfigPath });
  stack.defer(() => cluster.close());
});
afterAll(() => stack.disposeAsync());
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

const world = () => ({ cluster, journal: createMemoryJournal(), renders: new Map() as Renders });

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
const read = (apiVersion: string, kind: string, name: string) =>
  cluster.get({ apiVersion, kind, namespace: 'default', name });

const withMetadata = (
  object: KubernetesObject,
  labels: Record<string, string>,
  annotations: Record<string, string> = {},
): KubernetesObject => ({ ...object, metadata: { ...object.metadata, labels, annotations } });

/** A Deployment as the commit has it, with a field that the next commit no longer has. */
const committed = (name: string, note = true): KubernetesObject =>
  withMetadata(deployment(name), { app: name }, note ? { 'example.com/note': 'first' } : {});

/** What the tool adds to the very same Deployment. */
const flux = (object: KubernetesObject) =>
  withMetadata(
    object,
    {
      app: object.metadata.name,
      'kustomize.toolkit.fluxcd.io/name': 'shop',
      'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
    },
    object.metadata.annotations,
  );
function argo(object: KubernetesObject): KubernetesObject {
  const name = object.metadata.name;
  const tracked = withMetadata(
    object,
    { app: name, 'app.kubernetes.io/instance': 'shop' },
    {
      ...object.metadata.annotations,
      'argocd.argoproj.io/tracking-id': `shop:apps/Deployment:default/${name}`,
    },
  );
  const spec = structuredClone(tracked.spec) as { template: { metadata: { labels: object } } };
  // With tracking by label Argo CD writes the label into the pods' template as well.
  spec.template.metadata.labels = { app: name, 'app.kubernetes.io/instance': 'shop' };
  return { ...tracked, spec };
}
const helm = (object: KubernetesObject) =>
  withMetadata(
    object,
    { app: object.metadata.name, 'app.kubernetes.io/managed-by': 'Helm' },
    { ...object.metadata.annotations, 'meta.helm.sh/release-name': 'shop' },
  );

describe('a Deployment is taken over without a restart of its pods', () => {
  test.each([
    ['kubectl apply', (o: KubernetesObject) => o, ['apply'], 'kubectl-client-side-apply'],
    ['kubectl --server-side', (o: KubernetesObject) => o, ['apply', '--server-side'], 'kubectl'],
    [
      'Flux',
      flux,
      ['apply', '--server-side', '--field-manager=kustomize-controller'],
      'kustomize-controller',
    ],
    ['Argo CD', argo, ['apply', '--field-manager=argocd-controller'], 'argocd-controller'],
    [
      'Argo CD, server-side',
      argo,
      ['apply', '--server-side', '--field-manager=argocd-controller'],
      'argocd-controller',
    ],
    ['Helm', helm, ['create', '--field-manager=helm'], 'helm'],
  ] as const)('from %s', async (tool, dress, command, manager) => {
    const name = `from-${tool.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
    const unit = `${name}/staging`;
    const theirs = dress(committed(name));
    await controlPlane.kubectl([...command, '-f', '-'], JSON.stringify(theirs));
    await controlPlane.kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=30s']);
    const running = async () => {
      const selector = { namespace: 'default', labelSelector: `app=${name}` };
      const sets = await cluster.list('apps/v1', 'ReplicaSet', selector);
      const pods = await cluster.list('v1', 'Pod', selector);
      return [...sets, ...pods].map(({ kind, metadata }) => `${kind} ${metadata.uid}`);
    };
    const before = await running();
    expect(before).toHaveLength(2);

    const parts = world();
    parts.renders.set('a', [committed(name)]);
    parts.renders.set('b', [committed(name, false)]);
    const agent = await start(parts);
    offer(agent, unit, 1, 'a');
    await phase(agent, unit, 'settled');
    const taken = await read('apps/v1', 'Deployment', name);
    expect(taken?.metadata.labels).toMatchObject(theirs.metadata.labels ?? {});
    expect(taken?.metadata.annotations).toMatchObject(theirs.metadata.annotations ?? {});
    expect(agent.audits.find(({ kind }) => kind === 'ObjectsApplied')?.message).toContain(
      `1 taken over from ${manager}`,
    );
    expect(agent.report(unit)?.message).not.toContain('is also applied');

    offer(agent, unit, 2, 'b');
    await phase(agent, unit, 'settled', 2);
    const live = await read('apps/v1', 'Deployment', name);
    expect(live?.metadata.annotations).not.toHaveProperty(['example.com/note']);
    expect(await running()).toEqual(before);
  });
});

describe('conflicts', () => {
  const scale = (name: string, replicas: number) =>
    controlPlane.kubectl(
      ['apply', '--server-side', '--force-conflicts', '--field-manager=autoscaler', '-f', '-'],
      JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name, namespace: 'default' },
        spec: { replicas },
      }),
    );
  const replicasOf = async (name: string) => {
    const spec = (await read('apps/v1', 'Deployment', name))?.spec;
    return (spec as { replicas?: number } | undefined)?.replicas;
  };
  function withoutReplicas(name: string): KubernetesObject {
    const { replicas: _, ...spec } = deployment(name).spec as Record<string, unknown>;
    return { ...deployment(name), spec };
  }

  test('a replica count of an autoscaler is named, and left where that is wished, through commits and repairs', async () => {
    const unit = 'scaled/staging';
    const parts = world();
    parts.renders.set('without', [withoutReplicas('scaled')]);
    parts.renders.set('with', [deployment('scaled', 'web:2')]);
    const agent = await start(parts);
    offer(agent, unit, 1, 'without');
    await phase(agent, unit, 'settled');
    await scale('scaled', 3);
    offer(agent, unit, 2, 'with');
    await phase(agent, unit, 'failed', 2);
    expect(agent.report(unit)?.message).toContain('spec.replicas is set by "autoscaler"');
    expect(await replicasOf('scaled')).toBe(3);

    offer(agent, unit, 3, 'with', { apply: { conflicts: 'leave' } });
    await phase(agent, unit, 'settled', 3);
    await scale('scaled', 2);
    await controlPlane.kubectl(['set', 'image', 'deployment/scaled', 'web=web:9']);
    await vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'), { timeout: 10_000 });
    expect(await replicasOf('scaled')).toBe(2);
    expect(JSON.stringify(await read('apps/v1', 'Deployment', 'scaled'))).toContain('"web:2"');

    offer(agent, unit, 4, 'with', { apply: { conflicts: 'take' } });
    await phase(agent, unit, 'settled', 4);
    expect(await replicasOf('scaled')).toBe(1);
  });

  test('fields in lists and with dots in their names are found and left', async () => {
    const unit = 'nested/staging';
    const own = deployment('nested');
    const spec = own.spec as { template: { spec: { containers: object[] } } };
    spec.template.spec.containers = [
      {
        name: 'web',
        image: 'web:1',
        env: [{ name: 'MODE', value: 'ours' }],
        ports: [{ containerPort: 80 }],
      },
    ];
    const parts = world();
    parts.renders.set('a', [withMetadata(own, {}, { 'example.com/a.b': 'ours' })]);
    const operator = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: {
        name: 'nested',
        namespace: 'default',
        annotations: { 'example.com/a.b': 'theirs' },
      },
      spec: {
        selector: { matchLabels: { app: 'nested' } },
        template: {
          metadata: { labels: { app: 'nested' } },
          spec: {
            containers: [{ name: 'web', image: 'web:1', env: [{ name: 'MODE', value: 'theirs' }] }],
          },
        },
      },
    };
    await controlPlane.kubectl(
      ['apply', '--server-side', '--field-manager=some-operator', '-f', '-'],
      JSON.stringify(operator),
    );
    const agent = await start(parts);
    offer(agent, unit, 1, 'a');
    await phase(agent, unit, 'failed');
    const message = agent.report(unit)?.message ?? '';
    expect(message).toContain('metadata.annotations.example.com/a.b is set by "some-operator"');
    expect(message).toContain(
      'spec.template.spec.containers[name="web"].env[name="MODE"].value is set by "some-operator"',
    );
    offer(agent, unit, 2, 'a', { apply: { conflicts: 'leave' } });
    await phase(agent, unit, 'settled', 2);
    const text = JSON.stringify((await read('apps/v1', 'Deployment', 'nested'))?.spec);
    expect(text).toContain('"theirs"');
    expect(text).toContain('"containerPort":80');
  });
});

describe('a field that cannot be changed', () => {
  const asked = { 'fairlead.dev/replace': 'enabled' };
  const statefulSet = (service: string, annotations: Record<string, string>): KubernetesObject => ({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'stuck', namespace: 'default', annotations },
    spec: {
      serviceName: service,
      replicas: 1,
      selector: { matchLabels: { app: 'stuck' } },
      template: {
        metadata: { labels: { app: 'stuck' } },
        spec: { containers: [{ name: 'web', image: 'web:1' }] },
      },
    },
  });

  test('of a StatefulSet is named, and a reason to make it anew only where it says so', async () => {
    const unit = 'stuck/staging';
    const parts = world();
    parts.renders.set('a', [statefulSet('one', {})]);
    parts.renders.set('b', [statefulSet('two', {})]);
    parts.renders.set('c', [statefulSet('two', asked)]);
    const agent = await start(parts);
    offer(agent, unit, 1, 'a');
    await phase(agent, unit, 'settled');
    const uid = (await read('apps/v1', 'StatefulSet', 'stuck'))?.metadata.uid;
    offer(agent, unit, 2, 'b');
    await phase(agent, unit, 'failed', 2);
    expect(agent.report(unit)?.message).toMatch(
      /spec\.serviceName of a live object cannot be changed/,
    );
    expect((await read('apps/v1', 'StatefulSet', 'stuck'))?.metadata.uid).toBe(uid);
    offer(agent, unit, 3, 'c');
    await phase(agent, unit, 'settled', 3);
    const live = await read('apps/v1', 'StatefulSet', 'stuck');
    expect(live?.metadata.uid).not.toBe(uid);
    expect(live?.spec).toMatchObject({ serviceName: 'two' });
  });

  test('and that the API server has words of its own for is recognised by asking for the object under another name', async () => {
    const unit = 'bound/staging';
    const binding = (role: string, annotations: Record<string, string>): KubernetesObject => ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'bound', namespace: 'default', annotations },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }],
    });
    const parts = world();
    parts.renders.set('a', [binding('view', {})]);
    parts.renders.set('b', [binding('edit', {})]);
    parts.renders.set('c', [binding('edit', asked)]);
    const agent = await start(parts);
    offer(agent, unit, 1, 'a');
    await phase(agent, unit, 'settled');
    offer(agent, unit, 2, 'b');
    await phase(agent, unit, 'failed', 2);
    expect(agent.report(unit)?.message).toContain('roleRef of a live object cannot be changed');
    offer(agent, unit, 3, 'c');
    await phase(agent, unit, 'settled', 3);
    const live = await read('rbac.authorization.k8s.io/v1', 'RoleBinding', 'bound');
    expect(live?.roleRef).toMatchObject({ name: 'edit' });
  });

  test('is told apart from a value that no object may have, which deletes nothing', async () => {
    const unit = 'wrong/staging';
    const wrong = deployment('wrong');
    const spec = wrong.spec as { strategy?: object };
    spec.strategy = { type: 'Nonsense' };
    const parts = world();
    parts.renders.set('a', [withMetadata(deployment('wrong'), {}, asked)]);
    parts.renders.set('b', [withMetadata(wrong, {}, asked)]);
    const agent = await start(parts);
    offer(agent, unit, 1, 'a');
    await phase(agent, unit, 'settled');
    const uid = (await read('apps/v1', 'Deployment', 'wrong'))?.metadata.uid;
    offer(agent, unit, 2, 'b');
    await phase(agent, unit, 'failed', 2);
    expect((await read('apps/v1', 'Deployment', 'wrong'))?.metadata.uid).toBe(uid);
  });
});

test('a hook Job runs to its end before the rest, anew for each generation, and goes by its policy', async () => {
  const unit = 'hooked/staging';
  const job = (image: string): KubernetesObject => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: 'migrate',
      namespace: 'default',
      annotations: { 'helm.sh/hook': 'pre-install,pre-upgrade' },
    },
    spec: {
      backoffLimit: 0,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'run', image }] } },
    },
  });
  const parts = world();
  parts.renders.set('a', [configMap('hooked'), job('run:1')]);
  parts.renders.set('b', [configMap('hooked', 'b'), job('run:2')]);
  parts.renders.set('c', [configMap('hooked', 'c'), job('run:failing')]);
  const agent = await start(parts);
  offer(agent, unit, 1, 'a');
  await phase(agent, unit, 'settled');
  const first = await read('batch/v1', 'Job', 'migrate');
  offer(agent, unit, 2, 'b');
  await phase(agent, unit, 'settled', 2);
  const second = await read('batch/v1', 'Job', 'migrate');
  expect(second?.metadata.uid).not.toBe(first?.metadata.uid);
  offer(agent, unit, 3, 'c');
  await phase(agent, unit, 'failed', 3);
  expect(agent.report(unit)).toMatchObject({ health: 'Degraded', terminal: true });
  expect(agent.report(unit)?.message).toMatch(/hook Job default\/migrate has failed: .*/);
  expect((await read('v1', 'ConfigMap', 'hooked'))?.data).toEqual({ value: 'b' });
});

test('promise 8: a unit of 2,000 objects is applied at the API server’s own pace', async () => {
  const unit = 'many/staging';
  const parts = world();
  const count = 2_000;
  parts.renders.set(
    'a',
    Array.from({ length: count }, (_, index) => configMap(`many-${index}`)),
  );
  const agent = await start(parts);
  offer(agent, unit, 1, 'a');
  await vi.waitFor(
    () => expect(agent.report(unit)).toMatchObject({ phase: 'settled', objectsHealthy: count }),
    { timeout: 240_000, interval: 50 },
  );
  expect(agent.kinds()).not.toContain('ApplyFailed');
}, 250_000);

test('F35: a settled unit makes no request but its watches', async () => {
  const unit = 'quiet/staging';
  const parts = world();
  parts.renders.set('a', [configMap('quiet'), deployment('quiet')]);
  const agent = await start(parts);
  offer(agent, unit, 1, 'a');
  await phase(agent, unit, 'settled');
  const requests = async () =>
    (await controlPlane.readAuditLog()).filter(
      (event) => event.userAgent === userAgent && event.verb !== 'watch',
    );
  await vi.waitFor(
    async () => {
      const path = '/apis/fairlead.dev/v1alpha1/namespaces/fairlead/units/quiet.staging';
      const shown = await controlPlane.request('GET', path);
      expect(shown?.status).toMatchObject({ phase: 'settled' });
    },
    { timeout: 30_000, interval: 100 },
  );
  const before = (await requests()).length;
  // Noise that concerns nobody, and a marker at its end: the repair of one deleted object is a single request.
  for (let edit = 0; edit < 20; edit++) {
    await controlPlane.request(
      'PATCH',
      '/apis/apps/v1/namespaces/default/deployments/quiet',
      { metadata: { labels: { noise: String(edit) } } },
      { contentType: 'application/merge-patch+json' },
    );
  }
  await controlPlane.kubectl(['delete', 'configmap', 'quiet', '--wait=false']);
  await vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'), { timeout: 10_000 });
  await vi.waitFor(async () => {
    const after = (await requests()).slice(before);
    expect(after.map(({ verb, objectRef }) => `${verb} ${objectRef?.name}`)).toEqual([
      'patch quiet',
    ]);
  });
});
