import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommitId, PipelineName, RepositoryName } from '@fairlead/shared/ids';
import { createLogger } from '@fairlead/shared/log';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type CommandHandler, createCommandHandler } from '../commands/index.ts';
import { type DecisionLog, openSqliteDecisionLog } from '../decision-log/index.ts';
import type { PipelineDefinition, RepositoryDefinition } from '../domain/pipeline/definition.ts';
import { completeDefinition } from '../domain/pipeline/index.ts';
import { snapshotOf } from '../domain/promotion/index.ts';
import { createNativeGit, type Git } from '../git/index.ts';
import {
  createGitHost,
  createUpstream,
  type GitHost,
  type Upstream,
} from '../git/testing/index.ts';
import { createRepositoryReactor } from './repositories.ts';

vi.setConfig({ testTimeout: 180_000 });

const shop = 'shop' as RepositoryName;
const actor = { kind: 'hub', name: 'test' } as const;
const minute = 60_000;
let root: string;
let git: Git;
let host: GitHost;
let upstream: Upstream;
let log: DecisionLog;
let commands: CommandHandler;
let definitions: PipelineDefinition[];
let stop: AbortController;
const clock = { time: 1_000_000, now: () => clock.time };

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'fairlead-repositories-'));
  git = createNativeGit({ environment: process.env });
  host = await createGitHost({ root, environment: process.env });
  upstream = createUpstream(join(root, 'upstream'), process.env);
  log = await openSqliteDecisionLog({ path: join(root, 'log.sqlite') });
  commands = createCommandHandler({ log, clock });
  definitions = [];
  stop = new AbortController();
  await commands.repository(shop, { type: 'define-repository', definition: repository() }, actor);
});
afterEach(async () => {
  stop.abort();
  await git.close();
  await host[Symbol.asyncDispose]();
  await log.close();
  rmSync(root, { recursive: true, force: true });
});

const repository = (): RepositoryDefinition => ({
  name: shop,
  project: 'default' as never,
  url: host.url('upstream'),
  branch: 'main',
  pollIntervalMs: 3_600_000,
});

async function define(
  name: string,
  folder: string,
  releases: Partial<PipelineDefinition['releases']> = {},
) {
  const definition = completeDefinition({
    name: name as PipelineName,
    project: 'default' as never,
    repository: shop,
    include: [`${folder}/**`],
    exclude: [],
    releases,
    stages: [
      {
        name: 'staging' as never,
        clusters: { matchLabels: { environment: 'staging' } },
        path: folder,
        promote: 'automatic',
      } as never,
    ],
  });
  definitions.push(definition);
  await commands.pipeline(definition.name, { type: 'define-pipeline', definition }, actor);
}

/** A hub's reactor; `look` is one poll from its start to its end. */
function startReactor(on: Git = git, handler = commands) {
  let polls = 0;
  let failed = 0;
  const own = new AbortController();
  stop.signal.addEventListener('abort', () => own.abort());
  const reactor = createRepositoryReactor({
    git: on,
    commands: handler,
    repositories: () => [{ ...repository(), failing: false }],
    pipelinesOf: () => definitions,
    credentialsOf: async () => undefined,
    mirrorsDirectory: join(root, 'mirrors'),
    clock,
    random: { nextId: () => '', nextFraction: () => 0.99 },
    signal: own.signal,
    logger: createLogger('test', 'silent'),
    releasesDiscoveredBefore: () => [],
    onPolled: (isFailed) => {
      polls++;
      if (isFailed) failed++;
    },
  });
  reactor.refresh();
  return {
    failed: () => failed,
    look: async () => {
      const before = polls;
      reactor.hint(shop);
      await vi.waitFor(() => expect(polls).toBeGreaterThan(before), {
        timeout: 90_000,
        interval: 5,
      });
    },
    end: async () => {
      own.abort();
      await reactor.ended();
    },
  };
}

async function releasesOf(name = 'checkout'): Promise<CommitId[]> {
  const state = await commands.pipelineState(name as PipelineName);
  return state.status === 'undefined' ? [] : state.releases.map(({ commit }) => commit);
}
const timePasses = async (ms: number, name = 'checkout') => {
  clock.time += ms;
  const snapshot = snapshotOf({ at: clock.time, clusters: [], reports: [] });
  await commands.pipeline(name as PipelineName, { type: 'advance', snapshot, newIds: [] }, actor);
};

it('SRC-12: 1,000 pipelines on one repository cost one fetch, one walk and each commit once a look', async () => {
  for (let index = 0; index < 1_000; index++) await define(`p${index}`, `apps/p${index}`);
  const files = (value: string) =>
    Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`apps/p${index}/x`, value]));
  upstream.commit({ files: files('1') });
  const calls = {
    fetchMirror: 0,
    countFirstParents: 0,
    unreachableFrom: 0,
    readObject: 0,
    keepRef: 0,
  };
  const counting = { ...git };
  for (const name of Object.keys(calls) as (keyof typeof calls)[]) {
    counting[name] = ((...given: never[]) => {
      calls[name]++;
      return (git[name] as (...all: never[]) => unknown)(...given);
    }) as never;
  }
  const reactor = startReactor(counting);
  await reactor.look();
  expect(calls.keepRef).toBe(1);
  const second = upstream.commit({ files: { 'apps/p7/x': '2', 'apps/p900/x': '2' } });
  const before = { ...calls };
  const requests = host.requests();
  await reactor.look();
  expect(await releasesOf('p7')).toHaveLength(2);
  expect((await releasesOf('p900')).at(-1)).toBe(second);
  expect(await releasesOf('p8')).toHaveLength(1);
  expect(calls.fetchMirror - before.fetchMirror).toBe(1);
  expect(calls.countFirstParents - before.countFirstParents).toBeLessThanOrEqual(2);
  expect(calls.keepRef - before.keepRef).toBe(1);
  expect(calls.unreachableFrom - before.unreachableFrom).toBe(1);
  expect(calls.readObject - before.readObject).toBeLessThan(30);
  // What one `git fetch` needs, however many pipelines there are.
  expect(host.requests() - requests).toBeLessThanOrEqual(3);
});

it('SRC-10: over a restart of the hub, commits within the quiet period are one release, made once', async () => {
  await define('checkout', 'apps', { quietPeriodMs: 10 * minute });
  upstream.commit({ files: { 'apps/x': '1' } });
  const first = startReactor();
  await first.look();
  await first.end();
  await timePasses(6 * minute);
  const last = upstream.commit({ files: { 'apps/y': '1' } });
  commands = createCommandHandler({ log, clock });
  const second = startReactor();
  await second.look();
  await timePasses(6 * minute);
  expect(await releasesOf()).toEqual([]);
  await timePasses(4 * minute);
  await second.look();
  expect(await releasesOf()).toEqual([last]);
});

it('SRC-10: no release is ever made of half a change', async () => {
  const mustMatch = [{ paths: ['apps/web', 'apps/api'], pattern: '(.*)' }];
  await define('checkout', 'apps', { mustMatch });
  const reactor = startReactor();
  const whole: CommitId[] = [];
  for (const value of ['1', '2', '3']) {
    upstream.commit({ files: { 'apps/web': value } });
    await reactor.look();
    whole.push(upstream.commit({ files: { 'apps/api': value } }));
    await reactor.look();
  }
  expect(await releasesOf()).toEqual(whole);
});

it('SRC-13, SRC-01: two hubs that discover at once, again and again, make each release once and in order', async () => {
  await define('checkout', 'apps');
  const otherLog = await openSqliteDecisionLog({ path: join(root, 'log.sqlite') });
  const other = createCommandHandler({ log: otherLog, clock });
  const reactors = [startReactor(), startReactor(git, other)];
  const made: CommitId[] = [];
  for (const value of ['1', '2', '3', '4']) {
    made.push(upstream.commit({ files: { 'apps/x': value }, date: 2_000_000_000 - Number(value) }));
    await Promise.all(reactors.map(({ look }) => look()));
  }
  expect(await releasesOf()).toEqual(made);
  await Promise.all(reactors.map(({ end }) => end()));
  await otherLog.close();
});

it('SRC-06, SRC-04: while the repository is away nothing is invented and what is known stays', async () => {
  await define('checkout', 'apps');
  const first = upstream.commit({ files: { 'apps/x': '1' } });
  const reactor = startReactor();
  await reactor.look();
  upstream.git('branch', '--move', 'main', 'renamed');
  await reactor.look();
  await reactor.look();
  expect(reactor.failed()).toBe(2);
  expect(await releasesOf()).toEqual([first]);
  const types: string[] = [];
  for await (const { event } of log.readStream(`repository/${shop}`)) types.push(event.type);
  expect(types.filter((type) => type === 'DiscoveryFailed')).toHaveLength(1);
});
