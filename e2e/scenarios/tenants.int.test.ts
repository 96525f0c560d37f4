// Two agents in one Kubernetes cluster, each a cluster of the hub, each in namespaces of its own.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem, temporaryDirectory } from '../stack/index.ts';
import { auditFaults, objectIn, repositoryResource, rolloutOf, settings } from './shop.ts';

const stack = new AsyncDisposableStack();
let system: System;

const tenant = (name: string, shares?: string) => ({
  name,
  labels: { tenants: 'yes' },
  namespaces: [name],
  installArguments: ['--namespace-scope', name],
  ...(shares === undefined ? {} : { shares }),
});

const pipeline = `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  include: ["shop/**"]
  stages:
  - name: tenants
    path: shop/\${cluster.name}
    clusters: {matchLabels: {tenants: "yes"}}
---`;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  const clusters = [tenant('blue'), tenant('green', 'blue')];
  system = stack.use(await startSystem({ directory: path, clusters }));
});
afterAll(() => stack.disposeAsync());

test('tenants of one Kubernetes cluster each run their own folder, and prune nothing of each other', async () => {
  const inOwn = (tenantName: string, name: string) =>
    settings(name, tenantName).replace(
      `{name: ${name}}`,
      `{name: ${name}, namespace: ${tenantName}}`,
    );
  for (const name of ['blue', 'green']) {
    await system.copy.write(`shop/${name}/all.yaml`, inOwn(name, 'kept') + inOwn(name, 'old'));
  }
  const first = await system.push('shop: two tenants');
  await system.applyResources(repositoryResource + pipeline);
  const at = { pipeline: 'shop', stage: 'tenants' };
  expect(await rolloutOf(system, { ...at, release: first })).toMatchObject({ state: 'succeeded' });

  await system.copy.write('shop/blue/all.yaml', inOwn('blue', 'kept'));
  const second = await system.push('shop: blue needs less');
  expect(await rolloutOf(system, { ...at, release: second })).toMatchObject({ state: 'succeeded' });
  const { controlPlane } = system.cluster('green');
  const value = async (namespace: string, name: string) =>
    (await objectIn(controlPlane, `/api/v1/namespaces/${namespace}/configmaps/${name}`))?.data
      .value;
  expect(await value('blue', 'kept')).toBe('blue');
  expect(await value('blue', 'old')).toBeUndefined();
  expect(await value('green', 'kept')).toBe('green');
  expect(await value('green', 'old')).toBe('green');
  expect(await auditFaults(system)).toEqual([]);
});
