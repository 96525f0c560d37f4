import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger } from '@fairlead/shared/log';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { streams } from '../domain/events.ts';
import { gatePolicyDefault } from '../domain/pipeline/defaults.ts';
import type { MetricRule, PipelineDefinition } from '../domain/pipeline/definition.ts';
import { createMetricSource } from '../metric-source/index.ts';
import {
  append,
  commitId,
  definition,
  type Fixture,
  openFixture,
} from '../read-model/testing/index.ts';
import { createMetricReactor } from './index.ts';

// A real log, read model and HTTP source; the clock is the test's.
const intervalMs = 60_000;
const silent = createLogger('test', 'silent');
const values: (number | 'down')[] = [];
let asked = 0;
const server = createServer((_, response) => {
  asked++;
  const value = values.shift() ?? 0;
  if (value === 'down') response.writeHead(503).end();
  else response.end(JSON.stringify({ value }));
});
let fixture: Fixture;
let url: string;
let now = 1_000_000;
let stops: (() => Promise<void>)[] = [];

function start() {
  const stop = new AbortController();
  const { readModel } = fixture;
  const reactor = createMetricReactor({
    openAnalyses: readModel.openAnalyses,
    recordSample: readModel.recordSample,
    read: createMetricSource({
      allowedHosts: [new URL(url).host],
      readSecret: async () => undefined,
    }),
    clock: { now: () => now },
    signal: stop.signal,
    logger: silent,
  });
  const end = async () => {
    stop.abort();
    await reactor.stopped;
  };
  stops.push(end);
  return { ...reactor, end };
}
const samples = () => fixture.readModel.metricSamplesOf('checkout' as never);
const untilSampled = (count: number) =>
  vi.waitFor(() => expect(samples()).toHaveLength(count), { timeout: 5_000, interval: 5 });
const started = (runId: string) =>
  append(fixture.log, streams.pipeline('checkout'), {
    type: 'MetricAnalysisStarted',
    stage: 'production' as never,
    release: commitId(1),
    name: 'errors',
    runId: runId as never,
    definitionRevision: 1,
    at: now,
    watchedMs: 0,
  });

beforeEach(async () => {
  now = 1_000_000;
  asked = 0;
  values.length = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  fixture = await openFixture();
  const rule: MetricRule = {
    name: 'errors',
    source: { kind: 'http', url, jsonPointer: '/value' },
    condition: { kind: 'fail-if', operator: '>', threshold: 0 },
    intervalMs,
    forMs: 3 * intervalMs,
    failureLimit: 0,
    noData: 'inconclusive',
  };
  const [staging, production] = definition('checkout').stages;
  const gated = {
    ...definition('checkout'),
    stages: [staging, { ...production, gates: { ...gatePolicyDefault, metrics: [rule] } }],
  } as PipelineDefinition;
  await append(fixture.log, streams.pipeline('checkout'), {
    type: 'PipelineDefined',
    revision: 1,
    definition: gated,
  });
});
afterEach(async () => {
  for (const stop of stops) await stop();
  stops = [];
  await fixture[Symbol.asyncDispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('takes a sample each interval, as many as the rule wants, and a failure is one without a number', async () => {
  await started('run00000001');
  await fixture.readModel.catchUp();
  const changed = vi.fn();
  fixture.readModel.onChanged(({ pipelines }) => changed([...pipelines]));
  const reactor = start();
  reactor.wake();
  values.push(0, 'down', 7, 9);
  for (const count of [1, 2, 3]) {
    now += intervalMs - 1;
    reactor.wake();
    expect(samples()).toHaveLength(count - 1);
    now += 1;
    reactor.wake();
    await untilSampled(count);
  }
  expect(samples()).toEqual([
    { runId: 'run00000001', at: 1_060_000, value: 0, message: '' },
    { runId: 'run00000001', at: 1_120_000, message: 'the source answers with status 503' },
    { runId: 'run00000001', at: 1_180_000, value: 7, message: '' },
  ]);
  // Whoever decides is woken by each.
  expect(changed.mock.calls).toEqual([[['checkout']], [['checkout']], [['checkout']]]);
  now += 10 * intervalMs;
  reactor.wake();
  await reactor.end();
  expect(asked).toBe(3);
});

it('goes on after a restart with what it has, and a fold anew keeps the samples', async () => {
  await started('run00000001');
  await fixture.readModel.catchUp();
  const first = start();
  now += intervalMs;
  first.wake();
  await untilSampled(1);
  await first.end();
  await fixture.readModel.rebuild();
  await fixture.reopen();
  expect(samples()).toHaveLength(1);
  const second = start();
  second.wake();
  now += intervalMs;
  second.wake();
  await untilSampled(2);
  expect(samples().map(({ at }) => at)).toEqual([1_060_000, 1_120_000]);
});

it('asks nothing for an analysis that has ended, and keeps no sample of it', async () => {
  await started('run00000001');
  await append(fixture.log, streams.pipeline('checkout'), {
    type: 'MetricAnalysisEnded',
    stage: 'production' as never,
    release: commitId(1),
    name: 'errors',
    runId: 'run00000001' as never,
    outcome: 'passed',
    message: '',
    samplesTotal: 3,
    samplesBad: 0,
    at: now,
  });
  await fixture.readModel.catchUp();
  const reactor = start();
  now += 10 * intervalMs;
  reactor.wake();
  await reactor.end();
  expect(asked).toBe(0);
  fixture.readModel.recordSample({ runId: 'run00000001', at: now, value: 1, message: '' });
  expect(samples()).toEqual([]);
});
