import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  type ControlPlane,
  startControlPlane,
  temporaryDirectory,
} from '../../../e2e/stack/index.ts';
import { type Cluster, ClusterError, createKubernetesCluster, type WatchEvent } from './index.ts';
import { describePort } from './port.case.ts';

const label = 'fairlead.dev/test';
const stack = new AsyncDisposableStack();
let controlPlane: ControlPlane;
let cluster: Cluster;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  controlPlane = stack.use(await startControlPlane({ name: 'cluster-port', directory: path }));
  cluster = createKubernetesCluster({ kubeconfigPath: controlPlane.adminKubeconfigPath });
  stack.defer(() => cluster.close());
});
afterAll(() => stack.disposeAsync());

describePort('Kubernetes', () => ({
  cluster,
  interfere: async (object, manager) => {
    await controlPlane.kubectl(
      ['apply', '--server-side', '--force-conflicts', `--field-manager=${manager}`, '-f', '-'],
      JSON.stringify(object),
    );
  },
  drop: async ({ name, namespace }) => {
    await controlPlane.kubectl(['delete', 'configmap', name, '-n', namespace, '--wait=false']);
  },
  allowWorker: async () => {
    const edits = ['--verb=get,create,patch,delete', '--resource=configmaps'];
    await controlPlane.kubectl(['create', 'role', 'worker', '-n', 'default', ...edits]);
    const binding = ['create', 'rolebinding', 'worker', '-n', 'default', '--role=worker'];
    await controlPlane.kubectl([...binding, '--serviceaccount=default:worker']);
  },
}));

const settings = (name: string, value: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels: { [label]: name } },
  data: { value },
});

/** Follows ConfigMaps with the label's value and keeps the events for the test to wait on. */
function follow(value: string) {
  const stop = new AbortController();
  const events: WatchEvent[] = [];
  cluster.watch(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      labelSelector: `${label}=${value}`,
      signal: stop.signal,
    },
    (event) => events.push(event),
  );
  const types = () => events.map((event) => event.type);
  return { types, stop: () => stop.abort() };
}

test('an object is applied, read, listed and removed', async () => {
  const applied = await cluster.apply(settings('one', 'a'), { force: false });
  expect(applied.metadata.uid).toBeTruthy();
  const address = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'one' };
  expect(await cluster.get(address)).toMatchObject({ data: { value: 'a' } });
  expect(await cluster.list('v1', 'ConfigMap', { labelSelector: `${label}=one` })).toMatchObject([
    { kind: 'ConfigMap', metadata: { name: 'one' } },
  ]);

  const uid = String(applied.metadata.uid);
  expect(await cluster.remove(address, { uid, propagation: 'Background' })).toBe(true);
  expect(await cluster.get(address)).toBeUndefined();
  expect(await cluster.remove(address, { uid, propagation: 'Background' })).toBe(false);
});

test('an object that was made anew under the name is not removed in place of the old one', async () => {
  await cluster.apply(settings('anew', 'a'), { force: false });
  const address = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'anew' };
  const removal = cluster.remove(address, {
    uid: '00000000-0000-0000-0000-000000000000',
    propagation: 'Background',
  });
  await expect(removal).rejects.toMatchObject({ code: 'precondition_failed' });
  expect(await cluster.get(address)).toBeDefined();
});

test('a field of another manager is a conflict that names manager and field', async () => {
  await controlPlane.kubectl(
    ['apply', '--server-side', '--field-manager=somebody', '-f', '-'],
    JSON.stringify(settings('shared', 'theirs')),
  );
  const conflict = cluster.apply(settings('shared', 'ours'), { force: false });
  await expect(conflict).rejects.toBeInstanceOf(ClusterError);
  await expect(conflict).rejects.toMatchObject({
    code: 'conflict',
    conflicts: [{ manager: 'somebody', field: '.data.value' }],
  });
  await expect(cluster.apply(settings('shared', 'ours'), { force: true })).resolves.toMatchObject({
    data: { value: 'ours' },
  });
});

test('a kind that nobody serves is told apart from a missing object', async () => {
  const object = { apiVersion: 'nobody.example.com/v1', kind: 'Thing', metadata: { name: 'x' } };
  await expect(cluster.apply(object, { force: false })).rejects.toMatchObject({
    code: 'unknown_kind',
  });
});

test('an invalid object is refused with the words of the API server', async () => {
  const object = { ...settings('Not_A_Name', 'a') };
  await expect(cluster.apply(object, { force: false })).rejects.toMatchObject({ code: 'invalid' });
});

test('a watch lists what is there, then tells of changes and of objects that leave the selection', async () => {
  await cluster.apply(settings('watched', 'a'), { force: false });
  const watch = follow('watched');
  await vi.waitFor(() => expect(watch.types()).toEqual(['listing', 'present', 'listed']));

  await cluster.apply(settings('watched', 'b'), { force: false });
  await vi.waitFor(() => expect(watch.types().at(-1)).toBe('changed'));

  await controlPlane.kubectl(['label', 'configmap', 'watched', `${label}-`]);
  await vi.waitFor(() => expect(watch.types().at(-1)).toBe('gone'));
  watch.stop();
});

test('F19: a watch goes on by itself after the API server was killed', async () => {
  const watch = follow('survivor');
  await vi.waitFor(() => expect(watch.types()).toEqual(['listing', 'listed']));
  await controlPlane.killApiServer();
  await controlPlane.restartApiServer();
  await cluster.apply(settings('survivor', 'a'), { force: false });
  await vi.waitFor(
    () => expect(watch.types().some((type) => type === 'changed' || type === 'present')).toBe(true),
    { timeout: 20_000 },
  );
  watch.stop();
});
