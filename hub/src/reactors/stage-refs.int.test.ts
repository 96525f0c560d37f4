import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  ClusterId,
  CommitId,
  NewId,
  PipelineName,
  RepositoryName,
} from '@fairlead/shared/ids';
import { createLogger } from '@fairlead/shared/log';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CommandHandler, createCommandHandler } from '../commands/index.ts';
import { type DecisionLog, openSqliteDecisionLog } from '../decision-log/index.ts';
import type { RepositoryDefinition } from '../domain/pipeline/definition.ts';
import { completeDefinition } from '../domain/pipeline/index.ts';
import {
  type ClusterSnapshot,
  explain,
  type PipelineEvent,
  snapshotOf,
  type TargetReport,
} from '../domain/promotion/index.ts';
import { createIsomorphicGit, createNativeGit, type Git } from '../git/index.ts';
import {
  createGitHost,
  createUpstream,
  type GitHost,
  type Upstream,
} from '../git/testing/index.ts';
import { stageRefSweepMs } from '../limits.ts';
import { mirrorDirectory } from './repositories.ts';
import { createStageRefReactor } from './stage-refs.ts';

vi.setConfig({ testTimeout: 120_000 });

const shop = 'shop' as RepositoryName;
const checkout = 'checkout' as PipelineName;
const staging = 'staging' as never;
const ref = 'refs/heads/fairlead/checkout/staging';
const actor = { kind: 'hub', name: 'test' } as const;
const clock = { time: 1_000_000, now: () => clock.time };

const implementations: [string, () => Git][] = [
  ['native', () => createNativeGit({ environment: process.env })],
  ['isomorphic-git', () => createIsomorphicGit()],
];

describe.each(implementations)('stage refs by %s', (_, create) => {
  let root: string;
  let git: Git;
  let host: GitHost;
  let upstream: Upstream;
  let log: DecisionLog;
  let commands: CommandHandler;
  let stop: AbortController;
  let position = 0;
  let ids = 0;

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'fairlead-stage-refs-'));
    git = create();
    host = await createGitHost({ root, environment: process.env });
    upstream = createUpstream(join(root, 'upstream'), process.env);
    upstream.git('config', 'http.receivepack', 'true');
    log = await openSqliteDecisionLog({ path: join(root, 'log.sqlite') });
    commands = createCommandHandler({ log, clock });
    stop = new AbortController();
    position = 0;
    await commands.pipeline(checkout, { type: 'define-pipeline', definition }, actor);
  });
  afterEach(async () => {
    stop.abort();
    await git.close();
    await host[Symbol.asyncDispose]();
    await log.close();
    rmSync(root, { recursive: true, force: true });
  });

  const definition = completeDefinition({
    name: checkout,
    project: 'default' as never,
    repository: shop,
    include: ['apps/**'],
    exclude: [],
    stages: [
      {
        name: staging,
        clusters: { matchLabels: { environment: 'staging' } },
        path: 'apps',
        promote: 'automatic',
      } as never,
    ],
  });
  const repository = (): RepositoryDefinition => ({
    name: shop,
    project: 'default' as never,
    url: host.url('upstream'),
    branch: 'main',
    pollIntervalMs: 60_000,
    stageRefs: true,
  });
  const directory = () => mirrorDirectory(join(root, 'mirrors'), shop);

  const act = async (command: Parameters<CommandHandler['pipeline']>[1]) => {
    const done = await commands.pipeline(checkout, command, actor);
    if (!done.ok) throw new Error(JSON.stringify(done.error));
    return done.value;
  };
  const state = async () => {
    const now = await commands.pipelineState(checkout);
    if (now.status !== 'active') throw new Error(`the pipeline is ${now.status}`);
    return now;
  };
  const cluster: ClusterSnapshot = {
    id: 'stg' as ClusterId,
    name: 'stg' as never,
    labels: { environment: 'staging' },
    status: 'connected',
  };

  /** A commit on the branch succeeds in staging. */
  async function succeed(files: Record<string, string>): Promise<CommitId> {
    const commit = upstream.commit({ files });
    await git.fetchMirror({ url: repository().url, branch: 'main', directory: directory() });
    await git.keepRef(directory(), commit);
    const release = {
      commit,
      position: ++position,
      subject: '',
      authorName: '',
      authorEmail: '',
      committedAt: 0,
    };
    const onBranch = [...(await state()).releases.map((one) => one.commit), commit];
    const { time: at } = clock;
    await act({ type: 'record-branch', head: commit, releases: [release], onBranch, at });
    await look([]);
    const target = [...(await state()).stages.values()]
      .flatMap(({ targets }) => targets.buckets.flatMap((bucket) => [...(bucket?.values() ?? [])]))
      .at(0);
    await look([
      {
        stage: staging,
        cluster: cluster.id,
        agentEpoch: 'e',
        sequence: position,
        generation: target?.generation ?? 0,
        commit,
        phase: 'settled',
        health: 'healthy',
        message: '',
        terminal: false,
        receivedAt: clock.time,
        objectsTotal: 1,
        pruneHeldObjects: 0,
        pruneHeldDigest: '',
      },
    ]);
    expect((await state()).stages.get(staging)?.current?.release).toBe(commit);
    return commit;
  }
  const look = (reports: TargetReport[]) =>
    act({
      type: 'advance',
      snapshot: snapshotOf({ at: clock.time, clusters: [cluster], reports }),
      newIds: [`rollout00${++ids}` as NewId],
    });

  /** One whole look of a hub that starts, so that it knows nothing but the log. */
  async function reconcile(on: Git = git, handler = commands): Promise<void> {
    const own = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    let looks = 0;
    const reactor = createStageRefReactor({
      git: on,
      commands: handler,
      // Asked once a run: the second time tells that the first is over.
      repositories: () => {
        if (++looks === 2) resolve();
        return looks === 1 ? [repository()] : [];
      },
      pipelinesOf: () => [definition],
      credentialsOf: async () => undefined,
      mirrorsDirectory: join(root, 'mirrors'),
      clock,
      signal: own.signal,
      logger: createLogger('test', 'silent'),
    });
    reactor.wake();
    await promise;
    own.abort();
    await reactor.stopped;
  }
  const remote = (): string | undefined =>
    upstream.git('for-each-ref', '--format=%(objectname)', ref) || undefined;
  const recorded = async (): Promise<PipelineEvent[]> => {
    const events: PipelineEvent[] = [];
    for await (const { event } of log.readStream(`pipeline/${checkout}`)) {
      if (event.type.startsWith('StageRef')) events.push(event as PipelineEvent);
    }
    return events;
  };
  const summary = async () =>
    explain(
      await state(),
      staging,
      snapshotOf({ at: clock.time, clusters: [cluster], reports: [] }),
    )?.summary;
  /** The same Git with its pushes counted. */
  const counting = () => {
    const counts = { pushes: 0, lists: 0 };
    const on: Git = {
      ...git,
      pushRef: (request) => {
        counts.pushes++;
        return git.pushRef(request);
      },
      listRemoteRefs: (request) => {
        counts.lists++;
        return git.listRemoteRefs(request);
      },
    };
    return { counts, on };
  };
  /** A person commits to the branch of the stage. */
  const commitToRef = (): CommitId => {
    upstream.git('checkout', '--quiet', '-B', 'work', ref);
    const foreign = upstream.commit({ files: { by: 'hand' } });
    upstream.git('checkout', '--quiet', 'main');
    upstream.git('update-ref', ref, foreign);
    return foreign;
  };

  it('PR-06, PR-09: the branch follows the stage, without a difference nothing is pushed, also after a restart', async () => {
    const first = await succeed({ 'apps/x': '1' });
    await reconcile();
    expect(remote()).toBe(first);
    const second = await succeed({ 'apps/x': '2' });
    await reconcile();
    expect(remote()).toBe(second);
    expect(await recorded()).toMatchObject([
      { type: 'StageRefPushed', ref, commit: first },
      { type: 'StageRefPushed', ref, commit: second },
    ]);
    commands = createCommandHandler({ log, clock });
    const { counts, on } = counting();
    for (let start = 0; start < 3; start++) await reconcile(on);
    expect(counts).toEqual({ pushes: 0, lists: 3 });
    expect(await recorded()).toHaveLength(2);
  });

  it('PR-01: several hubs at once bring it there, each success on record, none undone', async () => {
    const otherLog = await openSqliteDecisionLog({ path: join(root, 'log.sqlite') });
    const others = Array.from({ length: 3 }, () => createCommandHandler({ log: otherLog, clock }));
    const made: CommitId[] = [];
    for (const value of ['1', '2', '3']) {
      made.push(await succeed({ 'apps/x': value }));
      await Promise.all([reconcile(), ...others.map((handler) => reconcile(git, handler))]);
      expect(remote()).toBe(made.at(-1));
    }
    const events = await recorded();
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['StageRefPushed']));
    expect(new Set(events.map((event) => 'commit' in event && event.commit))).toEqual(
      new Set(made),
    );
    await otherLog.close();
  });

  it('PR-02: a commit that the hub did not put there halts it, with both told, and a person resolves it', async () => {
    const first = await succeed({ 'apps/x': '1' });
    await reconcile();
    const foreign = commitToRef();
    const second = await succeed({ 'apps/x': '2' });
    await reconcile();
    await reconcile();
    expect(remote()).toBe(foreign);
    expect(await recorded()).toMatchObject([
      { type: 'StageRefPushed', commit: first },
      { type: 'StageRefHalted', commit: second, found: foreign },
    ]);
    expect(await summary()).toContain(
      `fairlead/checkout/staging holds ${foreign.slice(0, 8)}, which the hub did not put there, ` +
        `and is to hold ${second.slice(0, 8)}`,
    );
    await expect(
      act({ type: 'overwrite-stage-ref', stage: staging, found: first, reason: 'x' }),
    ).rejects.toThrow('is not halted by');
    await act({
      type: 'overwrite-stage-ref',
      stage: staging,
      found: foreign,
      reason: 'by mistake',
    });
    await reconcile();
    expect(remote()).toBe(second);
    expect(await summary()).not.toContain('fairlead/checkout');
  });

  it('PR-02: what came after a person gave a commit up is not pushed over', async () => {
    await succeed({ 'apps/x': '1' });
    await reconcile();
    const foreign = commitToRef();
    await reconcile();
    await act({
      type: 'overwrite-stage-ref',
      stage: staging,
      found: foreign,
      reason: 'by mistake',
    });
    const later = commitToRef();
    await reconcile();
    expect(remote()).toBe(later);
    expect((await recorded()).at(-1)).toMatchObject({ type: 'StageRefHalted', found: later });
  });

  it('PR-02, PR-04: deleted by a person, a halted branch is made again and follows the stage', async () => {
    await succeed({ 'apps/x': '1' });
    await reconcile();
    commitToRef();
    const second = await succeed({ 'apps/x': '2' });
    await reconcile();
    upstream.git('update-ref', '-d', ref);
    await reconcile();
    expect(remote()).toBe(second);
  });

  it('PR-04: a branch that is deleted again and again is made again once for each release, and said so', async () => {
    const first = await succeed({ 'apps/x': '1' });
    await reconcile();
    upstream.git('update-ref', '-d', ref);
    await reconcile();
    expect(remote()).toBe(first);
    upstream.git('update-ref', '-d', ref);
    const { counts, on } = counting();
    for (let looks = 0; looks < 5; looks++) await reconcile(on);
    expect(remote()).toBeUndefined();
    expect(counts).toEqual({ pushes: 0, lists: 5 });
    expect(await summary()).toContain('set again with the next release');
    const second = await succeed({ 'apps/x': '2' });
    await reconcile();
    expect(remote()).toBe(second);
  });

  it('PR-05: a push whose answer is lost, or whose record is, is found at the remote and not done again', async () => {
    const first = await succeed({ 'apps/x': '1' });
    host.loseAnswers(1);
    const { counts, on } = counting();
    await reconcile(on);
    expect(counts.pushes).toBe(1);
    expect(await recorded()).toMatchObject([
      { type: 'StageRefPushed', commit: first, found: true },
    ]);

    const second = await succeed({ 'apps/x': '2' });
    // The hub is killed between the push and its record.
    await git.pushRef({
      url: repository().url,
      directory: directory(),
      ref,
      commit: second,
      expected: first,
    });
    commands = createCommandHandler({ log, clock });
    await reconcile(on);
    expect(counts.pushes).toBe(1);
    expect((await recorded()).at(-1)).toMatchObject({ commit: second, found: true });
  });

  it.each([502, 504, 429])(
    'PR-07: after %d it waits and tries again, and the stage goes on meanwhile',
    async (status) => {
      await succeed({ 'apps/x': '1' });
      host.answer(status, 100);
      await reconcile();
      await reconcile();
      expect((await recorded()).map(({ type }) => type)).toEqual(['StageRefFailed']);
      expect(await summary()).toContain('Its branch fairlead/checkout/staging is not at');
      host.answer(0, 0);
      const second = await succeed({ 'apps/x': '2' });
      await reconcile();
      expect(remote()).toBe(second);
      expect(await summary()).not.toContain('fairlead/checkout');
    },
  );

  it('PR-07: one hub asks a host that is away again only after a pause that doubles', async () => {
    await succeed({ 'apps/x': '1' });
    const { counts, on } = counting();
    host.setReachable(false);
    let runs = 0;
    const reactor = createStageRefReactor({
      git: on,
      commands,
      repositories: () => {
        runs++;
        return [repository()];
      },
      pipelinesOf: () => [definition],
      credentialsOf: async () => undefined,
      mirrorsDirectory: join(root, 'mirrors'),
      clock,
      signal: stop.signal,
      logger: createLogger('test', 'silent'),
    });
    const wake = async () => {
      const before = runs;
      reactor.wake();
      await vi.waitFor(() => expect(runs).toBeGreaterThan(before), {
        timeout: 20_000,
        interval: 5,
      });
    };
    await vi.waitFor(() => expect(counts.lists).toBe(1), { timeout: 20_000, interval: 5 });
    for (let wakes = 0; wakes < 5; wakes++) await wake();
    expect(counts.lists).toBe(1);
    clock.time += 5_000;
    await vi.waitFor(async () => {
      await wake();
      expect(counts.lists).toBe(2);
    });
    clock.time += 5_000;
    for (let wakes = 0; wakes < 5; wakes++) await wake();
    expect(counts.lists).toBe(2);
    host.setReachable(true);
    clock.time += stageRefSweepMs;
    await vi.waitFor(
      async () => {
        await wake();
        expect(remote()).toBeDefined();
      },
      { timeout: 20_000 },
    );
    stop.abort();
    await reactor.stopped;
  });

  it('PR-08: what comes to the branch for something else moves no stage and pushes nothing', async () => {
    const first = await succeed({ 'apps/x': '1' });
    await reconcile();
    upstream.commit({ files: { 'other/x': '1' } });
    await git.fetchMirror({ url: repository().url, branch: 'main', directory: directory() });
    const { counts, on } = counting();
    await reconcile(on);
    expect(counts.pushes).toBe(0);
    expect(remote()).toBe(first);
  });
});
