import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err } from '@fairlead/shared/result';
import { describe, expect, it, test, vi } from 'vitest';
import { ClusterError, createMemoryCluster, type MemoryRequest } from '../cluster/index.ts';
import type { PendingResult, RunRecord, VerificationJournal } from './index.ts';
import { jobManifest, openTrust, runOf, startVerifier } from './testing.ts';

const first = '01jd0000000000000000000001';
const second = '01jd0000000000000000000002';

function createMemoryJournal(): VerificationJournal & {
  readonly pending: Map<string, PendingResult>;
  readonly result: (runId: string) => RunRecord['result'];
} {
  const records = new Map<string, string>();
  const pending = new Map<string, PendingResult>();
  const recordOf = (runId: string): RunRecord | undefined =>
    records.has(runId) ? JSON.parse(records.get(runId) as string) : undefined;
  return {
    durable: async () => {},
    acceptedEpoch: () => 1,
    saveRun: (record) => {
      const { runId, result } = record;
      if (!result) pending.delete(runId);
      else if (!recordOf(runId)?.result) pending.set(runId, { result, tries: 0 });
      records.set(runId, JSON.stringify(record));
    },
    loadRuns: () => [...records.keys()].flatMap((runId) => recordOf(runId) ?? []),
    forgetRun: (runId) => void records.delete(runId),
    requeueResult: (runId) => {
      const result = recordOf(runId)?.result;
      if (result) pending.set(runId, { result, tries: (pending.get(runId)?.tries ?? 0) + 1 });
    },
    pending,
    result: (runId) => recordOf(runId)?.result,
  };
}

function createWorld(mayDo: (request: MemoryRequest) => boolean = () => true) {
  const requests: MemoryRequest[] = [];
  const obstacle = { onRequest: (_: MemoryRequest) => {} };
  const cluster = createMemoryCluster({
    mayDo,
    onRequest: (request) => {
      requests.push(request);
      obstacle.onRequest(request);
    },
  });
  const jobs = () => cluster.objects().filter(({ kind }) => kind === 'Job');
  const finish = (runId: string, type: 'Complete' | 'Failed', reason?: string) =>
    cluster.setStatus(
      { apiVersion: 'batch/v1', kind: 'Job', namespace: 'default', name: `smoke-${runId}` },
      { conditions: [{ type, status: 'True', ...(reason ? { reason } : {}) }] },
    );
  return { cluster, journal: createMemoryJournal(), requests, obstacle, jobs, finish };
}
const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 5 });
const made = (requests: readonly MemoryRequest[]) =>
  requests.filter(({ verb, kind }) => verb === 'apply' && kind === 'Job').length;

describe('a verification run', () => {
  it('runs its Job once and keeps the result until the hub drops the run', async () => {
    const { cluster, journal, jobs, finish, requests } = createWorld();
    await using agent = startVerifier({ cluster, journal });
    agent.offer(runOf(first));
    await until(() => expect(jobs()).toHaveLength(1));
    expect(jobs()[0]?.metadata.name).toBe(`smoke-${first}`);
    finish(first, 'Complete');
    await until(() => expect(journal.result(first)?.outcome).toBe('passed'));
    expect(journal.pending.get(first)).toMatchObject({ tries: 0 });
    expect(agent.audits.map(({ kind }) => kind)).toEqual([
      'VerificationStarted',
      'VerificationEnded',
    ]);
    // It stays to be looked at, and the result goes again as long as the hub has not got it.
    agent.offer(runOf(first));
    expect(journal.pending.get(first)).toMatchObject({ tries: 1 });
    expect(jobs()).toHaveLength(1);
    agent.offer();
    await until(() => expect(jobs()).toHaveLength(0));
    expect(journal.pending.has(first)).toBe(false);
    expect(made(requests)).toBe(1);
  });

  it('GATE-10: a failed Job is a failure, and a deleted one is inconclusive', async () => {
    const { cluster, journal, jobs, finish } = createWorld();
    await using agent = startVerifier({ cluster, journal });
    agent.offer(runOf(first), runOf(second));
    await until(() => expect(jobs()).toHaveLength(2));
    finish(first, 'Failed', 'BackoffLimitExceeded');
    cluster.drop({
      apiVersion: 'batch/v1',
      kind: 'Job',
      namespace: 'default',
      name: `smoke-${second}`,
    });
    await until(() => expect(journal.pending.size).toBe(2));
    expect(journal.result(first)).toMatchObject({
      outcome: 'failed',
      message: 'the Job has failed: BackoffLimitExceeded',
    });
    expect(journal.result(second)).toMatchObject({
      outcome: 'inconclusive',
      message: 'the Job was deleted before it ended',
    });
  });

  it('GATE-10: a Job that hangs is stopped when its time is over, and that is no pass', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    try {
      const { cluster, journal, jobs } = createWorld();
      await using agent = startVerifier({ cluster, journal });
      agent.offer(runOf(first, { timeoutMs: 30_000 }));
      await vi.advanceTimersByTimeAsync(29_000);
      expect(jobs()).toHaveLength(1);
      expect(journal.pending.size).toBe(0);
      await vi.advanceTimersByTimeAsync(7_000);
      expect(journal.result(first)).toMatchObject({
        outcome: 'inconclusive',
        message: 'the Job had not ended after 30 s and was stopped',
      });
      expect(jobs()).toHaveLength(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('a restart finds the Job again, whatever it was at, and never makes a second one', async () => {
    const { cluster, journal, jobs, finish, requests } = createWorld();
    for (let lives = 0; lives < 3; lives++) {
      await using agent = startVerifier({ cluster, journal });
      agent.offer(runOf(first));
      await until(() => expect(jobs()).toHaveLength(1));
      await agent.kill();
    }
    finish(first, 'Complete');
    // No hub: the journal alone takes the run up again.
    await using _agent = startVerifier({ cluster, journal });
    await until(() => expect(journal.result(first)?.outcome).toBe('passed'));
    expect(made(requests)).toBe(1);
  });

  it('a crash between the intent and the answer makes no second Job', async () => {
    const { cluster, journal, obstacle, jobs, finish, requests } = createWorld();
    let agent = startVerifier({ cluster, journal });
    const kill = Promise.withResolvers<void>();
    obstacle.onRequest = ({ verb }) => {
      if (verb !== 'apply') return;
      // The API server still does what it was asked, and nobody hears the answer.
      queueMicrotask(() => void agent.kill().then(kill.resolve));
    };
    agent.offer(runOf(first));
    await kill.promise;
    expect(journal.loadRuns()).toMatchObject([{ step: 'starting', job: { uid: '' } }]);
    obstacle.onRequest = () => {};
    expect(jobs()).toHaveLength(1);
    agent = startVerifier({ cluster, journal });
    finish(first, 'Complete');
    await until(() => expect(journal.result(first)?.outcome).toBe('passed'));
    expect(made(requests)).toBe(1);
    await agent.kill();
  });

  it('a run that was dropped and comes again is inconclusive and does not run', async () => {
    const { cluster, journal, jobs, requests } = createWorld();
    await using agent = startVerifier({ cluster, journal });
    agent.offer(runOf(first));
    await until(() => expect(jobs()).toHaveLength(1));
    agent.offer();
    await until(() => expect(jobs()).toHaveLength(0));
    await until(() => expect(journal.loadRuns()[0]?.job).toBeUndefined());
    agent.offer(runOf(first));
    expect(journal.result(first)).toMatchObject({ outcome: 'inconclusive' });
    expect(made(requests)).toBe(1);
  });

  it('a list of another epoch changes nothing', async () => {
    const { cluster, journal, jobs } = createWorld();
    await using agent = startVerifier({ cluster, journal });
    agent.offer(runOf(first));
    await until(() => expect(jobs()).toHaveLength(1));
    agent.verifier.offer({ epoch: 2, runs: [runOf(second)], unusable: [] });
    agent.verifier.offer({ epoch: 0, runs: [], unusable: [] });
    expect(journal.loadRuns().map(({ runId }) => runId)).toEqual([first]);
    expect(jobs()).toHaveLength(1);
  });

  it('an order that it cannot read is answered as inconclusive, and is not dropped', async () => {
    const { cluster, journal } = createWorld();
    await using agent = startVerifier({ cluster, journal });
    const unusable = [{ runId: first, reason: 'disposition 9 is unknown' }];
    agent.verifier.offer({ epoch: 1, runs: [], unusable });
    expect(journal.result(first)).toMatchObject({
      outcome: 'inconclusive',
      message: 'this agent cannot read the order: disposition 9 is unknown',
    });
    agent.verifier.offer({ epoch: 1, runs: [], unusable });
    expect(journal.pending.get(first)?.tries).toBe(1);
  });
});

describe('what keeps a Job from running', () => {
  it('a commit whose signature the cluster does not trust runs no Job', async () => {
    const { cluster, journal, requests } = createWorld();
    const trust = {
      ...openTrust,
      verify: async () =>
        err({ audit: 'SignatureRefused', terminal: true, message: 'nobody signed it' } as const),
    };
    await using agent = startVerifier({ cluster, journal, trust });
    agent.offer(runOf(first));
    await until(() => expect(journal.result(first)?.outcome).toBe('failed'));
    expect(journal.result(first)?.message).toBe('nobody signed it');
    expect(agent.audits.map(({ kind }) => kind)).toContain('SignatureRefused');
    expect(requests).toEqual([]);
  });

  it("the cluster's policy is asked before anything is rendered", async () => {
    const { cluster, journal } = createWorld();
    const objects = vi.fn(() => [jobManifest()]);
    const trust = {
      ...openTrust,
      permit: async () =>
        err({ audit: 'PolicyRefused', terminal: true, message: 'not permitted' } as const),
    };
    await using agent = startVerifier({ cluster, journal, trust, objects });
    agent.offer(runOf(first));
    await until(() => expect(journal.result(first)?.message).toBe('not permitted'));
    expect(objects).not.toHaveBeenCalled();
  });

  test.each<[string, KubernetesObject, RegExp]>([
    [
      'another namespace',
      { ...jobManifest(), metadata: { name: 'smoke', namespace: 'other' } },
      /lies outside of the namespaces of this agent, default/,
    ],
    [
      'another kind',
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } },
      /smoke.yaml must hold exactly one batch\/v1 Job, and holds v1 ConfigMap/,
    ],
  ])('a file of %s is refused', async (_, object, message) => {
    const { cluster, journal, requests } = createWorld();
    const objects = () => [object];
    await using agent = startVerifier({ cluster, journal, objects, watchNamespaces: ['default'] });
    agent.offer(runOf(first));
    await until(() => expect(journal.result(first)?.outcome).toBe('failed'));
    expect(journal.result(first)?.message).toMatch(message);
    expect(made(requests)).toBe(0);
  });

  it('a service account without the right is a failure that says what to grant', async () => {
    const { cluster, journal, requests } = createWorld(({ verb }) => verb !== 'apply');
    await using agent = startVerifier({ cluster, journal });
    agent.offer(runOf(first, { serviceAccount: 'deployer' }));
    await until(() => expect(journal.result(first)?.outcome).toBe('failed'));
    expect(journal.result(first)?.message).toMatch(
      /cannot apply it.*grant it to the unit's service account default\/deployer/,
    );
    expect(requests.every(({ asUser }) => asUser?.endsWith(':default:deployer'))).toBe(true);
  });

  it('what may pass is tried again until the time is over, and is then inconclusive', async () => {
    const { cluster, journal, obstacle } = createWorld();
    let tries = 0;
    obstacle.onRequest = ({ verb }) => {
      if (verb !== 'apply') return;
      tries++;
      throw new ClusterError('unavailable', 'does not answer');
    };
    await using agent = startVerifier({ cluster, journal });
    agent.offer(runOf(first, { timeoutMs: 1_500 }));
    await until(() => expect(journal.result(first)?.outcome).toBe('inconclusive'));
    expect(journal.result(first)?.message).toBe(
      'the Job could not be started in time: does not answer',
    );
    expect(tries).toBeGreaterThan(1);
  });
});

describe('logs', () => {
  const pod = (name: string, created: string): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      creationTimestamp: created,
      labels: { 'job-name': `smoke-${first}` },
    },
    spec: { initContainers: [{ name: 'prepare' }], containers: [{ name: 'smoke' }] },
  });

  it('come with the result, the newest pod last, and no more than the limit', async () => {
    const { cluster, journal, jobs, finish } = createWorld();
    await using agent = startVerifier({ cluster, journal });
    agent.offer(runOf(first));
    await until(() => expect(jobs()).toHaveLength(1));
    for (const object of [pod('old', '2026-01-01T00:00:00Z'), pod('new', '2026-01-01T00:01:00Z')]) {
      const { apiVersion, kind, metadata } = object;
      const address = { apiVersion, kind, namespace: 'default', name: metadata.name };
      cluster.edit(address, 'test', (live) => Object.assign(live, structuredClone(object)));
    }
    cluster.setLog({ namespace: 'default', name: 'old' }, 'smoke', 'GET /health: 500\n');
    cluster.setLog({ namespace: 'default', name: 'new' }, 'prepare', 'ready');
    const lines = Array.from({ length: 2_000 }, (_, index) => `ü line ${index}\n`);
    cluster.setLog({ namespace: 'default', name: 'new' }, 'smoke', lines.join(''));
    finish(first, 'Failed', 'BackoffLimitExceeded');
    await until(() => expect(journal.result(first)?.outcome).toBe('failed'));
    const { logTail = '', logTruncated } = journal.result(first) ?? {};
    expect(logTail.startsWith('--- old/prepare\n--- old/smoke\nGET /health: 500\n')).toBe(true);
    expect(logTail.endsWith('ü line 1999\n')).toBe(true);
    expect(logTail).not.toContain('\uFFFD');
    expect(Buffer.byteLength(logTail)).toBeLessThanOrEqual(32 * 1024);
    expect(logTruncated).toBe(true);
  });

  it('that may not be read do not change the outcome', async () => {
    const { cluster, journal, jobs, finish } = createWorld(({ kind }) => kind !== 'Pod');
    await using agent = startVerifier({ cluster, journal });
    agent.offer(runOf(first, { serviceAccount: 'deployer' }));
    await until(() => expect(jobs()).toHaveLength(1));
    finish(first, 'Complete');
    await until(() => expect(journal.result(first)?.outcome).toBe('passed'));
    expect(journal.result(first)?.logTail).toMatch(
      /^\(the logs could not be read: .*grant it to the unit's service account/,
    );
  });
});

test('no more runs are worked on at once than the limit', async () => {
  const { cluster, journal, jobs, finish } = createWorld();
  await using agent = startVerifier({ cluster, journal });
  const ids = Array.from({ length: 10 }, (_, index) => `01jd00000000000000000001${index}0`);
  agent.offer(...ids.map((id) => runOf(id)));
  await until(() => expect(jobs()).toHaveLength(8));
  finish(ids[0] as string, 'Complete');
  await until(() => expect(jobs()).toHaveLength(9));
});
