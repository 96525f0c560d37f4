// What a stage asks of rendering, on the whole system: a path of the cluster's own, placeholders, and secrets that SOPS
// encrypted. S11: the agent's disk, the hub's and every log are searched for what must not be there.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSopsWriter, type SopsWriter } from '../../agent/src/render/testing/index.ts';
import { type System, startSystem, temporaryDirectory, waitFor } from '../stack/index.ts';
import { deployment, objectIn, repositoryResource } from './shop.ts';

const canary = 'canary-1357-password';
const stack = new AsyncDisposableStack();
let system: System;
let writer: SopsWriter;

const pipeline = `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  include: ["shop/**"]
  stages:
  - name: production
    path: shop/clusters/\${cluster.name}
    clusters: {matchLabels: {environment: production}}
    rollout: {progressDeadline: 10m}
    render:
      substitute: {values: {replicas: "2"}}
      decrypt: {sops: {secretRef: sops-keys}}
    apply: {namespace: shop, createNamespace: true}
---`;

beforeAll(async () => {
  writer = stack.use(await createSopsWriter());
  const { path } = stack.use(await temporaryDirectory());
  const clusters = [{ name: 'eu-1', labels: { environment: 'production', region: 'eu' } }];
  system = stack.use(await startSystem({ directory: path, clusters }));
  await system.applyResources(repositoryResource + pipeline);
});
afterAll(() => stack.disposeAsync());

const plane = () => system.cluster('eu-1').controlPlane;
const secretPath = '/api/v1/namespaces/shop/secrets/database';
const unitPath = '/apis/fairlead.dev/v1alpha1/namespaces/fairlead-system/units/shop.production';

const encrypted = (): string =>
  writer.encrypt(
    `apiVersion: v1\nkind: Secret\nmetadata:\n  name: database\nstringData:\n  password: ${canary}\n`,
    'yaml',
    ['--encrypted-regex', '^(data|stringData)$'],
  );

/** Waits until the unit's object in the cluster says so. */
const unitSays = (pattern: RegExp) =>
  waitFor(
    `the unit says ${pattern}`,
    async (see) => {
      const unit = await plane()
        .request('GET', unitPath)
        .catch(() => undefined);
      see(unit?.status);
      return pattern.test(JSON.stringify(unit?.status ?? {}));
    },
    { timeoutMs: 60_000 },
  );

/** Every file below a folder that holds one of the texts. */
const filesWith = (folder: string, texts: readonly string[]): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => {
      const content = readFileSync(file);
      return texts.some((text) => content.includes(text));
    });

function expectNoSecrets(): void {
  const texts = [canary, Buffer.from(canary).toString('base64'), writer.ageIdentity];
  for (const folder of ['agent-eu-1', 'hub', 'logs', 'git', 'working-copy']) {
    expect(filesWith(join(system.directory, folder), texts), folder).toEqual([]);
  }
}

test('without its key the unit says what to create, and goes on by itself when it is there', async () => {
  await system.copy.write(
    'shop/clusters/eu-1/kustomization.yaml',
    'resources: [../../base]\nlabels: [{pairs: {region: "${cluster.labels.region}"}}]\n',
  );
  await system.copy.write('shop/base/kustomization.yaml', 'resources: [web.yaml, secret.yaml]\n');
  const web = deployment('web', '1.0.0').replace('replicas: 1', 'replicas: ${replicas}');
  await system.copy.write('shop/base/web.yaml', web);
  await system.copy.write('shop/base/secret.yaml', encrypted());
  await system.push('shop: first release');
  await unitSays(/Secret sops-keys in namespace fairlead-system does not exist.*kubectl/);
  expect(
    await plane()
      .request('GET', '/api/v1/namespaces/shop/secrets')
      .then((l) => l.items),
  ).toEqual([]);
  expectNoSecrets();

  const key = Buffer.from(writer.ageIdentity).toString('base64');
  const name = 'sops-keys';
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    data: { 'age.agekey': key },
  };
  await plane().request('POST', '/api/v1/namespaces/fairlead-system/secrets', secret);
  await unitSays(/"phase":"settled"/);
});

test('the objects have their values, typed, and the Secret is in clear in the cluster alone', async () => {
  const web = await objectIn(plane(), '/apis/apps/v1/namespaces/shop/deployments/web');
  expect(web.spec.replicas).toBe(2);
  expect(web.metadata.labels.region).toBe('eu');
  const secret = await objectIn(plane(), secretPath);
  expect(secret.data).toEqual({ password: Buffer.from(canary).toString('base64') });
  expectNoSecrets();
});

test('F04: a file that was changed without SOPS fails, and leaves the Secret as it is', async () => {
  const before = await objectIn(plane(), secretPath);
  const changed = encrypted().replace('name: database', 'name: attacker');
  await system.copy.write('shop/base/secret.yaml', changed);
  await system.push('shop: a changed secret');
  await unitSays(/shop\/base\/secret\.yaml: the MAC does not match/);
  expect(await objectIn(plane(), secretPath)).toEqual(before);
  expectNoSecrets();
});
