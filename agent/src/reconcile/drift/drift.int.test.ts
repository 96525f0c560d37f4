import { type KubernetesObject, unitDefinition } from '@fairlead/shared/manifest';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type ControlPlane,
  startControlPlane,
  temporaryDirectory,
} from '../../../../e2e/stack/index.ts';
import { type Cluster, createKubernetesCluster } from '../../cluster/index.ts';
import type { AuditKind } from '../../domain/link/index.ts';
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
let agent: Agent;
let renders: Renders;
// A repair takes milliseconds; the limit only ends a test that has failed.
const patience = { timeout: 20_000, interval: 10 };

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  controlPlane = stack.use(
    await startControlPlane({ name: 'drift', directory: path, enableAuditLog: true }),
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
afterEach(() => agent.kill());

const kubectl = (...args: string[]) => controlPlane.kubectl([...args, '-n', 'default']);
const live = async (kind: string, name: string) =>
  JSON.parse(await kubectl('get', kind, name, '-o', 'json', '--show-managed-fields'));
const patch = (kind: string, name: string, change: object) =>
  kubectl('patch', kind, name, '--type=merge', '-p', JSON.stringify(change));

async function settled(
  unit: string,
  objects: KubernetesObject[],
  apply: AssignmentChange['apply'] = {},
): Promise<void> {
  renders = new Map([['a', objects]]);
  agent = await startAgent({ cluster, journal: createMemoryJournal(), renders });
  agent.reconciler.offer(assignmentOf(unit, 1, 'a', { apply }));
  await isSettled(unit, 1);
}

const isSettled = (unit: string, generation: number) =>
  vi.waitFor(
    () => expect(agent.report(unit)).toMatchObject({ phase: 'settled', generation }),
    patience,
  );

const audited = (kind: AuditKind) =>
  vi.waitFor(() => {
    const entry = agent.audits.findLast((candidate) => candidate.kind === kind);
    expect(entry).toBeDefined();
    return entry;
  }, patience);

const replicas = {
  ignoreDifferences: [
    {
      group: 'apps',
      kind: 'Deployment',
      namespace: '',
      name: '',
      jsonPointers: ['/spec/replicas'],
      managers: [],
    },
  ],
};

describe('ignore rules on a real API server', () => {
  test('a scaled deployment keeps its replicas over a later commit, and comes back whole', async () => {
    await settled('scaled/staging', [deployment('scaled')], replicas);
    await kubectl('scale', 'deployment/scaled', '--replicas=3');
    await vi.waitFor(
      () => expect(agent.report('scaled/staging')).toMatchObject({ ignoredTotal: 1 }),
      patience,
    );
    renders.set('b', [deployment('scaled', 'web:2')]);
    agent.reconciler.offer(assignmentOf('scaled/staging', 2, 'b', { apply: replicas }));
    await isSettled('scaled/staging', 2);
    const { spec } = await live('deployment', 'scaled');
    expect([spec.replicas, spec.template.spec.containers[0].image]).toEqual([3, 'web:2']);
    expect(agent.kinds().filter((kind) => kind.startsWith('Drift'))).toEqual([]);

    await kubectl('delete', 'deployment', 'scaled');
    await audited('DriftRepaired');
    expect((await live('deployment', 'scaled')).spec.replicas).toBe(1);
  });

  test('a field that only the agent holds is not removed by a later commit', async () => {
    await settled('held/staging', [deployment('held')], replicas);
    const two = deployment('held', 'web:2');
    (two.spec as { replicas: number }).replicas = 9;
    renders.set('b', [two]);
    agent.reconciler.offer(assignmentOf('held/staging', 2, 'b', { apply: replicas }));
    await isSettled('held/staging', 2);
    const { spec } = await live('deployment', 'held');
    expect([spec.replicas, spec.template.spec.containers[0].image]).toEqual([1, 'web:2']);
  });

  test("an image that a named manager sets is left to it, among the agent's own containers", async () => {
    const rule = { group: '', kind: '', namespace: '', name: '', jsonPointers: [] };
    const apply = { ignoreDifferences: [{ ...rule, managers: ['image-updater'] }] };
    const image = (value: string) =>
      kubectl('set', 'image', 'deployment/imaged', `web=${value}`, '--field-manager=image-updater');
    await settled('imaged/staging', [deployment('imaged')], apply);
    await image('web:9');
    await vi.waitFor(
      () => expect(agent.report('imaged/staging')).toMatchObject({ ignoredTotal: 1 }),
      patience,
    );
    await patch('deployment', 'imaged', { spec: { paused: true, replicas: 0 } });
    expect(await audited('DriftRepaired')).toMatchObject({
      details: { differences: [{ path: 'spec.replicas', live: 0, desired: 1 }] },
    });
    const { spec } = await live('deployment', 'imaged');
    expect([spec.replicas, spec.template.spec.containers[0].image]).toEqual([1, 'web:9']);
  });
});

describe('the policy report on a real API server', () => {
  test.each([
    ['deleted', () => kubectl('delete', 'configmap', 'reported')],
    [
      'released',
      () => kubectl('label', 'configmap', 'reported', 'applyset.kubernetes.io/part-of-'),
    ],
    ['changed', () => patch('configmap', 'reported', { data: { value: 'by hand' } })],
  ] as const)('an object that was %s is told as that, with who did it', async (change, hurt) => {
    await settled(`reported-${change}/staging`, [configMap('reported')], {
      drift: 'report',
      adopt: 'always',
    });
    await hurt();
    const entry = await audited('DriftDetected');
    expect(entry).toMatchObject({ details: { change } });
    const drift = await vi.waitFor(() => {
      const [first] = agent.report(`reported-${change}/staging`)?.drifts ?? [];
      expect(first).toMatchObject({ change, state: 'reported' });
      return first;
    }, patience);
    if (change === 'changed') {
      expect(drift).toMatchObject({
        managers: [expect.stringMatching(/^kubectl/)],
        differences: [{ path: 'data.value', live: 'by hand', desired: 'a' }],
      });
    }
    if (change === 'released') {
      expect(drift?.differences.map(({ path }) => path)).toEqual([
        'metadata.labels["applyset.kubernetes.io/part-of"]',
      ]);
    }
  });
});

test('a plan names fields as the API server would set them, and its requests are dry runs', async () => {
  const service = (targetPort: number): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'planned', namespace: 'default' },
    spec: { selector: { app: 'planned' }, ports: [{ name: 'http', port: 80, targetPort }] },
  });
  const next = deployment('planned', 'web:2');
  const broken = deployment('planned-2');
  (broken.spec as { selector: object }).selector = { matchLabels: { app: 'another' } };
  await settled('planned/staging', [
    service(8080),
    deployment('planned'),
    deployment('planned-2'),
    configMap('planned-old'),
  ]);
  renders.set('b', [
    service(9090),
    next,
    broken,
    configMap('planned-new'),
    configMap('planned-elsewhere', 'a', 'planned-namespace'),
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'planned-namespace' } },
  ]);
  const before = (await controlPlane.readAuditLog()).length;
  const assignment = assignmentOf('planned/staging', 2, 'b');
  const plan = await agent.reconciler.preview(assignment, new AbortController().signal);
  const lines = plan.objects.map(({ action, object, differences, message }) =>
    [action, object.name, ...differences.map(({ path }) => path), message.slice(0, 60)].join(' '),
  );
  expect(lines).toEqual([
    'create planned-namespace ',
    'create planned-new ',
    'create planned-elsewhere its namespace comes with the same commit',
    'configure planned spec.ports[port=80,protocol=TCP].targetPort ',
    'configure planned spec.template.spec.containers[name=web].image ',
    expect.stringMatching(/^refuse planned-2 .*/),
    'prune planned-old ',
  ]);
  expect(plan.objects.find(({ action }) => action === 'refuse')?.message).toMatch(/immutable/);
  expect(agent.report('planned/staging')).toMatchObject({ generation: 1, phase: 'settled' });

  const writes = (await controlPlane.readAuditLog())
    .slice(before)
    .filter(({ userAgent }) => userAgent?.startsWith('fairlead-agent'))
    .filter(
      ({ verb, objectRef }) =>
        objectRef?.resource !== 'units' && !['get', 'list', 'watch'].includes(verb),
    );
  expect(writes.length).toBeGreaterThan(0);
  expect(writes.filter(({ requestURI }) => !requestURI.includes('dryRun=All'))).toEqual([]);
});
