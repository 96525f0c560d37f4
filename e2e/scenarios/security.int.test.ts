// A cluster that keeps its agent on a short lead, joined as a user joins it: one namespace, no rights but to act as the
// unit's service account, and no commit but a signed one.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  runCommand,
  type System,
  startSystem,
  temporaryDirectory,
  waitFor,
} from '../stack/index.ts';
import {
  auditFaults,
  objectIn,
  repositoryResource,
  rolloutOf,
  settings,
  wholeAudit,
} from './shop.ts';

const stack = new AsyncDisposableStack();
let system: System;
let key: string;

const pipeline = `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  include: ["shop/**"]
  stages:
  - name: production
    path: shop
    clusters: {matchLabels: {environment: production}}
    apply: {namespace: shop, serviceAccount: deployer}
---`;

/** What the team of the shop sets up in its cluster; nothing of it is known to the hub. */
const clusterSetUp = (publicKey: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: fairlead-policy, namespace: fairlead-system}
data:
  policy.yaml: |
    signatures: {mode: required}
    serviceAccounts: required
    inlineValues: refused
    takeOver: refused
    deletion: refused
    units:
    - {pipelines: [shop], paths: [shop], namespaces: [shop], serviceAccounts: [deployer]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: fairlead-trusted-keys, namespace: fairlead-system}
data:
  allowed_signers: |
    maintainers@example.com namespaces="git" ${publicKey}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: shop}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, create, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: shop}]
`;

const controlPlane = () => system.cluster('production-1').controlPlane;
const value = async () =>
  (await objectIn(controlPlane(), '/api/v1/namespaces/shop/configmaps/settings'))?.data?.value;

async function push(message: string, text: string, sshSigningKey?: string): Promise<string> {
  await system.copy.write('shop/all.yaml', text);
  const commit = await system.copy.commit(message, { sshSigningKey });
  await system.copy.push();
  return commit;
}
const outcome = (release: string) =>
  rolloutOf(system, { pipeline: 'shop', stage: 'production', release });

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  system = stack.use(
    await startSystem({
      directory: path,
      clusters: [
        {
          name: 'production-1',
          labels: { environment: 'production' },
          namespaces: ['shop'],
          installArguments: ['--namespace-scope', 'shop', '--impersonate-only', '--require-policy'],
        },
      ],
    }),
  );
  key = join(path, 'maintainer');
  await runCommand('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'maintainer', '-f', key]);
  await writeFile(
    join(path, 'set-up.yaml'),
    clusterSetUp((await readFile(`${key}.pub`, 'utf8')).trim()),
  );
});
afterAll(() => stack.disposeAsync());

test('promise 10: only what a trusted key signed runs, as the service account, in its namespace', async () => {
  const first = await push('signed', settings('settings', 'signed'), key);
  await system.applyResources(repositoryResource + pipeline);

  // A cluster that requires a policy permits nothing until it has one.
  await waitFor('the unit waits for the policy', async (see) => {
    const { items } = await system.hub.api('GET', '/clusters/production-1/targets');
    see(items);
    return /requires a policy/.test(items[0]?.report?.message ?? '');
  });
  expect(await value()).toBeUndefined();
  await controlPlane().kubectl(['apply', '-f', join(system.directory, 'set-up.yaml')]);
  expect(await outcome(first)).toMatchObject({ state: 'succeeded' });
  expect(await value()).toBe('signed');

  const unsigned = await push('not signed', settings('settings', 'evil'));
  expect(await outcome(unsigned)).toMatchObject({
    state: 'failed',
    message: expect.stringMatching(/the commit is not signed; nothing of it was applied/),
  });
  expect(await value()).toBe('signed');

  const elsewhere = settings('settings', 'b').replace(
    '{name: settings}',
    '{name: settings, namespace: default}',
  );
  const outside = await push('outside of the namespace', elsewhere, key);
  expect(await outcome(outside)).toMatchObject({
    state: 'failed',
    message: expect.stringMatching(/lies outside of the namespaces of this agent, shop/),
  });
  expect(await value()).toBe('signed');

  const next = await push('signed again', settings('settings', 'next'), key);
  expect(await outcome(next)).toMatchObject({ state: 'succeeded' });
  expect(await value()).toBe('next');
  const kinds = (await wholeAudit(system))
    .filter(({ type }) => type === 'AgentAudited')
    .map(({ event }) => event.kind);
  expect(kinds).toEqual(
    expect.arrayContaining([
      'PolicyRefused',
      'SignatureVerified',
      'SignatureRefused',
      'ObjectsApplied',
    ]),
  );
  expect(await auditFaults(system)).toEqual([]);
});
