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

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  controlPlane = stack.use(await startControlPlane({ name: 'prune', directory: path }));
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'fairlead' } };
  for (const object of [namespace, unitDefinition]) await create(object);
  await controlPlane.kubectl(['wait', '--for=condition=Established', 'crd/units.fairlead.dev']);
  cluster = createKubernetesCluster({ kubeconfigPath: controlPlane.adminKubeconfigPath });
  stack.defer(() => cluster.close());
});
afterAll(() => stack.disposeAsync());
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

const create = (object: object) =>
  controlPlane.kubectl(['apply', '-f', '-'], JSON.stringify(object));

const exists = (...what: string[]): Promise<boolean> =>
  controlPlane
    .kubectl(['get', ...what, '--ignore-not-found', '-o', 'name'])
    .then((text) => text.trim() !== '');

const phase = (agent: Agent, unit: string, expected: string, generation = 1) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: expected, generation }), {
    timeout: 45_000,
    interval: 20,
  });

const offer = (
  agent: Agent,
  unit: string,
  generation: number,
  commit: string,
  change: AssignmentChange = {},
) => agent.reconciler.offer(assignmentOf(unit, generation, commit, change));

/** A unit that has settled with the objects; commit `b` renders one other thing. */
async function settled(unit: string, objects: readonly KubernetesObject[]): Promise<Agent> {
  const renders: Renders = new Map();
  renders.set('a', objects);
  renders.set('b', [configMap(`left-of-${unit.replace('/', '-')}`)]);
  const agent = await startAgent({ cluster, journal: createMemoryJournal(), renders });
  agents.push(agent);
  offer(agent, unit, 1, 'a');
  await phase(agent, unit, 'settled');
  return agent;
}

const namespace = (name: string): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name },
});

const definition = (plural: string, kind: string): KubernetesObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.prune.example.com` },
  spec: {
    group: 'prune.example.com',
    scope: 'Namespaced',
    names: { kind, plural, singular: plural.slice(0, -1), listKind: `${kind}List` },
    versions: [
      { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
    ],
  },
});

const custom = (kind: string, name: string): KubernetesObject => ({
  apiVersion: 'prune.example.com/v1',
  kind,
  metadata: { name, namespace: 'default' },
});

describe('a prune on a real control plane', () => {
  test('F05: a namespace that others use stays with all that is in it, and is said to be in use', async () => {
    const agent = await settled('used/staging', [
      namespace('used'),
      { ...configMap('own'), metadata: { name: 'own', namespace: 'used' } },
    ]);
    const theirs = { name: 'theirs', namespace: 'used' };
    await create({ apiVersion: 'v1', kind: 'Secret', metadata: theirs, stringData: { a: 'b' } });
    offer(agent, 'used/staging', 2, 'b');
    await phase(agent, 'used/staging', 'settled', 2);
    expect(agent.report('used/staging')?.message).toContain('Secret used/theirs');
    expect(await exists('secret', 'theirs', '-n', 'used')).toBe(true);
    expect(await exists('configmap', 'own', '-n', 'used')).toBe(false);
  });

  test('a namespace that holds only what Kubernetes puts in it goes after its objects', async () => {
    const agent = await settled('empty/staging', [
      namespace('empty'),
      { ...deployment('web'), metadata: { name: 'web', namespace: 'empty' } },
    ]);
    offer(agent, 'empty/staging', 2, 'b');
    await vi.waitFor(async () => expect(await exists('namespace', 'empty')).toBe(false), {
      timeout: 45_000,
      interval: 200,
    });
    await phase(agent, 'empty/staging', 'settled', 2);
    const pruned = agent.audits.filter(({ kind }) => kind === 'ObjectPruned');
    expect(pruned.map(({ object }) => object?.kind)).toEqual(['Deployment', 'Namespace']);
  });

  test('a definition goes after its objects, and stays while somebody else has made one', async () => {
    const agent = await settled('kinds/staging', [
      definition('gadgets', 'Gadget'),
      custom('Gadget', 'own'),
      definition('gizmos', 'Gizmo'),
      custom('Gizmo', 'own'),
    ]);
    await create(custom('Gizmo', 'theirs'));
    offer(agent, 'kinds/staging', 2, 'b');
    await phase(agent, 'kinds/staging', 'settled', 2);
    expect(agent.report('kinds/staging')?.message).toContain('Gizmo default/theirs');
    expect(await exists('gizmos.prune.example.com', 'theirs')).toBe(true);
    expect(await exists('gizmos.prune.example.com', 'own')).toBe(false);
    expect(await exists('crd', 'gadgets.prune.example.com')).toBe(false);
    const kinds = agent.audits.filter(({ kind }) => kind === 'ObjectPruned');
    expect(kinds.map(({ object }) => object?.kind).at(-1)).toBe('CustomResourceDefinition');
  });

  test('what a finalizer holds is named with it, and goes when the finalizer does', async () => {
    const held = configMap('held');
    held.metadata.finalizers = ['prune.example.com/outside'];
    const agent = await settled('held/staging', [held]);
    offer(agent, 'held/staging', 2, 'b');
    await vi.waitFor(
      () =>
        expect(agent.report('held/staging')?.message).toContain(
          'ConfigMap default/held (finalizers: prune.example.com/outside)',
        ),
      { timeout: 20_000 },
    );
    const free = '{"metadata":{"finalizers":null}}';
    await controlPlane.kubectl(['patch', 'configmap', 'held', '--type=merge', '-p', free]);
    await phase(agent, 'held/staging', 'settled', 2);
    expect(agent.report('held/staging')?.message).toBe('');
  });

  test('F09: without the namespace and the definitions of the agent, workloads stay and go on being repaired', async () => {
    const agent = await settled('stays/staging', [configMap('workload'), deployment('workload')]);
    await controlPlane.kubectl(['delete', 'crd', 'units.fairlead.dev']);
    await controlPlane.kubectl(['delete', 'namespace', 'fairlead']);
    expect(await exists('deployment', 'workload')).toBe(true);
    await controlPlane.kubectl(['delete', 'configmap', 'workload', '--wait=false']);
    await vi.waitFor(async () => expect(await exists('configmap', 'workload')).toBe(true), {
      timeout: 20_000,
      interval: 100,
    });
    expect(agent.kinds()).not.toContain('ObjectPruned');
    await agent.kill();
    expect(await exists('deployment', 'workload')).toBe(true);
  });
});
