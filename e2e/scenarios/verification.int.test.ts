// A release on its way to production is looked at by a Job in staging and by a number that the hub asks for, on the whole
// system: pushed, ordered, run, reported and decided by the programs as they ship.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem, temporaryDirectory, waitFor } from '../stack/index.ts';
import { auditFaults, repositoryResource, rolloutOf, settings, wholeAudit } from './shop.ts';

const stack = new AsyncDisposableStack();
let errors = 0;
const metrics = createServer((_, response) => response.end(JSON.stringify({ errors })));
let system: System;

const pipeline = (metricsUrl: string) => `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  include: ["shop/**"]
  stages:
  - name: staging
    path: shop/app
    clusters: {matchLabels: {environment: staging}}
    apply: {namespace: shop-staging, createNamespace: true}
  - name: production
    after: [staging]
    path: shop/app
    clusters: {matchLabels: {environment: production}}
    apply: {namespace: shop, createNamespace: true}
    gates:
      verifications: [{name: smoke, job: shop/verify/smoke.yaml, timeout: 2m}]
      metrics:
      - {name: errors, http: {url: "${metricsUrl}", json: /errors}, failIf: result > 0, interval: 5s, for: 5s}
---`;

const job = (tag: string) => `
apiVersion: batch/v1
kind: Job
metadata: {name: smoke}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: smoke, image: "registry.example.com/smoke:${tag}"}]
`;

async function push(tag: string): Promise<string> {
  await system.copy.write('shop/app/all.yaml', settings('settings', tag));
  await system.copy.write('shop/verify/smoke.yaml', job(tag));
  return system.push(`verified by ${tag}`);
}

type Run = { id: string; release: string; outcome?: string; message?: string; cluster: string };
const runsOf = async (release: string): Promise<Run[]> => {
  const path = `/pipelines/shop/verifications?release=${release}`;
  return (await system.hub.api('GET', path)).items;
};
const endedRun = (release: string, count = 1) =>
  waitFor(
    `run ${count} of ${release.slice(0, 8)} ends`,
    async (see) => {
      const runs = await runsOf(release);
      see(runs);
      return runs.length === count && runs[0]?.outcome !== undefined ? runs[0] : undefined;
    },
    { timeoutMs: 60_000 },
  );
const explanation = async (release: string): Promise<string> =>
  (await system.hub.api('GET', `/pipelines/shop/stages/production/explain?release=${release}`))
    .summary;
const waits = (release: string, words: RegExp) =>
  waitFor(
    `production waits with ${words}`,
    async (see) => {
      const summary = await explanation(release);
      see(summary);
      return words.test(summary);
    },
    { timeoutMs: 60_000 },
  );
const succeeds = async (release: string) => {
  const rollout = { pipeline: 'shop', stage: 'production', release };
  expect(await rolloutOf(system, rollout)).toMatchObject({ state: 'succeeded' });
};
const jobsInCluster = async () =>
  (await system.cluster('staging-1').controlPlane.request('GET', '/apis/batch/v1/jobs')).items;

beforeAll(async () => {
  await new Promise<void>((resolve) => metrics.listen(0, '127.0.0.1', resolve));
  stack.defer(async () => {
    metrics.closeAllConnections();
    metrics.close();
  });
  const host = `127.0.0.1:${(metrics.address() as AddressInfo).port}`;
  const { path } = stack.use(await temporaryDirectory());
  system = stack.use(
    await startSystem({
      directory: path,
      hubEnvironment: { FAIRLEAD_METRIC_HOSTS: host },
      clusters: [
        {
          name: 'staging-1',
          labels: { environment: 'staging' },
          podLogs: ['GET /health', '200 OK'],
        },
        { name: 'production-1', labels: { environment: 'production' }, shares: 'staging-1' },
      ],
    }),
  );
  await push('first');
  await system.applyResources(repositoryResource + pipeline(`http://${host}/`));
}, 600_000);
afterAll(() => stack.disposeAsync());

test('a release goes on when its Job has passed and its metric is good, and the admission carries both', async () => {
  const release = await push('good');
  const run = await endedRun(release);
  expect(run).toMatchObject({ outcome: 'passed', cluster: 'staging-1' });
  await succeeds(release);
  const { items } = await system.hub.api(
    'GET',
    `/pipelines/shop/admissions?stage=production&release=${release}`,
  );
  const gates = items[0].gates.filter(({ gate }: { gate: string }) =>
    ['verification', 'metric'].includes(gate),
  );
  expect(gates).toMatchObject([
    { gate: 'verification', passed: true, evidence: { 'smoke@staging-1': `${run.id} passed` } },
    { gate: 'metric', passed: true },
  ]);
  const { log } = await system.hub.api('GET', `/verifications/${run.id}`);
  expect(log).toMatch(/^--- smoke-.*\/smoke\nGET \/health\n200 OK\n$/);
  await waitFor('the Job is gone', async () => (await jobsInCluster()).length === 0);
});

test('GATE-09 GATE-10: a Job that fails stops its release with words, and a person may have it run again', async () => {
  const release = await push('failing');
  expect(await endedRun(release)).toMatchObject({ outcome: 'failed' });
  await waits(release, /smoke has failed with .* in staging-1: the Job has failed: Backoff/);
  await system.hub.cli(['verify', 'shop/production', '--name', 'smoke']);
  expect(await endedRun(release, 2)).toMatchObject({ outcome: 'failed' });
  const fixed = await push('fixed');
  expect(await endedRun(fixed)).toMatchObject({ outcome: 'passed' });
  await succeeds(fixed);
});

test('GATE-12: a bad number stops its release until it is asked for again', async () => {
  errors = 3;
  const release = await push('noisy');
  await waits(release, /errors has failed with .*: 1 of 1 samples are bad.* the last was 3/);
  errors = 0;
  await system.hub.cli(['verify', 'shop/production', '--name', 'errors']);
  await succeeds(release);
});

test('GATE-10: hub and agent killed in the middle of a run change nothing of its outcome, and it runs once', async () => {
  const release = await push('broken');
  const [run] = await waitFor('a run', async () => {
    const runs = await runsOf(release);
    return runs.length > 0 ? runs : undefined;
  });
  const made = await waitFor('its Job', async () => {
    const jobs = await jobsInCluster();
    return jobs.length > 0 ? jobs : undefined;
  });
  await system.cluster('staging-1').agent.process.kill();
  await system.hub.process.kill();
  const { controlPlane } = system.cluster('staging-1');
  const selector = `job-name=${made[0].metadata.name}`;
  const pods = await controlPlane.kubectl(['get', 'pods', '-A', '-l', selector, '-o', 'name']);
  await controlPlane.kubectl([
    ...['patch', pods.trim(), '-n', 'shop-staging', '--subresource=status', '--type=merge'],
    ...['-p', '{"status":{"phase":"Succeeded"}}'],
  ]);
  await system.hub.process.restart();
  await system.cluster('staging-1').agent.process.restart();
  expect(await endedRun(release)).toMatchObject({ id: run?.id, outcome: 'passed' });
  await succeeds(release);
  const started = (await wholeAudit(system)).filter(
    ({ type, event }) =>
      type === 'AgentAudited' && event.kind === 'VerificationStarted' && event.commit === release,
  );
  // Of a second Job no pod would have succeeded. After a crash the same start may be told twice.
  expect(new Set(started.map(({ event }) => event.message)).size).toBe(1);
  expect(await auditFaults(system)).toEqual([]);
});
