import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test, vi } from 'vitest';
import { ownedFieldsText } from '../domain/drift/index.ts';
import { type Cluster, fieldManager, type ObjectAddress, type WatchEvent } from './index.ts';

export type PortUnderTest = {
  readonly cluster: Cluster;
  /** Another manager forces a value of the object, or makes it. */
  readonly interfere: (object: KubernetesObject, manager: string) => Promise<void>;
  readonly drop: (address: ObjectAddress) => Promise<void>;
  /** Lets service account `default/worker` read and write ConfigMaps of `default`; `default/nobody` may do nothing. */
  readonly allowWorker: () => Promise<void>;
};

const label = 'fairlead.dev/case';
const wait = { timeout: 10_000, interval: 10 };

/** What every implementation of the port promises; `get` is called in the tests, when the parts are up. */
export function describePort(name: string, get: () => PortUnderTest): void {
  const settings = (own: string, data: Record<string, string>, labelled = true) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `case-${own}`,
      namespace: 'default',
      ...(labelled ? { labels: { [label]: own } } : {}),
    },
    data,
  });
  const address = (own: string): ObjectAddress => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    namespace: 'default',
    name: `case-${own}`,
  });
  const owned = (object: KubernetesObject) => ownedFieldsText(object, fieldManager);

  function follow(own: string) {
    const stop = new AbortController();
    const events: WatchEvent[] = [];
    get().cluster.watch(
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        labelSelector: `${label}=${own}`,
        signal: stop.signal,
      },
      (event) => events.push(event),
    );
    return { types: () => events.map(({ type }) => type), stop: () => stop.abort() };
  }

  describe(`the cluster port: ${name}`, () => {
    test('applying the same again changes nothing, not even the version', async () => {
      const { cluster } = get();
      const first = await cluster.apply(settings('same', { a: '1' }), { force: true });
      const second = await cluster.apply(settings('same', { a: '1' }), { force: true });
      expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
      expect(second.metadata.uid).toBe(first.metadata.uid);
    });

    test('it says what it runs and serves, in a stable order', async () => {
      const { kubeVersion, apiVersions } = await get().cluster.capabilities();
      expect(kubeVersion).toMatch(/^v1\.\d+\.\d+/);
      expect(apiVersions).toEqual(expect.arrayContaining(['v1', 'apps/v1', 'apps/v1/Deployment']));
      expect(apiVersions).toEqual([...apiVersions].sort());
    });

    test('a field that is no longer applied goes away, and the fields of others stay', async () => {
      const { cluster, interfere } = get();
      await cluster.apply(settings('fields', { a: '1', b: '2' }), { force: true });
      await interfere(settings('fields', { c: '3' }, false), 'other');
      const applied = await cluster.apply(settings('fields', { a: '1' }), { force: true });
      expect(applied.data).toEqual({ a: '1', c: '3' });
    });

    test('an unforced apply of a field that another manager set is a conflict that names both', async () => {
      const { cluster, interfere } = get();
      await interfere(settings('conflict', { a: 'theirs' }, false), 'other');
      await expect(
        cluster.apply(settings('conflict', { a: 'ours' }), { force: false }),
      ).rejects.toMatchObject({
        code: 'conflict',
        conflicts: [{ manager: 'other', field: '.data.a' }],
      });
      const forced = await cluster.apply(settings('conflict', { a: 'ours' }), { force: true });
      expect(forced.data).toEqual({ a: 'ours' });
    });

    test('what another manager changes leaves our owned set, and our next apply restores it', async () => {
      const { cluster, interfere } = get();
      const first = await cluster.apply(settings('owned', { a: '1' }), { force: true });
      await interfere(settings('owned', { a: '2' }, false), 'other');
      const changed = await cluster.get(address('owned'));
      expect(changed && owned(changed)).not.toBe(owned(first));
      const again = await cluster.apply(settings('owned', { a: '1' }), { force: true });
      expect(owned(again)).toBe(owned(first));
      expect(again.data).toEqual({ a: '1' });
    });

    test('a field that another manager adds leaves our owned set as it was', async () => {
      const { cluster, interfere } = get();
      const first = await cluster.apply(settings('added', { a: '1' }), { force: true });
      await interfere(settings('added', { b: '2' }, false), 'other');
      const changed = await cluster.get(address('added'));
      expect(changed && owned(changed)).toBe(owned(first));
    });

    test('managed fields are said anew for the very version that was read, and for no other', async () => {
      const { cluster, interfere } = get();
      await interfere(settings('managers', { a: '1', b: '2' }, false), 'other');
      const applied = await cluster.apply(settings('managers', { a: '1' }), { force: true });
      const entries = applied.metadata.managedFields as { manager: string }[];
      const ours = entries.filter(({ manager }) => manager === fieldManager);
      const handed = await cluster.setManagedFields(applied, ours);
      expect(handed.metadata.managedFields).toEqual(ours);
      expect(owned(handed)).toBe(owned(applied));
      expect(handed.data).toEqual({ a: '1', b: '2' });
      await expect(cluster.setManagedFields(applied, ours)).rejects.toMatchObject({
        code: 'precondition_failed',
      });
      const gone = await cluster.apply(settings('managers', { c: '3' }), { force: false });
      expect(gone.data).toEqual({ b: '2', c: '3' });
    });

    test('an immutable field is refused with its name, and the same object under another name is not', async () => {
      const { cluster } = get();
      const job = (name: string, image: string): KubernetesObject => ({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name, namespace: 'default' },
        spec: {
          suspend: true,
          template: { spec: { restartPolicy: 'Never', containers: [{ name: 'run', image }] } },
        },
      });
      await cluster.apply(job('case-immutable', 'run:1'), { force: false });
      await expect(
        cluster.apply(job('case-immutable', 'run:2'), { force: true }),
      ).rejects.toMatchObject({
        code: 'invalid',
        status: 422,
        faults: [{ reason: 'FieldValueInvalid', field: expect.stringMatching(/^spec\.template/) }],
      });
      const other = await cluster.apply(job('case-other', 'run:2'), { force: true, dryRun: true });
      expect(other.metadata.name).toBe('case-other');
      expect(
        await cluster.get({
          apiVersion: 'batch/v1',
          kind: 'Job',
          namespace: 'default',
          name: 'case-other',
        }),
      ).toBeUndefined();
    });

    test('a dry run answers as an apply would and changes nothing', async () => {
      const { cluster } = get();
      await cluster.apply(settings('dry', { a: '1' }), { force: true });
      const would = await cluster.apply(settings('dry', { a: '2' }), { force: true, dryRun: true });
      expect(would.data).toEqual({ a: '2' });
      expect((await cluster.get(address('dry')))?.data).toEqual({ a: '1' });
    });

    test('a service account may what it was given, and nothing of what the agent itself may', async () => {
      const { cluster, allowWorker } = get();
      await allowWorker();
      const worker = { namespace: 'default', name: 'worker' };
      const nobody = { namespace: 'default', name: 'nobody' };
      const applied = await cluster.apply(settings('as', { a: '1' }), { force: true, as: worker });
      const uid = applied.metadata.uid ?? '';
      expect(await cluster.get(address('as'), undefined, worker)).toBeDefined();
      const forbidden = { code: 'forbidden', message: expect.stringContaining('default:nobody') };
      const changed = settings('as', { a: '2' });
      for (const dryRun of [false, true]) {
        const options = { force: true, dryRun, as: nobody };
        await expect(cluster.apply(changed, options)).rejects.toMatchObject(forbidden);
      }
      await expect(cluster.get(address('as'), undefined, nobody)).rejects.toMatchObject(forbidden);
      const removal = { uid, propagation: 'Background' } as const;
      await expect(cluster.remove(address('as'), { ...removal, as: nobody })).rejects.toMatchObject(
        forbidden,
      );
      expect((await cluster.get(address('as')))?.data).toEqual({ a: '1' });
      expect(await cluster.remove(address('as'), { ...removal, as: worker })).toBe(true);
    });

    test('only the very object that was looked at is removed', async () => {
      const { cluster } = get();
      const { metadata } = await cluster.apply(settings('remove', {}), { force: true });
      const options = { propagation: 'Background' } as const;
      await expect(
        cluster.remove(address('remove'), {
          ...options,
          uid: '00000000-0000-0000-0000-000000000000',
        }),
      ).rejects.toMatchObject({ code: 'precondition_failed' });
      const uid = metadata.uid ?? '';
      expect(await cluster.remove(address('remove'), { ...options, uid })).toBe(true);
      expect(await cluster.remove(address('remove'), { ...options, uid })).toBe(false);
      expect(await cluster.get(address('remove'))).toBeUndefined();
    });

    test('a watch lists, follows, and tells when an object leaves the selection or is deleted', async () => {
      const { cluster, drop } = get();
      await cluster.apply(settings('watch', { a: '1' }), { force: true });
      const watch = follow('watch');
      const last = (type: string) =>
        vi.waitFor(() => expect(watch.types().at(-1)).toBe(type), wait);
      await vi.waitFor(() => expect(watch.types()).toEqual(['listing', 'present', 'listed']), wait);
      await cluster.apply(settings('watch', { a: '2' }), { force: true });
      await last('changed');
      await cluster.apply(settings('watch', { a: '2' }, false), { force: true });
      await last('gone');
      await cluster.apply(settings('watch', { a: '3' }), { force: true });
      await last('changed');
      await drop(address('watch'));
      await last('gone');
      watch.stop();
    });

    test('a kind that nobody serves is told apart from an object that is not there', async () => {
      const { cluster } = get();
      expect(await cluster.resourceOf('nobody.example.com/v1', 'Thing')).toBeUndefined();
      expect(await cluster.get(address('never'))).toBeUndefined();
      const thing = { apiVersion: 'nobody.example.com/v1', kind: 'Thing', metadata: { name: 'x' } };
      await expect(cluster.apply(thing, { force: true })).rejects.toMatchObject({
        code: 'unknown_kind',
      });
    });
  });
}
