// One service on six clusters: how a release train goes through waves, people, a freeze, a failing cluster, a cluster that is
// away, one that joins late, and a way back. The tests are chapters of one story and build on each other.
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type ClusterPlan,
  type System,
  startSystem,
  temporaryDirectory,
  waitFor,
} from '../stack/index.ts';
import {
  auditFaults,
  deployment,
  objectIn,
  repositoryResource,
  rolloutOf,
  wholeAudit,
} from './shop.ts';

const stack = new AsyncDisposableStack();
let system: System;

/** Each in a namespace of its own; two Kubernetes control planes carry them all. */
const clusterPlan = (
  name: string,
  environment: string,
  more: Partial<ClusterPlan> = {},
): ClusterPlan => ({
  name,
  namespaces: [name],
  installArguments: ['--namespace-scope', name],
  labels: { environment },
  ...more,
});
const canary = 'production-1';
const wave = 'production-2';
const last = 'production-3';
const late = 'production-4';
const firstClusters: ClusterPlan[] = [
  clusterPlan('staging-1', 'staging'),
  clusterPlan('acceptance-1', 'acceptance', { shares: 'staging-1' }),
  clusterPlan(canary, 'production', { labels: { environment: 'production', canary: 'true' } }),
  clusterPlan(wave, 'production', { shares: canary }),
  clusterPlan(last, 'production', { shares: canary }),
];
const productionClusters = [canary, wave, last, late];
const allClusters = ['staging-1', 'acceptance-1', ...productionClusters];

const pipeline = `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  include: ["shop/**"]
  stages:
  - name: staging
    path: shop/\${cluster.name}
    clusters: {matchLabels: {environment: staging}}
  - name: acceptance
    after: [staging]
    path: shop/\${cluster.name}
    clusters: {matchLabels: {environment: acceptance}}
  - name: production
    after: [acceptance]
    path: shop/\${cluster.name}
    clusters: {matchLabels: {environment: production}}
    gates:
      soak: 1s
      approvals: {required: 2, from: ["group:release-managers"], excludeAuthor: true}
    rollout:
      waves: [{matchLabels: {canary: "true"}}, {max: 1}, {max: 100%}]
      minHealthy: 2s
      maxFailures: 0
      progressDeadline: 25s
      offline: skip-and-catch-up
      onFailure: rollback
---`;

const at = { pipeline: 'shop', stage: 'production' };
const webOf = (cluster: string) => `/apis/apps/v1/namespaces/${cluster}/deployments/web`;

/** The tag that the cluster's Deployment has, or nothing. */
async function tagIn(cluster: string): Promise<string | undefined> {
  const web = await objectIn(system.cluster(cluster).controlPlane, webOf(cluster));
  return web?.spec.template.spec.containers[0].image.split(':').at(-1);
}

const tagsIn = (clusters: readonly string[]) => Promise.all(clusters.map(tagIn));

/** Writes the same tag for every cluster, but for those that are named. */
async function release(
  message: string,
  tag: string,
  other: Record<string, string> = {},
): Promise<string> {
  for (const cluster of allClusters) {
    const manifest = deployment('web', other[cluster] ?? tag);
    const own = manifest.replace('{name: web}', `{name: web, namespace: ${cluster}}`);
    await system.copy.write(`shop/${cluster}/web.yaml`, own);
  }
  return system.push(message);
}

const tokens = new Map<string, string>();
const as = (who: string, args: readonly string[]) =>
  system.hub.cli(['--token', tokens.get(who) ?? '', ...args]);

async function issueToken(name: string, groups: string[], email: string): Promise<void> {
  const person = {
    subject: name,
    groups,
    emails: [email],
    permissions: ['approve', 'rollback', 'freeze', 'promote'],
  };
  const { token } = await system.hub.api('POST', '/tokens', { name, role: 'viewer', ...person });
  tokens.set(name, token);
}

const explain = () => system.hub.cli(['explain', 'shop/production']);
const explained = (what: string, words: RegExp) =>
  waitFor(what, async (see) => {
    const text = await explain();
    see(text);
    return words.test(text);
  });

async function approveByTwo(commit: string): Promise<void> {
  await explained('production asks for approvals', /approv/i);
  await as('first-manager', ['approve', 'shop/production', commit]);
  await as('second-manager', ['approve', 'shop/production', commit]);
}

const runs = (clusters: readonly string[], tag: string) =>
  waitFor(`${clusters.join(', ')} run ${tag}`, async (see) => {
    const tags = await tagsIn(clusters);
    see(tags);
    return tags.every((one) => one === tag);
  });

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  system = stack.use(await startSystem({ directory: path, clusters: firstClusters }));
  await issueToken('author', ['release-managers'], 'author@example.com');
  await issueToken('first-manager', ['release-managers'], 'first@example.com');
  await issueToken('second-manager', ['release-managers'], 'second@example.com');
}, 300_000);
afterAll(() => stack.disposeAsync());

test('a release goes through staging and acceptance, and waits for two people, of whom the author is none', async () => {
  await release('shop: first', '1.0.0');
  await system.applyResources(repositoryResource + pipeline);
  await runs(['staging-1', 'acceptance-1'], '1.0.0');
  await explained('production waits for both votes', /0 of 2/);

  await expect(as('author', ['approve', 'shop/production'])).rejects.toThrow(/author/);
  await as('first-manager', ['approve', 'shop/production', '--comment', 'looks good']);
  await as('first-manager', ['approve', 'shop/production']).catch(() => undefined);
  await explained('one person counts once', /1 of 2/);
  expect(await tagsIn([canary, wave, last])).toEqual([undefined, undefined, undefined]);
  await as('second-manager', ['approve', 'shop/production']);
  await runs([canary, wave, last], '1.0.0');
});

test('the waves follow each other: each cluster was assigned after the one before had been healthy', async () => {
  await waitFor('production succeeded', async () => {
    const stage = await system.hub.api('GET', '/pipelines/shop/stages/production');
    return stage.succeededRelease !== undefined && stage.rollout?.state !== 'running';
  });
  const entries = (await wholeAudit(system)).filter(({ event }) => event.stage === 'production');
  const position = (type: string, cluster: string) =>
    entries.find((entry) => entry.type === type && entry.event.clusterName === cluster)?.position;
  const order = [canary, wave, last].flatMap((cluster) => [
    position('TargetAssigned', cluster),
    position('TargetSucceeded', cluster),
  ]);
  expect(order).toEqual(order.toSorted((left, right) => left - right));
  const admission = entries.find(({ type }) => type === 'ReleaseAdmitted');
  const approval = admission.event.gates.find(({ gate }: { gate: string }) => gate === 'approval');
  expect(JSON.stringify(approval.evidence)).toMatch(/first-manager.*second-manager/);
});

test('WIN-02: a freeze in the middle of a wave lets the canary settle, and the next wave waits until it ends', async () => {
  const commit = await release('shop: second', '1.1.0');
  await approveByTwo(commit);
  await runs([canary], '1.1.0');
  // Not by the command line, which takes as long to start as the canary has to be healthy.
  await system.hub.api('POST', '/freezes', { ...at, reason: 'the sale begins', running: 'drain' });
  await explained('the freeze is told with its reason', /the sale begins/);
  await waitFor('the canary has settled', async (see) => {
    const entries = (await wholeAudit(system)).filter(
      ({ type, event }) => type === 'TargetSucceeded' && event.clusterName === canary,
    );
    see(entries.length);
    return entries.length === 2;
  });
  expect(await tagsIn([wave, last])).toEqual(['1.0.0', '1.0.0']);
  const { items } = await system.hub.api('GET', '/freezes');
  await as('first-manager', ['unfreeze', items[0].id, '--reason', 'the sale is over']);
  await runs([wave, last], '1.1.0');
  expect(await rolloutOf(system, { ...at, release: commit })).toMatchObject({ state: 'succeeded' });
});

test('FLT-08, RB-05: one failing cluster brings what the release has reached back, and the rest never saw it', async () => {
  const commit = await release('shop: third, broken on one cluster', '1.2.0', { [wave]: 'broken' });
  await approveByTwo(commit);
  await runs([canary], '1.2.0');
  const ended = await rolloutOf(system, { ...at, release: commit, timeoutMs: 90_000 });
  expect(ended).toMatchObject({ state: 'failed', message: expect.stringMatching(wave) });
  await runs([canary, wave, last], '1.1.0');
  const assigned = (await wholeAudit(system)).filter(
    ({ type, event }) => type === 'TargetAssigned' && event.clusterName === last,
  );
  expect(assigned.some(({ event }) => event.release === commit)).toBe(false);
});

test('FLT-03: a cluster that is away is skipped, and catches up with what holds when it returns', async () => {
  await system.cluster(last).agent.process.stop();
  await waitFor(
    'the hub sees it offline',
    async (see) => {
      const { status } = await system.hub.api('GET', `/clusters/${last}`);
      see(status);
      return status === 'offline';
    },
    { timeoutMs: 90_000 },
  );
  const commit = await release('shop: fourth', '1.3.0');
  await approveByTwo(commit);
  expect(await rolloutOf(system, { ...at, release: commit, timeoutMs: 90_000 })).toMatchObject({
    state: 'succeeded',
  });
  expect(await tagsIn([canary, wave, last])).toEqual(['1.3.0', '1.3.0', '1.1.0']);
  expect(await explain()).toMatch(new RegExp(`${last}.*offline`));
  await system.cluster(last).agent.process.restart();
  await runs([last], '1.3.0');
});

test('FLT-05: a cluster that joins late gets what the stage has, without a rollout', async () => {
  const before = (await system.hub.api('GET', '/pipelines/shop/rollouts?stage=production')).items
    .length;
  await system.join(clusterPlan(late, 'production', { shares: canary }));
  await runs([late], '1.3.0');
  const after = await system.hub.api('GET', '/pipelines/shop/rollouts?stage=production');
  expect(after.items).toHaveLength(before);
});

test('RB-01, RB-02: a person goes back to the last good release, and the stage is held until it is resumed', async () => {
  await as('second-manager', ['rollback', 'shop/production', '--reason', 'orders fail']);
  await runs(productionClusters, '1.1.0');
  expect(await explain()).toMatch(/held/i);
  await system.hub.cli(['resume', 'shop/production', '--reason', 'it was the database']);
});

test('promises 1, 2 and 9: every assignment belongs to an admission or a way back, and the audit has no fault', async () => {
  const entries = await wholeAudit(system);
  const admitted = new Set(
    entries.flatMap(({ type, event }) =>
      type === 'ReleaseAdmitted' || (type === 'RolloutStarted' && /rollback/.test(event.kind))
        ? [event.rolloutId]
        : [],
    ),
  );
  const assignments = entries.filter(
    ({ type, event }) => type === 'TargetAssigned' && event.cause === 'rollout',
  );
  expect(assignments.length).toBeGreaterThan(10);
  for (const { event } of assignments) expect(admitted).toContain(event.rolloutId);
  expect(await auditFaults(system)).toEqual([]);
});
