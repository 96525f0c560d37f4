// Jobs on a real control plane: its job controller, its garbage collector and its API server's way to pods' logs; kwok
// stands in for kubelets and containers.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type ControlPlane,
  startControlPlane,
  temporaryDirectory,
} from '../../../e2e/stack/index.ts';
import { type Cluster, createKubernetesCluster } from '../cluster/index.ts';
import { type Journal, openJournal } from '../journal/index.ts';
import { jobManifest, runOf, startVerifier, type VerifierOptions } from './testing.ts';

const stack = new AsyncDisposableStack();
const logLines = Array.from({ length: 3_000 }, (_, index) => `line ${index}: GET /health 200`);
let controlPlane: ControlPlane;
let cluster: Cluster;
let folder: string;
let journal: Journal;
const agents: ReturnType<typeof startVerifier>[] = [];

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  controlPlane = stack.use(
    await startControlPlane({ name: 'verification', directory: path, podLogs: logLines }),
  );
  cluster = createKubernetesCluster({ kubeconfigPath: controlPlane.adminKubeconfigPath });
  stack.defer(() => cluster.close());
}, 600_000);
afterAll(() => stack.disposeAsync());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verification-'));
  journal = openJournal({
    file: join(folder, 'journal.sqlite'),
    clock: systemClock,
    random: systemRandom,
  });
  journal.acceptEpoch(1);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.kill();
  journal.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(options: Partial<VerifierOptions> = {}) {
  const agent = startVerifier({ cluster, journal, ...options });
  agents.push(agent);
  return agent;
}
const resultOf = (runId: string) =>
  journal.loadRuns().find((record) => record.runId === runId)?.result;
const ended = (runId: string) =>
  vi.waitFor(
    () => {
      const result = resultOf(runId);
      expect(result, JSON.stringify(journal.loadRuns())).toBeDefined();
      return result;
    },
    { timeout: 60_000, interval: 50 },
  );
type Listed = { items: { metadata: { name: string; uid: string } }[] };
const jobs = async (runId: string) => {
  const path = `/apis/batch/v1/jobs?labelSelector=fairlead.dev/verification-run%3D${runId}`;
  return ((await controlPlane.request('GET', path)) as Listed).items.map(
    ({ metadata }) => metadata,
  );
};
const podsOf = async (job: string) =>
  ((await controlPlane.request('GET', `/api/v1/pods?labelSelector=job-name%3D${job}`)) as Listed)
    .items;
const newRunId = () => systemRandom.nextId();
const level = { timeout: 30_000, interval: 100 };

describe('a Job on a real control plane', () => {
  it('runs to its end, gives its log, and goes with its pods when the hub has the result', async () => {
    const runId = newRunId();
    const agent = start();
    agent.offer(runOf(runId));
    const result = await ended(runId);
    expect(result).toMatchObject({ outcome: 'passed', message: 'the Job has completed' });
    const [job] = await jobs(runId);
    expect(job?.name).toBe(`smoke-${runId}`);
    const [pod] = await podsOf(job?.name ?? '');
    const { logTail = '', logTruncated } = result ?? {};
    expect(logTail.endsWith('line 2999: GET /health 200\n')).toBe(true);
    expect(Buffer.byteLength(logTail)).toBeLessThanOrEqual(16 * 1024);
    expect(logTruncated).toBe(true);
    expect(journal.pendingResults(10)).toHaveLength(1);

    agent.offer();
    await vi.waitFor(async () => expect(await jobs(runId)).toEqual([]), level);
    await vi.waitFor(async () => expect(await podsOf(job?.name ?? '')).toEqual([]), level);
    expect(pod).toBeDefined();
    expect(journal.pendingResults(10)).toEqual([]);
  });

  it('that fails is a failure with what Kubernetes says of it', async () => {
    const runId = newRunId();
    start({ objects: () => [jobManifest('smoke:failing')] }).offer(runOf(runId));
    expect(await ended(runId)).toMatchObject({
      outcome: 'failed',
      message: expect.stringMatching(/^the Job has failed: BackoffLimitExceeded: /),
    });
  });

  it('GATE-10: that hangs is stopped in time, and is no pass', async () => {
    const runId = newRunId();
    const objects = () => [jobManifest('smoke:broken')];
    start({ objects }).offer(runOf(runId, { timeoutMs: 3_000 }));
    expect(await ended(runId)).toMatchObject({
      outcome: 'inconclusive',
      message: expect.stringMatching(/DeadlineExceeded|had not ended after 3 s/),
    });
    await vi.waitFor(async () => expect(await jobs(runId)).toEqual([]), level);
  });

  it('is found again by an agent that starts anew, from its journal alone, and runs once', async () => {
    const runId = newRunId();
    const objects = () => [jobManifest('smoke:broken')];
    const first = start({ objects });
    first.offer(runOf(runId));
    await vi.waitFor(async () => expect(await jobs(runId)).toHaveLength(1), level);
    const [before] = await jobs(runId);
    await first.kill();
    // It ends while nobody looks.
    const pod = await vi.waitFor(async () => {
      const [found] = await podsOf(before?.name ?? '');
      expect(found).toBeDefined();
      return found;
    }, level);
    await controlPlane.kubectl([
      ...['patch', 'pod', pod?.metadata.name ?? '', '-n', 'default', '--subresource=status'],
      ...['--type=merge', '-p', '{"status":{"phase":"Succeeded"}}'],
    ]);
    start({ objects });
    expect(await ended(runId)).toMatchObject({ outcome: 'passed' });
    const after = await jobs(runId);
    expect(after.map(({ uid }) => uid)).toEqual([before?.uid]);
  });

  it('that is deleted by somebody is inconclusive', async () => {
    const runId = newRunId();
    start({ objects: () => [jobManifest('smoke:broken')] }).offer(runOf(runId));
    await vi.waitFor(async () => expect(await jobs(runId)).toHaveLength(1), level);
    await controlPlane.kubectl([
      'delete',
      'job',
      `smoke-${runId}`,
      '-n',
      'default',
      '--wait=false',
    ]);
    expect(await ended(runId)).toMatchObject({
      outcome: 'inconclusive',
      message: 'the Job was deleted before it ended',
    });
  });

  it('that the API server refuses is a failure with its words', async () => {
    const runId = newRunId();
    const objects = () => [jobManifest('smoke:1', { backoffLimit: -1 })];
    start({ objects }).offer(runOf(runId));
    expect(await ended(runId)).toMatchObject({
      outcome: 'failed',
      message: expect.stringMatching(/spec.backoffLimit: Invalid value/),
    });
    const missing = newRunId();
    start().offer(runOf(missing, { namespace: 'nowhere' }));
    expect(await ended(missing)).toMatchObject({
      outcome: 'failed',
      message: expect.stringMatching(/namespaces "nowhere" not found/),
    });
  });
});

describe('a Job under its stage’s service account', () => {
  const as = { namespace: 'default', serviceAccount: 'verifier' };

  it('needs exactly the rights that the documentation lists, and says which one lacks', async () => {
    await controlPlane.kubectl(['create', 'serviceaccount', 'verifier', '-n', 'default']);
    const refused = newRunId();
    start().offer(runOf(refused, as));
    expect(await ended(refused)).toMatchObject({
      outcome: 'failed',
      message: expect.stringMatching(
        /default:verifier" cannot get resource "jobs".*grant it to the unit's service account default\/verifier/,
      ),
    });
    const role = (name: string, verbs: string, resource: string) =>
      controlPlane.kubectl([
        ...['create', 'role', name, '-n', 'default', `--verb=${verbs}`, `--resource=${resource}`],
      ]);
    const bind = (name: string) =>
      controlPlane.kubectl([
        ...['create', 'rolebinding', name, '-n', 'default', `--role=${name}`],
        '--serviceaccount=default:verifier',
      ]);
    await role('verifier-jobs', 'get,create,patch,delete', 'jobs.batch');
    await bind('verifier-jobs');
    const withoutLogs = newRunId();
    const agent = start();
    agent.offer(runOf(withoutLogs, as));
    expect(await ended(withoutLogs)).toMatchObject({
      outcome: 'passed',
      logTail: expect.stringMatching(
        /^\(the logs could not be read: .*cannot list resource "pods"/,
      ),
    });
    await role('verifier-logs', 'get,list', 'pods,pods/log');
    await bind('verifier-logs');
    const whole = newRunId();
    agent.offer(runOf(withoutLogs, as), runOf(whole, as));
    expect((await ended(whole))?.logTail).toMatch(/line 2999: GET \/health 200\n$/);
    agent.offer();
    await vi.waitFor(async () => expect(await jobs(whole)).toEqual([]), level);
  });
});
