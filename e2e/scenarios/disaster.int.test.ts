// What destroys fleets elsewhere: a hub that comes back from an older backup, and a removal that takes workloads along.
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type System,
  startAgent,
  startSystem,
  temporaryDirectory,
  waitFor,
} from '../stack/index.ts';
import { objectIn, repositoryResource, rolloutOf, settings } from './shop.ts';

const stack = new AsyncDisposableStack();
const cluster = 'staging-1';
let system: System;

const pipeline = `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  include: ["shop/**"]
  stages:
  - name: staging
    path: shop/staging
    clusters: {matchLabels: {environment: staging}}
    apply: {namespace: shop, createNamespace: true}
---`;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  const clusters = [{ name: cluster, labels: { environment: 'staging' } }];
  system = stack.use(await startSystem({ directory: path, clusters }));
});
afterAll(() => stack.disposeAsync());

const release = async (value: string): Promise<string> => {
  await system.copy.write('shop/staging/all.yaml', settings('settings', value));
  return system.push(`shop: ${value}`);
};

const succeeded = async (commit: string): Promise<void> => {
  const rollout = await rolloutOf(system, { pipeline: 'shop', stage: 'staging', release: commit });
  expect(rollout.state).toBe('succeeded');
};

const liveObject = () =>
  objectIn(system.cluster(cluster).controlPlane, '/api/v1/namespaces/shop/configmaps/settings');

const clusterDocument = () => system.hub.api('GET', `/clusters/${cluster}`);

test('promise 6: a prune over the budget is held, shows its objects, and goes on when they are confirmed', async () => {
  const many = Array.from({ length: 12 }, (_, index) => settings(`old-${index}`, 'x')).join('\n');
  await system.copy.write('shop/staging/many.yaml', many);
  const first = await release('one');
  await system.applyResources(repositoryResource + pipeline);
  await succeeded(first);
  await system.copy.remove('shop/staging/many.yaml');
  await succeeded(await release('two'));
  const old = () =>
    objectIn(system.cluster(cluster).controlPlane, '/api/v1/namespaces/shop/configmaps/old-11');
  expect(await old()).toBeDefined();
  const confirm = ['confirm-prune', 'shop/staging', '--cluster', cluster];
  const shown = await system.hub.cli([...confirm, '--show']);
  expect(shown).toContain('12 objects');
  expect(shown).toContain('ConfigMap shop/old-11');
  expect(await system.hub.cli(['status'])).toContain('1 with a held prune');
  await system.hub.cli(confirm);
  await waitFor('the confirmed objects to be gone', async () => (await old()) === undefined);
});

test('F01: a hub restored from an older backup removes and changes nothing until an operator accepts it, here and in the cluster', async () => {
  const backup = join(system.directory, 'backup');
  await system.hub.process.stop();
  await cp(system.hub.directory, backup, { recursive: true });
  await system.hub.process.restart();
  for (const value of ['three', 'four']) await succeeded(await release(value));
  const before = await liveObject();

  await system.hub.process.stop();
  await rm(system.hub.directory, { recursive: true });
  await cp(backup, system.hub.directory, { recursive: true });
  await system.hub.process.restart();
  const regressed = await waitFor(
    'the hub to notice that its agent holds more',
    async (see) => {
      const document = await clusterDocument();
      see(document);
      return document.epochRegressed;
    },
    { timeoutMs: 60_000 },
  );
  expect(regressed.units).toMatchObject([{ pipeline: 'shop', stage: 'staging' }]);
  expect(await system.hub.cli(['status'])).toContain('epoch regressed');
  const after = await liveObject();
  expect(after.metadata.uid).toBe(before.metadata.uid);
  expect(after.data.value).toBe('four');

  await system.hub.cli(['hub', 'accept-restore', '--reason', 'the backup of noon']);
  await waitFor('the agent to refuse an epoch that its cluster has not accepted', async (see) => {
    const { items } = await system.hub.api('GET', '/audit?type=AgentAudited&limit=20');
    see(items.map(({ event }: { event: { kind: string } }) => event.kind));
    return items.some(
      ({ event }: { event: { kind: string; message: string } }) =>
        event.kind === 'AssignmentRefused' && event.message.includes('hub epoch 2'),
    );
  });
  expect((await liveObject()).metadata.resourceVersion).toBe(before.metadata.resourceVersion);

  const { agent, controlPlane } = system.cluster(cluster);
  await agent.process.stop();
  stack.use(
    await startAgent({
      controlPlane,
      directory: agent.directory,
      logDirectory: join(system.directory, 'logs'),
      environment: { FAIRLEAD_ACCEPTED_EPOCH: '2' },
    }),
  );
  await waitFor('the agent runs by the restored hub again', async (see) => {
    const { items } = await system.hub.api('GET', '/pipelines/shop/stages/staging/targets');
    see(items);
    return items[0]?.report?.current && items[0].report.phase === 'settled';
  });
  expect((await clusterDocument()).epochRegressed).toBeUndefined();
  expect((await liveObject()).metadata.uid).toBe(before.metadata.uid);
});

test('F05: a commit without the folder, and a branch force-pushed to an empty tree, delete nothing', async () => {
  const before = await liveObject();
  const { copy, hub } = system;
  await copy.remove('shop');
  await copy.write('README.md', 'Nothing else is here.');
  const emptied = await system.push('shop: all gone');
  const rollout = await rolloutOf(system, { pipeline: 'shop', stage: 'staging', release: emptied });
  expect(rollout.state).toBe('failed');
  expect((await liveObject()).metadata.uid).toBe(before.metadata.uid);

  await copy.git('checkout', '--orphan', 'empty');
  await copy.git('rm', '-r', '--force', '--quiet', '.');
  await copy.commit('an empty tree', { allowEmpty: true });
  await copy.push({ force: true, refspec: 'HEAD:main' });
  await waitFor('every release to be known as dropped', async (see) => {
    const { items } = await hub.api('GET', '/pipelines/shop/releases');
    see(items);
    return items.every(({ orphaned }: { orphaned: boolean }) => orphaned);
  });
  const { items } = await hub.api('GET', '/pipelines/shop/stages/staging/targets');
  expect(items).toMatchObject([{ cluster, disposition: 'run' }]);
  expect((await liveObject()).metadata.uid).toBe(before.metadata.uid);
});

test('F02: a removed pipeline leaves its workloads, a second order deletes them, and its progress shows to the end', async () => {
  const before = await liveObject();
  await system.hub.cli(['delete', 'pipeline', 'shop']);
  const orphans = (phase: string) =>
    waitFor(`the former target to be ${phase}`, async (see) => {
      const { items } = await system.hub.api('GET', '/orphans');
      see(items);
      return items[0]?.report?.current && items[0].report.phase === phase;
    });
  await orphans('orphaned');
  expect((await liveObject()).metadata.uid).toBe(before.metadata.uid);
  expect(await system.hub.cli(['get', 'orphans'])).toContain('left in place');

  await expect(system.hub.cli(['delete-objects', 'shop'])).rejects.toThrow(/1 objects would be/);
  expect((await liveObject()).metadata.uid).toBe(before.metadata.uid);
  await system.hub.cli(['delete-objects', 'shop', '--confirm', 'shop', '--reason', 'retired']);
  await waitFor('the objects to be gone', async () => (await liveObject()) === undefined);
  await waitFor('the deletion to be on record', async (see) => {
    const { items } = await system.hub.api('GET', '/audit?type=TargetDeleted');
    see(items);
    return items.length === 1;
  });
  expect((await system.hub.api('GET', '/orphans')).items).toEqual([]);
  expect((await clusterDocument()).status).toBe('connected');
});
