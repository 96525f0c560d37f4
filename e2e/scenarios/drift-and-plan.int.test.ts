import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem, temporaryDirectory, waitFor } from '../stack/index.ts';
import {
  deployment,
  objectIn,
  repositoryResource,
  rolloutOf,
  settings,
  wholeAudit,
} from './shop.ts';

const stack = new AsyncDisposableStack();
let system: System;
let first: string;

const pipeline = `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  include: ["apps/shop/**"]
  stages:
  - name: staging
    path: apps/shop
    promote: manual
    clusters: {matchLabels: {environment: staging}}
    apply:
      namespace: shop
      createNamespace: true
      drift: report
      ignoreDifferences: [{kind: Deployment, jsonPointers: [/spec/replicas]}]
`;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  const clusters = [{ name: 'staging-1', labels: { environment: 'staging' } }];
  system = stack.use(await startSystem({ directory: path, clusters }));
  await system.copy.write('apps/shop/all.yaml', deployment('web', '1.0.0') + settings('shop', 'a'));
  first = await system.push('shop: first release');
  await system.applyResources(repositoryResource + pipeline);
});
afterAll(() => stack.disposeAsync());

const controlPlane = () => system.cluster('staging-1').controlPlane;
const webPath = '/apis/apps/v1/namespaces/shop/deployments/web';
const configPath = '/api/v1/namespaces/shop/configmaps/shop';
const cli = (...args: string[]) => system.hub.cli(args);
const released = (commit: string) =>
  waitFor('the release is known', async (see) => {
    const { items } = await system.hub.api('GET', '/pipelines/shop/releases');
    see(items.length);
    return items.some((release: { commit: string }) => release.commit === commit);
  });

test('a release is planned in a cluster that was never given it, and nothing is made', async () => {
  await released(first);
  const plan = await cli('plan', 'shop/staging');
  expect(plan).toMatch(/^shop\/staging in staging-1, release [0-9a-f]{10}: 2 to create$/m);
  expect(plan).toMatch(/^ {2}\+ Deployment shop\/web: its namespace comes with the same commit$/m);
  expect(await objectIn(controlPlane(), '/api/v1/namespaces/shop')).toBeUndefined();
  const { items } = await system.hub.api('GET', '/pipelines/shop/stages/staging/targets');
  expect(items).toEqual([]);
});

test('before the next release is promoted, its plan names the fields and leaves the running one alone', async () => {
  await cli('promote', 'shop/staging');
  const { state, message } = await rolloutOf(system, {
    pipeline: 'shop',
    stage: 'staging',
    release: first,
  });
  expect(state, message).toBe('succeeded');
  await system.copy.write('apps/shop/all.yaml', deployment('web', '1.0.1') + settings('new', 'b'));
  await released(await system.push('shop: second release'));
  const audit = (await wholeAudit(system)).length;

  const plan = await cli('plan', 'shop/staging', '--cluster', 'staging-1');
  expect(plan).toMatch(/: 1 to create, 1 to change, 1 to remove$/m);
  expect(plan).toMatch(/^ {2}\+ ConfigMap shop\/new$/m);
  expect(plan).toMatch(/containers\[name=main\]\.image: .*:1\.0\.0 -> .*:1\.0\.1$/m);
  expect(plan).toMatch(/^ {2}- ConfigMap shop\/shop$/m);
  await expect(cli('plan', 'shop/staging', '--exit-code')).rejects.toThrow(
    /Something would change/,
  );
  expect(await cli('diff', 'shop/staging', '--exit-code')).toMatch(/: 2 unchanged$/m);

  const image = (await objectIn(controlPlane(), webPath)).spec.template.spec.containers[0].image;
  expect(image).toMatch(/:1\.0\.0$/);
  expect(await wholeAudit(system)).toHaveLength(audit);
});

test('a change by hand shows in drift and diff with its fields, an ignored one does not', async () => {
  await controlPlane().kubectl(['scale', 'deployment', 'web', '--replicas=3', '--namespace=shop']);
  const value = JSON.stringify({ data: { value: 'by hand' } });
  await controlPlane().kubectl(['patch', 'configmap', 'shop', '--namespace=shop', '-p', value]);
  await waitFor('the drift is listed', async (see) => {
    const drift = await cli('drift', 'shop/staging');
    see(drift);
    return /ConfigMap shop\/shop +changed +kubectl-patch .* data\.value: by hand -> a$/m.test(
      drift,
    );
  });
  const { items } = await system.hub.api('GET', '/drift?pipeline=shop');
  expect(items).toMatchObject([{ commit: first, current: true, object: { name: 'shop' } }]);
  expect(await cli('diff', 'shop/staging')).toMatch(/data\.value: by hand -> a/);
  expect((await objectIn(controlPlane(), configPath)).data.value).toBe('by hand');
  expect((await objectIn(controlPlane(), webPath)).spec.replicas).toBe(3);
  expect(await cli('events')).toMatch(/was changed by kubectl-patch.*data\.value: by hand -> a/);
});

test('an agent that is away is named, at once', async () => {
  await system.cluster('staging-1').agent.process.stop();
  await waitFor('the hub has noticed', async (see) => {
    const said = await cli('plan', 'shop/staging').catch((error: Error) => error.message);
    see(said);
    return /No plan of staging-1: its agent is not connected/.test(said);
  });
});
