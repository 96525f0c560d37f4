import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommitId, PipelineName } from '@fairlead/shared/ids';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  createNativeGit,
  createRepositoryPoller,
  type DiscoveryMemory,
  discover,
  type Git,
  type PipelineToDiscover,
  type ReleaseContent,
} from './index.ts';
import { createGitHost, createUpstream, type GitHost, type Upstream } from './testing/index.ts';

let root: string;
let git: Git;
let host: GitHost;
let upstream: Upstream;
let directory: string;
let count = 0;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'fairlead-discover-'));
  git = createNativeGit({ environment: process.env, allowFile: true });
  host = await createGitHost({ root, environment: process.env });
});
afterAll(async () => {
  await git.close();
  await host[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  count++;
  upstream = createUpstream(join(root, `upstream-${count}`), process.env);
  directory = join(root, `mirror-${count}.git`);
});

const pipeline = (
  name: string,
  include: string[],
  more: Partial<PipelineToDiscover> = {},
): PipelineToDiscover => ({
  name: name as PipelineName,
  include,
  exclude: [],
  known: [],
  ...more,
});

async function tick(pipelines: PipelineToDiscover[], previousHead?: CommitId, on: Git = git) {
  const { head } = await git.fetchMirror({ url: upstream.url, branch: 'main', directory });
  const { move, pipelines: found } = await discover({
    git: on,
    directory,
    head,
    previousHead,
    pipelines,
  });
  const commits = found.map(({ releases }) => releases.map(({ commit }) => commit));
  return { head, move, found, commits, onBranch: found.map(({ onBranch }) => onBranch) };
}

const all = (known: CommitId[] = []) => pipeline('all', ['**'], { known });
const moveTo = (commit: CommitId) => upstream.git('reset', '--hard', '--quiet', commit);

test('the first discovery finds the newest release of each pipeline, with its place and its author', async () => {
  upstream.commit({ files: { 'a/x': '1' } });
  const second = upstream.commit({ files: { 'a/x': '2' }, message: 'Raise x' });
  const third = upstream.commit({ files: { 'b/x': '1' } });
  const { move, found, commits } = await tick([
    pipeline('a', ['a/**']),
    pipeline('b', ['b/**']),
    pipeline('none', ['c/**']),
  ]);
  expect(move).toBe('first');
  expect(commits).toEqual([[second], [third], []]);
  expect(found[0]?.releases[0]).toEqual({
    commit: second,
    position: 2,
    subject: 'Raise x',
    authorName: 'Ada Example',
    authorEmail: 'ada@example.com',
    committedAt: expect.any(Number),
  });
});

test('the first release is not looked for beyond 500 commits', async () => {
  const old = upstream.commit({ files: { 'a/x': '1' } });
  const lines = Array.from(
    { length: 500 },
    (_, index) =>
      `commit refs/heads/main\ncommitter B <b@x> ${1_800_000_000 + index} +0000\ndata 1\nx\n` +
      `${index === 0 ? `from ${old}\n` : ''}M 100644 inline n\ndata <<E\n${index}\nE\n\n`,
  );
  const { execFileSync } = await import('node:child_process');
  execFileSync('git', ['fast-import', '--quiet'], {
    cwd: upstream.directory,
    input: lines.join(''),
  });
  expect((await tick([pipeline('a', ['a/**'])])).commits).toEqual([[]]);
  upstream.git('branch', '--force', 'shorter', 'main~1');
  upstream.git('update-ref', 'refs/heads/main', 'shorter');
  expect((await tick([pipeline('a', ['a/**'])])).commits).toEqual([[old]]);
});

test('afterwards each new matching commit is a release, oldest first, by place and not by date', async () => {
  const first = upstream.commit({ files: { x: '1' } });
  const { head } = await tick([all()]);
  const second = upstream.commit({ files: { x: '2' }, date: 2_000_000_000 });
  const third = upstream.commit({ files: { x: '3' }, date: 1_000_000_000 });
  upstream.commit({ message: 'changes nothing' });
  const fifth = upstream.commit({ files: { x: '5' }, date: 1_500_000_000 });
  const next = await tick([all([first])], head);
  expect(next.move).toBe('forward');
  expect(next.commits).toEqual([[second, third, fifth]]);
  expect(next.found[0]?.releases.map(({ position }) => position)).toEqual([2, 3, 5]);
  expect(next.onBranch).toEqual([[first, second, third, fifth]]);
});

test('SRC-02 SRC-13 discovering again finds nothing new', async () => {
  const first = upstream.commit({ files: { x: '1' } });
  const second = upstream.commit({ files: { x: '2' } });
  const again = await tick([all([first, second])], second);
  expect(again).toMatchObject({ move: 'none', found: [] });
  // A head that an older discovery recorded gives no known release a second time.
  expect((await tick([all([first, second])], first)).commits).toEqual([[]]);
});

test('a merge is one release for what it brings, the commits of its branch are none', async () => {
  const first = upstream.commit({ files: { a: '1' } });
  upstream.git('checkout', '--quiet', '-b', 'feature');
  upstream.commit({ files: { 'apps/x': '1' } });
  upstream.commit({ files: { 'apps/x': '2' } });
  upstream.git('checkout', '--quiet', 'main');
  upstream.git('merge', '--quiet', '--no-ff', '-m', 'merge', 'feature');
  const { commits } = await tick([pipeline('apps', ['apps/**'])], first);
  expect(commits).toEqual([[upstream.head()]]);
});

test('SRC-08 a commit counts if any of its files is included and not excluded', async () => {
  const first = upstream.commit({ files: { z: '1' } });
  upstream.commit({ files: { 'apps/README.md': '1' } });
  const both = upstream.commit({ files: { 'apps/README.md': '2', 'apps/.config/x.yaml': '1' } });
  upstream.commit({ files: { 'other/x.yaml': '1' } });
  const filtered = pipeline('apps', ['apps/**'], { exclude: ['**/*.md'] });
  expect((await tick([filtered], first)).commits).toEqual([[both]]);
});

test('SRC-07 a rename out of the path is a release of both pipelines', async () => {
  const first = upstream.commit({ files: { 'a/x': 'contents' } });
  const moved = upstream.commit({ files: { 'a/x': undefined, 'b/x': 'contents' } });
  const pipelines = [pipeline('a', ['a/**']), pipeline('b', ['b/**'])];
  expect((await tick(pipelines, first)).commits).toEqual([[moved], [moved]]);
});

test('SRC-03 a force-push drops releases, finds the new ones, and a reset brings the old ones back', async () => {
  const first = upstream.commit({ files: { x: '1' } });
  const second = upstream.commit({ files: { x: '2' } });
  const third = upstream.commit({ files: { x: '3' } });
  await tick([all()]);

  moveTo(first);
  const other = upstream.commit({ files: { x: 'other' } });
  const forced = await tick([all([first, second, third])], third);
  expect(forced).toMatchObject({
    move: 'forced',
    commits: [[other]],
    onBranch: [[first, other]],
  });

  moveTo(second);
  const known = [first, second, third, other];
  const reset = await tick([all(known)], other);
  expect(reset).toMatchObject({ move: 'forced', commits: [[]], onBranch: [[first, second]] });

  moveTo(third);
  const restored = await tick([all(known)], second);
  expect(restored).toMatchObject({
    move: 'forward',
    commits: [[]],
    onBranch: [[first, second, third]],
  });
});

test('SRC-03 a force-push to an unrelated history finds every commit of it', async () => {
  const first = upstream.commit({ files: { x: '1' } });
  const second = upstream.commit({ files: { x: '2' } });
  await tick([all()]);
  upstream.git('checkout', '--quiet', '--orphan', 'fresh');
  const root = upstream.commit({ files: { x: 'fresh' }, message: 'fresh' });
  upstream.git('branch', '--force', 'main', 'HEAD');
  const { move, commits, onBranch } = await tick([all([first, second])], second);
  expect({ move, commits, onBranch }).toEqual({
    move: 'forced',
    commits: [[root]],
    onBranch: [[root]],
  });
});

test('a mirror made anew goes on from the newest known release when the previous head is gone', async () => {
  const first = upstream.commit({ files: { x: '1' } });
  const gone = upstream.commit({ files: { x: 'gone' } });
  moveTo(first);
  const second = upstream.commit({ files: { x: '2' } });
  upstream.git('reflog', 'expire', '--expire=now', '--all');
  upstream.git('gc', '--quiet', '--prune=now');
  const { move, commits, onBranch } = await tick([all([first, gone])], gone);
  expect({ move, commits, onBranch }).toEqual({
    move: 'forced',
    commits: [[second]],
    onBranch: [[first, second]],
  });
});

test('a pipeline that comes later gets its first release, and the others nothing twice', async () => {
  const first = upstream.commit({ files: { 'a/x': '1' } });
  const second = upstream.commit({ files: { 'b/x': '1' } });
  const third = upstream.commit({ files: { 'a/x': '2' } });
  const { commits } = await tick(
    [pipeline('a', ['a/**'], { known: [first, third] }), pipeline('b', ['b/**'])],
    third,
  );
  expect(commits).toEqual([[second]]);
});

test('history without a release is searched once, and again when the filter changes', async () => {
  upstream.commit({ files: { 'a/x': '1' } });
  const second = upstream.commit({ files: { 'b/x': '1' } });
  const { head } = await git.fetchMirror({ url: upstream.url, branch: 'main', directory });
  let reads = 0;
  const counting: Git = {
    ...git,
    readObject: (mirror, id, bytesMax) => {
      reads++;
      return git.readObject(mirror, id, bytesMax);
    },
  };
  const memory: DiscoveryMemory = new Map();
  const look = async (name: string, previousHead?: CommitId, to = head) => {
    reads = 0;
    const pipelines = [pipeline('p', [name])];
    const request = { git: counting, directory, head: to, previousHead, pipelines, memory };
    const { pipelines: found } = await discover(request);
    return found.flatMap(({ releases }) => releases.map(({ commit }) => commit));
  };
  expect(await look('c/**')).toEqual([]);
  expect(reads).toBeGreaterThan(5);
  expect(await look('c/**', head)).toEqual([]);
  expect(reads).toBeLessThanOrEqual(1);
  expect(await look('b/**', head)).toEqual([second]);
  const third = upstream.commit({ files: { 'c/x': '1' } });
  await git.fetchMirror({ url: upstream.url, branch: 'main', directory });
  expect(await look('c/**', head, third)).toEqual([third]);
});

test('SRC-12 each commit is read once for 1,000 pipelines', async () => {
  const files = (value: string) =>
    Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`apps/p${i}/x`, value]));
  const first = upstream.commit({ files: files('1') });
  const second = upstream.commit({ files: { 'apps/p7/x': '2', 'apps/p900/x': '2' } });
  const reads = new Map<string, number>();
  const counting: Git = {
    ...git,
    readObject: (mirror, id, bytesMax) => {
      reads.set(id, (reads.get(id) ?? 0) + 1);
      return git.readObject(mirror, id, bytesMax);
    },
  };
  const pipelines = Array.from({ length: 1_000 }, (_, i) =>
    pipeline(`p${i}`, [`apps/p${i}/**`], { known: [first] }),
  );
  const { commits } = await tick(pipelines, first, counting);
  expect(commits.flatMap((found, i) => (found.length > 0 ? [i] : []))).toEqual([7, 900]);
  expect(reads.get(second)).toBeLessThanOrEqual(2);
  const total = reads.values().reduce((sum, times) => sum + times, 0);
  expect(total).toBeLessThan(20);
});

test('a webhook is fetched and discovered within 150 ms on loopback, or twice what git itself takes there', async () => {
  const first = upstream.commit({ files: { x: '1' } });
  const url = host.url(`upstream-${count}`);
  let known: CommitId[] = [];
  let head: CommitId | undefined;
  const heads = new Map<CommitId, PromiseWithResolvers<number>>();
  const fetches: number[] = [];
  const abort = new AbortController();
  const repository = { name: 'r' as never, pollIntervalMs: 3_600_000 };
  const poller = createRepositoryPoller({
    clock: { now: () => Date.now() },
    random: { nextFraction: () => 0.99, nextId: () => '' },
    signal: abort.signal,
    onFailing: async () => {},
    onRecovered: async () => {},
    onError: () => {},
    poll: async (_, signal) => {
      const begun = performance.now();
      const fetched = await git.fetchMirror({ url, branch: 'main', directory, signal });
      fetches.push(performance.now() - begun);
      const found = await discover({
        git,
        directory,
        head: fetched.head,
        previousHead: head,
        pipelines: [all(known)],
      });
      head = fetched.head;
      known = [...(found.pipelines[0]?.onBranch ?? [])];
      heads.get(head)?.resolve(performance.now());
    },
  });
  poller.set([repository]);
  const seen = async (commit: CommitId) => {
    const arrival = Promise.withResolvers<number>();
    heads.set(commit, arrival);
    const start = performance.now();
    poller.hint(repository.name);
    return (await arrival.promise) - start;
  };
  await seen(first);
  const durations: number[] = [];
  for (let round = 0; round < 7; round++) {
    durations.push(await seen(upstream.commit({ files: { x: `${round}` }, message: `${round}` })));
  }
  abort.abort();
  await poller.ended();
  expect(known).toHaveLength(8);
  // The fastest, because other processes share the machine.
  const limitMs = Math.max(150, 2 * Math.min(...fetches));
  expect(Math.min(...durations), `all: ${durations.map(Math.round)}`).toBeLessThan(limitMs);
});

const contentOf = (change: Partial<ReleaseContent> = {}): ReleaseContent => ({
  revision: 3,
  root: 'apps',
  stages: [],
  mustMatch: [],
  selective: false,
  ...change,
});

test('a release carries the id of the folder that all of its pipeline is in', async () => {
  const first = upstream.commit({ files: { 'apps/x': '1', other: '1' } });
  upstream.commit({ files: { 'apps/x': '2', other: '2' } });
  upstream.commit({ files: { 'apps/x': '1', other: '3' } });
  const of = pipeline('a', ['**'], { known: [first], content: contentOf() });
  const { found } = await tick([of], first);
  const [second, third] = found[0]?.releases ?? [];
  expect(third?.tree).toBe(upstream.git('rev-parse', `${first}:apps`));
  expect(second?.tree).toBe(upstream.git('rev-parse', `${second?.commit}:apps`));
  expect(second?.tree).not.toBe(third?.tree);
});

test('SRC-05 a release tells which commit its message says that it reverts', async () => {
  const first = upstream.commit({ files: { x: '1' } });
  const bad = upstream.commit({ files: { x: '2' } });
  upstream.git('revert', '--no-edit', bad);
  const { found } = await tick([all([first, bad])], bad);
  expect(found[0]?.releases).toMatchObject([{ commit: upstream.head(), reverts: bad }]);
});

test('SRC-09 a release tells of which stages it changes no file, by what is included', async () => {
  const first = upstream.commit({ files: { 'apps/x': '1' } });
  upstream.commit({ files: { 'apps/staging/x': '1', 'apps/production/README.md': '1' } });
  upstream.commit({ files: { 'apps/base/x': '1' } });
  const of = pipeline('a', ['apps/**'], {
    exclude: ['**/*.md'],
    known: [first],
    content: contentOf({
      stages: [
        { name: 'staging' as never, concernedBy: ['apps/staging/**', 'apps/base/**'] },
        { name: 'production' as never, concernedBy: ['apps/production/**', 'apps/base/**'] },
      ],
    }),
  });
  const { found } = await tick([of], first);
  expect(found[0]?.releases.map(({ unconcerned }) => unconcerned)).toEqual([
    { revision: 3, stages: ['production'] },
    { revision: 3, stages: [] },
  ]);
});

test('SRC-10 values that do not agree are told with their files, and what agrees is a release', async () => {
  const first = upstream.commit({
    files: { 'web/version': 'tag: 1\n', 'api/version': 'tag: 1\n' },
  });
  upstream.commit({ files: { 'web/version': 'tag: 2\n' } });
  upstream.commit({ files: { 'api/version': 'tag: 2\n' } });
  upstream.commit({ files: { 'api/version': undefined } });
  const mustMatch = [{ paths: ['web/version', 'api/version'], pattern: '^tag: (.*)$' }];
  const content = contentOf({ root: '', mustMatch, selective: true });
  const { found } = await tick([pipeline('a', ['**'], { known: [first], content })], first);
  expect(found[0]?.releases.map(({ mixed }) => mixed)).toEqual([
    'web/version says 2, api/version says 1',
    undefined,
    'web/version says 2, api/version says nothing',
  ]);
});

test('SRC-10 the first release is the newest commit that agrees, and what is newer is told as mixed', async () => {
  upstream.commit({ files: { a: '1', b: '1' } });
  const whole = upstream.commit({ files: { a: '2', b: '2' } });
  upstream.commit({ files: { a: '3' } });
  const half = upstream.commit({ files: { a: '4' } });
  const content = contentOf({
    root: '',
    mustMatch: [{ paths: ['a', 'b'], pattern: '(.*)' }],
    selective: true,
  });
  const { found, commits } = await tick([pipeline('a', ['**'], { content })]);
  expect(commits).toEqual([[whole, half]]);
  expect(found[0]?.releases.map(({ mixed }) => mixed !== undefined)).toEqual([false, true]);
});

test('SRC-03 SRC-10 after a reset the newest commit is offered although it was no release before', async () => {
  const first = upstream.commit({ files: { x: '1' } });
  const interrupted = upstream.commit({ files: { x: '2' } });
  const third = upstream.commit({ files: { x: '3' } });
  await tick([all()]);
  moveTo(interrupted);
  const content = contentOf({ root: '', selective: true });
  const known = [first, third];
  const of = pipeline('all', ['**'], { known, content });
  expect(await tick([of], third)).toMatchObject({
    move: 'forced',
    commits: [[interrupted]],
    onBranch: [[first, interrupted]],
  });
});

test('SRC-11 commits with equal dates, or dates in any order, are ordered by their place', async () => {
  const first = upstream.commit({ files: { x: '1' }, date: 1_700_000_000 });
  const others = [2, 3, 4, 5].map((value) =>
    upstream.commit({ files: { x: `${value}` }, date: 1_700_000_000 }),
  );
  const { commits, found } = await tick([all([first])], first);
  expect(commits).toEqual([others]);
  expect(found[0]?.releases.map(({ position }) => position)).toEqual([2, 3, 4, 5]);
});

test('PR-03 a squash of commits that were releases is another commit with the same tree', async () => {
  const first = upstream.commit({ files: { 'apps/x': '1' } });
  upstream.commit({ files: { 'apps/x': '2' } });
  const last = upstream.commit({ files: { 'apps/x': '3' } });
  const content = contentOf();
  const before = await tick([pipeline('a', ['**'], { known: [first], content })], first);
  moveTo(first);
  upstream.git('merge', '--quiet', '--squash', last);
  upstream.git('commit', '--quiet', '-m', 'squashed');
  const squashed = upstream.head();
  const known = [first, ...(before.commits[0] ?? [])];
  const after = await tick([pipeline('a', ['**'], { known, content })], last);
  expect(after).toMatchObject({ move: 'forced', commits: [[squashed]] });
  expect(after.found[0]?.releases[0]?.tree).toBe(before.found[0]?.releases.at(-1)?.tree);
  expect(after.onBranch).toEqual([[first, squashed]]);
});
