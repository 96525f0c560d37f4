import type { NewId, PipelineName } from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import { afterEach, beforeEach, expect, it, test } from 'vitest';
import { exitCodes } from '../cli/exit-codes.ts';
import { createTerminal } from '../cli/testing/index.ts';
import { streams } from '../domain/events.ts';
import { gatePolicyDefault } from '../domain/pipeline/defaults.ts';
import type { PipelineDefinition } from '../domain/pipeline/definition.ts';
import { createSnapshotReader } from '../reactors/index.ts';
import {
  append,
  clusterAdded,
  clusterConnected,
  clusterEnrolled,
  clusterId,
  commitId,
  definition,
  releasesDiscovered,
  report,
  repositoryDefined,
} from '../read-model/testing/index.ts';
import { type HttpFixture, startHttpFixture } from './testing/server.ts';

// A real log, read model and server: what an agent says is written as the ingest writes it.
const hub = { kind: 'hub', name: 'test' } as const;
const checkout = 'checkout' as PipelineName;
const now = 5_000;
let api: HttpFixture;
let ids = 0;

const [stagingDefinition, productionDefinition] = definition('checkout').stages;
const gated = {
  ...definition('checkout'),
  stages: [
    stagingDefinition,
    {
      ...productionDefinition,
      gates: {
        ...gatePolicyDefault,
        verifications: [
          {
            name: 'smoke',
            job: 'apps/verify/smoke.yaml',
            timeoutMs: 60_000,
            in: [],
            clusters: 'one',
          },
        ],
      },
    },
  ],
} as PipelineDefinition;

/** One look of the loop that decides. */
async function advance(at = now): Promise<void> {
  await api.readModel.catchUp();
  const features = ['verifications'];
  const read = createSnapshotReader({
    clusterSnapshots: () =>
      api.readModel.clusterSnapshots().map((cluster) => ({ ...cluster, features })),
    reportsOf: api.readModel.snapshotOf,
    commands: api.commands,
    statusesOfPipeline: api.readModel.statusesOfPipeline,
    verificationsOf: api.readModel.verificationResultsOf,
    samplesOf: api.readModel.metricSamplesOf,
    watchedMs: () => at,
  });
  const snapshot = await read(checkout, at);
  const newIds = Array.from({ length: 4 }, () => `run${String(++ids).padStart(8, '0')}` as NewId);
  expectOk(
    await api.commands.pipeline(checkout, { type: 'advance', snapshot, newIds }, hub),
    'an advance',
  );
  await api.readModel.catchUp();
}

const [eu1, eu2, us1] = ['eu-1', 'eu-2', 'us-1'].map(clusterId);
const orders = (cluster = eu1) => api.readModel.verificationOrdersOf(cluster as never, now);
let sequence = 0;
const say = (outcome: 'passed' | 'failed', change: object = {}) =>
  api.readModel.recordReports([], ++sequence, [
    {
      runId: orders()[0]?.runId ?? '',
      cluster: eu1 as never,
      outcome,
      message: 'the Job has completed',
      logTail: '--- smoke/main\nGET /health: 200\u001b[2J\n',
      logTruncated: false,
      receivedAt: now,
      ...change,
    },
  ]);
const fairlead = (...args: string[]) =>
  createTerminal({
    environment: { FAIRLEAD_URL: api.url, FAIRLEAD_TOKEN: api.adminToken },
    at: now + 60_000,
  }).run(...args);

beforeEach(async () => {
  api = await startHttpFixture();
  const { log } = api;
  await append(log, streams.repository('environments'), repositoryDefined);
  for (const [name, environment] of [
    ['eu-1', 'staging'],
    ['eu-2', 'staging'],
    ['us-1', 'production'],
  ] as const) {
    await append(
      log,
      streams.cluster(name),
      clusterAdded(name, { environment }),
      clusterEnrolled(name),
      clusterConnected,
    );
  }
  const command = { type: 'define-pipeline', definition: gated } as const;
  expectOk(await api.commands.pipeline(checkout, command, hub), 'a definition');
  await append(log, streams.pipeline('checkout'), releasesDiscovered(1));
  await advance();
  const reports = ['eu-1', 'eu-2'].map((name) => {
    const target = api.readModel.assignment(clusterId(name), 'checkout', 'staging');
    const { generation = 0, commit = commitId(1) } = target ?? {};
    return report(name, 'checkout', { generation, commit, receivedAt: now });
  });
  api.readModel.recordReports(reports, ++sequence);
  await advance();
}, 60_000);
afterEach(() => api[Symbol.asyncDispose]());

it('orders the Job of exactly one cluster, complete, and lists it until its result is in', async () => {
  expect(orders(eu2)).toEqual([]);
  expect(orders(us1)).toEqual([]);
  expect(orders()).toMatchObject([
    {
      name: 'smoke',
      file: 'smoke.yaml',
      timeoutMs: 60_000,
      assignment: {
        stage: 'staging',
        commit: commitId(1),
        path: 'apps/verify',
        root: 'apps',
        generation: 1,
        apply: { namespace: 'default' },
      },
    },
  ]);
  say('passed');
  expect(orders()).toHaveLength(1);
  await advance();
  expect(orders()).toEqual([]);
  expect(api.readModel.assignment(us1 as never, 'checkout', 'production')).toMatchObject({
    commit: commitId(1),
  });
});

it('a run past its deadline is listed no more, whatever else happens', () => {
  const deadline = now + 60_000 + 120_000;
  expect(api.readModel.verificationOrdersOf(eu1 as never, deadline - 1)).toHaveLength(1);
  expect(api.readModel.verificationOrdersOf(eu1 as never, deadline)).toEqual([]);
});

test.each<[string, () => object]>([
  ['of no run', () => ({ runId: 'nosuchrun0' })],
  ['of another cluster', () => ({ cluster: eu2 })],
  ['after the deadline', () => ({ receivedAt: now + 180_001 })],
])('GATE-10: a result %s is kept nowhere', async (_, change) => {
  const before = orders()[0]?.runId ?? '';
  say('passed', change());
  expect(api.readModel.verificationResultsOf(checkout)).toEqual([]);
  expect(api.readModel.findVerificationRun(before)?.result).toBeUndefined();
  await advance();
  expect(orders()).toHaveLength(1);
});

it('GATE-10: of two results of a run the first counts, also when the stream is read again', async () => {
  say('failed', { message: 'no route' });
  say('passed');
  await advance();
  const run = api.readModel.listVerificationRuns({}, { limit: 10 }).items[0];
  expect(run).toMatchObject({ outcome: 'failed', message: 'no route' });
  await api.readModel.rebuild();
  const again = api.readModel.findVerificationRun(run?.runId ?? '');
  expect(again).toMatchObject({ outcome: 'failed', result: { message: 'no route' } });
});

it('people list runs, read their logs, and ask for another run', async () => {
  say('failed', { message: 'the Job has failed: BackoffLimitExceeded' });
  await advance();
  const listed = await fairlead('verification', 'list', 'checkout/production');
  const run = api.readModel.listVerificationRuns({}, { limit: 1 }).items[0]?.runId ?? '';
  expect(listed).toMatchObject({ code: 0 });
  expect(listed.out).toMatch(
    new RegExp(`${run} +checkout/production +smoke +a+1? +eu-1 .*failed +the Job has failed`),
  );
  expect((await fairlead('verification', 'list', 'checkout/staging')).out).toMatch(
    /^No verification/,
  );
  const logs = await fairlead('verification', 'logs', run);
  expect(logs.out).toBe(
    'smoke of aaaaaaaaaa in eu-1: failed: the Job has failed: BackoffLimitExceeded\n' +
      '--- smoke/main\nGET /health: 200[2J\n',
  );
  expect((await fairlead('verification', 'logs', 'nosuchrun')).code).toBe(exitCodes.notFound);

  // This hub's own snapshot knows of no agent that can run Jobs.
  const refused = await fairlead('verify', 'checkout/production', '--name', 'smoke');
  expect(refused.code).not.toBe(0);
  expect(refused.err).toMatch(/the agent of eu-1 has not said yet what it can do/);
  const unknown = await api.call('POST', '/api/v1/pipelines/checkout/stages/production:verify', {
    name: 'load',
  });
  expect(unknown).toMatchObject({ status: 409 });
  expect(unknown.body.detail).toBe('production asks for only smoke.');
});

it('only pipelines that have verifications wait for what an agent can do', async () => {
  const command = {
    type: 'define-pipeline',
    definition: { ...definition('search'), name: 'search' as PipelineName },
  } as const;
  expectOk(await api.commands.pipeline('search' as PipelineName, command, hub), 'a definition');
  await api.readModel.catchUp();
  expect(api.readModel.pipelineNames()).toEqual(['checkout', 'search']);
  expect(api.readModel.verifyingPipelines()).toEqual(['checkout']);
});

it('a removed pipeline wants nothing run any more', async () => {
  await api.commands.pipeline(checkout, { type: 'remove-pipeline' }, hub);
  await api.readModel.catchUp();
  expect(orders()).toEqual([]);
});
