// What an agent and its units may do on a real API server, with exactly the roles of the install manifests.
import { join } from 'node:path';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { systemClock } from '@fairlead/shared/time';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type ControlPlane,
  startControlPlane,
  temporaryDirectory,
} from '../../../../e2e/stack/index.ts';
import { type Cluster, createKubernetesCluster } from '../../cluster/index.ts';
import { createTrust } from '../../trust/index.ts';
import {
  type Agent,
  type AgentOptions,
  type AssignmentChange,
  assignmentOf,
  configMap,
  createMemoryJournal,
  deployment,
  startAgent,
} from '../testing/index.ts';

const stack = new AsyncDisposableStack();
const agents: Agent[] = [];
const agentNamespace = 'fairlead-system';
const watchNamespaces = ['shop', 'payments'];
const unit = 'checkout/staging';
let controlPlane: ControlPlane;
/** By the agent's own service account. */
let cluster: Cluster;

const apply = (...objects: KubernetesObject[]) =>
  controlPlane.kubectl(
    ['apply', '-f', '-'],
    objects.map((one) => JSON.stringify(one)).join('\n---\n'),
  );
/** The committed text that `fairlead cluster add` prints. */
const install = (variant: string) =>
  controlPlane.kubectl([
    'apply',
    '-f',
    join(
      import.meta.dirname,
      `../../../../hub/src/agent-link/install-manifest${variant}.golden.yaml`,
    ),
  ]);

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  controlPlane = stack.use(await startControlPlane({ name: 'rights', directory: path }));
  for (const name of [...watchNamespaces, 'other']) {
    await controlPlane.kubectl(['create', 'namespace', name]);
  }
  await install('-least');
  await controlPlane.kubectl(['wait', '--for=condition=Established', 'crd/units.fairlead.dev']);
  const kubeconfigPath = await controlPlane.serviceAccountKubeconfig(
    agentNamespace,
    'fairlead-agent',
  );
  cluster = createKubernetesCluster({ kubeconfigPath });
  stack.defer(() => cluster.close());
  // What somebody who runs the shop lets its deployer do there; Secrets are not among it.
  const allow = (verbs: string) => [
    ...['create', 'role', 'deployer', '-n', 'shop', `--verb=${verbs}`],
    '--resource=configmaps,deployments.apps',
  ];
  await controlPlane.kubectl(allow('get,create,patch'));
  await controlPlane.kubectl([
    ...['create', 'rolebinding', 'deployer', '-n', 'shop', '--role=deployer'],
    '--serviceaccount=shop:deployer',
  ]);
});
afterAll(() => stack.disposeAsync());
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

async function start(change: Partial<AgentOptions> = {}) {
  const parts = { cluster, journal: createMemoryJournal(), renders: new Map(), agentNamespace };
  const agent = await startAgent({ ...parts, ...change });
  agents.push(agent);
  return { agent, renders: parts.renders };
}
const offer = (agent: Agent, generation: number, commit: string, change: AssignmentChange = {}) => {
  const apply = { namespace: 'shop', ...change.apply };
  return agent.reconciler.offer(assignmentOf(unit, generation, commit, { ...change, apply }));
};
const reported = (agent: Agent, expected: object) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject(expected), {
    timeout: 30_000,
    interval: 20,
  });
const exists = async (kind: string, name: string, namespace = 'shop'): Promise<boolean> => {
  const asked = ['get', kind, name, '-n', namespace, '--ignore-not-found', '-o', 'name'];
  return (await controlPlane.kubectl(asked)).trim() !== '';
};
const inShop = (object: KubernetesObject): KubernetesObject => ({
  ...object,
  metadata: { ...object.metadata, namespace: 'shop' },
});
const secret = (name: string): KubernetesObject =>
  inShop({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData: { a: 'b' } });
const deployer = { serviceAccount: 'deployer' };

describe('an agent with the least rights, in two namespaces', () => {
  test('has no right in the whole cluster, nor a right to change anything', async () => {
    const forbidden = { code: 'forbidden' };
    await expect(cluster.list('v1', 'ConfigMap')).rejects.toMatchObject(forbidden);
    await expect(cluster.list('v1', 'Secret', { namespace: 'other' })).rejects.toMatchObject(
      forbidden,
    );
    for (const namespace of ['shop', 'other', agentNamespace]) {
      await expect(
        cluster.apply(configMap('a', 'a', namespace), { force: true }),
      ).rejects.toMatchObject(forbidden);
    }
    const elsewhere = { namespace: 'other', name: 'default' };
    await expect(
      cluster.apply(configMap('a', 'a', 'other'), { force: true, as: elsewhere }),
    ).rejects.toMatchObject(forbidden);
  });

  test('applies, watches, repairs and prunes a unit as its service account', async () => {
    const { agent, renders } = await start({ watchNamespaces });
    renders.set('a', [inShop(configMap('a')), inShop(deployment('web'))]);
    offer(agent, 1, 'a', { apply: deployer });
    await reported(agent, { phase: 'settled', health: 'Healthy', objectsTotal: 2 });
    await controlPlane.kubectl(['delete', 'configmap', 'a', '-n', 'shop']);
    await vi.waitFor(() => expect(agent.kinds()).toContain('DriftRepaired'), { timeout: 10_000 });
    expect(await exists('configmap', 'a')).toBe(true);
    expect(await exists('unit', 'checkout.staging', agentNamespace)).toBe(true);

    // It may not delete, so what the next commit no longer holds stays, and the unit says why.
    renders.set('b', [inShop(deployment('web'))]);
    offer(agent, 2, 'b', { apply: deployer });
    const message =
      /shop:deployer" cannot delete resource "configmaps".*grant it to the unit's service account shop\/deployer/;
    await reported(agent, { phase: 'failed', message: expect.stringMatching(message) });
    expect(await exists('configmap', 'a')).toBe(true);
    const right = '[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]';
    await controlPlane.kubectl([
      'patch',
      'role',
      'deployer',
      '-n',
      'shop',
      '--type=json',
      '-p',
      right,
    ]);
    await reported(agent, { phase: 'settled', generation: 2 });
    expect(await exists('configmap', 'a')).toBe(false);
  });

  test('applies nothing for a unit without a service account, and says what is missing', async () => {
    const { agent, renders } = await start({ watchNamespaces });
    renders.set('a', [inShop(configMap('own'))]);
    offer(agent, 1, 'a');
    const message =
      /fairlead-system:fairlead-agent" cannot patch resource "configmaps".*or name one with this right in the stage's apply.serviceAccount/;
    await reported(agent, { phase: 'failed', message: expect.stringMatching(message) });
    expect(await exists('configmap', 'own')).toBe(false);
  });

  test.each<[string, KubernetesObject, RegExp]>([
    ['another namespace', configMap('a', 'a', 'other'), /outside of the namespaces of this agent/],
    [
      'none',
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'more' } },
      /^Namespace more lives in no namespace, and this agent works only in shop, payments/,
    ],
  ])('refuses an object that lives in %s', async (_, object, message) => {
    const { agent, renders } = await start({ watchNamespaces });
    renders.set('a', [inShop(configMap('beside')), object]);
    offer(agent, 1, 'a', { apply: deployer });
    const terminal = { phase: 'failed', terminal: true };
    await reported(agent, { ...terminal, message: expect.stringMatching(message) });
    expect(await exists('configmap', 'beside')).toBe(false);
  });

  test('reads and follows the policy of its cluster', async () => {
    const end = new AbortController();
    const onChange = vi.fn();
    const trust = createTrust({
      cluster,
      objects: { read: async () => undefined },
      agentNamespace,
      policyRequired: true,
      clock: systemClock,
      signal: end.signal,
      onChange,
    });
    const assignment = assignmentOf(unit, 1, 'c'.repeat(40));
    expect(await trust.permit(assignment)).toMatchObject({ ok: false });
    const policy = configMap('fairlead-policy', '', agentNamespace);
    // A change before the first list has ended is part of the list, and no change.
    await vi.waitFor(
      async () => {
        await apply({
          ...policy,
          data: { 'policy.yaml': `{} # ${onChange.mock.calls.length} ${performance.now()}` },
        });
        expect(onChange).toHaveBeenCalled();
      },
      { timeout: 10_000, interval: 100 },
    );
    expect(await trust.permit(assignment)).toMatchObject({ ok: true });
    end.abort();
  });
});

describe('an agent for the whole cluster', () => {
  beforeAll(() => install(''));

  test('does not use its own rights for a unit whose service account lacks one', async () => {
    const { agent, renders } = await start();
    renders.set('a', [secret('s'), inShop(deployment('after'))]);
    // What earlier tests left behind of the unit is not the matter here.
    offer(agent, 1, 'a', { apply: { ...deployer, prune: false } });
    const message =
      /^Secret shop\/s: .*system:serviceaccount:shop:deployer" cannot patch resource "secrets".*grant it to the unit's service account/;
    await reported(agent, { phase: 'failed', message: expect.stringMatching(message) });
    expect(await exists('secret', 's')).toBe(false);
    expect(await exists('deployment', 'after')).toBe(false);

    await controlPlane.kubectl([
      ...['create', 'role', 'secrets', '-n', 'shop', '--verb=get,create,patch'],
      '--resource=secrets',
    ]);
    await controlPlane.kubectl([
      ...['create', 'rolebinding', 'secrets', '-n', 'shop', '--role=secrets'],
      '--serviceaccount=shop:deployer',
    ]);
    await reported(agent, { phase: 'settled', health: 'Healthy' });
    expect(await exists('secret', 's')).toBe(true);
  });
});
