import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secret } from '@fairlead/shared/config';
import type { CommitId } from '@fairlead/shared/ids';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  changedPaths,
  createIsomorphicGit,
  createNativeGit,
  firstParentWalk,
  type Git,
  isAncestor,
  readCommit,
  readTree,
  resolvePath,
} from './index.ts';
import { createGitHost, createUpstream, type GitHost, type Upstream } from './testing/index.ts';

const implementations: Record<string, () => Git> = {
  native: () => createNativeGit({ environment: process.env }),
  'isomorphic-git': () => createIsomorphicGit(),
};

const absent = 'a'.repeat(40) as CommitId;

describe.each(Object.entries(implementations))('Git by %s', (name, create) => {
  let root: string;
  let host: GitHost;
  let guarded: GitHost;
  let upstream: Upstream;
  let git: Git;
  let directory: string;
  let count = 0;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'fairlead-git-'));
    host = await createGitHost({ root, environment: process.env });
    guarded = await createGitHost({ root, environment: process.env, login: 'ada:se cret' });
    git = create();
  });
  afterAll(async () => {
    await git.close();
    await host[Symbol.asyncDispose]();
    await guarded[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  });
  beforeEach(() => {
    count++;
    upstream = createUpstream(join(root, `upstream-${count}`), process.env);
    directory = join(root, `mirror-${count}.git`);
  });
  afterEach(() => {
    host.setReachable(true);
    host.answer(0, 0);
  });

  const fetchMain = (from: GitHost = host) =>
    git.fetchMirror({ url: from.url(`upstream-${count}`), branch: 'main', directory });

  const refs = () =>
    execFileSync('git', ['--git-dir', directory, 'for-each-ref', '--format=%(refname)'], {
      encoding: 'utf8',
    })
      .split('\n')
      .filter((ref) => ref !== '' && !ref.startsWith('refs/fairlead/incoming/'));

  test('a fetch brings only the tracked branch, and returns its head', async () => {
    upstream.commit({ files: { a: '1' } });
    upstream.git('tag', 'v1');
    upstream.git('branch', 'other');
    const second = upstream.commit({ files: { a: '2' } });
    expect(await fetchMain()).toEqual({ head: second });
    expect(refs()).toEqual(['refs/fairlead/branch/main']);
  });

  test('later fetches bring new commits, and follow a force-push', async () => {
    const first = upstream.commit({ files: { a: '1' } });
    await fetchMain();
    const dropped = upstream.commit({ files: { a: '2' } });
    expect((await fetchMain()).head).toBe(dropped);
    upstream.git('reset', '--hard', '--quiet', first);
    const third = upstream.commit({ files: { a: '3' }, message: 'other' });
    expect((await fetchMain()).head).toBe(third);
    expect((await readCommit(git, directory, third)).parents).toEqual([first]);
  });

  test('SRC-04 a kept commit stays readable after the host dropped and collected it', async () => {
    const first = upstream.commit({ files: { a: '1' } });
    const dropped = upstream.commit({ files: { a: 'only in the dropped commit' } });
    await fetchMain();
    await git.keepRef(directory, dropped);
    await git.keepRef(directory, dropped);
    upstream.git('reset', '--hard', '--quiet', first);
    upstream.git('reflog', 'expire', '--expire=now', '--all');
    upstream.git('gc', '--quiet', '--prune=now');
    expect(() => upstream.git('cat-file', '-e', dropped)).toThrow();
    await fetchMain();
    // Even a person's `git gc` in the mirror leaves it.
    execFileSync('git', ['--git-dir', directory, 'gc', '--quiet', '--prune=now']);
    const entry = await resolvePath(git, directory, { commit: dropped, path: 'a' });
    const blob = await git.readObject(directory, entry.objectId);
    expect(Buffer.from(blob.data).toString()).toBe('only in the dropped commit');
    expect(refs()).toContain(`refs/fairlead/releases/${dropped}`);
  });

  test('RB-13: what is kept is listed, and a person collects only what is kept no longer', async () => {
    const first = upstream.commit({ files: { a: '1' } });
    const [kept, dropped] = [2, 3].map((number) => upstream.commit({ files: { a: `${number}` } }));
    if (kept === undefined || dropped === undefined) throw new Error('no commits were made');
    await fetchMain();
    upstream.git('reset', '--hard', '--quiet', first);
    await fetchMain();
    for (const commit of [kept, dropped]) await git.keepRef(directory, commit);
    expect(await git.keptRefs(directory)).toEqual(new Set([kept, dropped]));
    await git.dropRef(directory, dropped);
    await git.dropRef(directory, dropped);
    expect(await git.keptRefs(directory)).toEqual(new Set([kept]));
    const collect = ['gc', '--quiet', '--prune=now'];
    execFileSync('git', ['--git-dir', directory, 'reflog', 'expire', '--expire=now', '--all']);
    execFileSync('git', ['--git-dir', directory, ...collect]);
    const held = (commit: string) =>
      execFileSync('git', ['--git-dir', directory, 'cat-file', '-t', commit], { stdio: 'pipe' });
    expect(held(kept).toString().trim()).toBe('commit');
    expect(() => held(dropped)).toThrow();
    // Refs that a collection has packed are listed and dropped as well.
    expect(await git.keptRefs(directory)).toEqual(new Set([kept]));
    await git.dropRef(directory, kept);
    expect(await git.keptRefs(directory)).toEqual(new Set());
  });

  test('keeping a commit that the mirror does not hold is refused', async () => {
    upstream.commit();
    await fetchMain();
    await expect(git.keepRef(directory, absent)).rejects.toMatchObject({
      code: 'object_not_found',
    });
  });

  test('objects come back with the bytes that their id names', async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7 + 10) % 256);
    const head = upstream.commit({ files: { 'bin/a': bytes, empty: '' } });
    await fetchMain();
    for (const path of ['bin/a', 'empty', 'bin', '']) {
      const { objectId } = await resolvePath(git, directory, { commit: head, path });
      const { type, data } = await git.readObject(directory, objectId);
      const hash = createHash('sha1').update(`${type} ${data.byteLength}\0`).update(data);
      expect(hash.digest('hex')).toBe(objectId);
    }
  });

  test('many reads at once each get their own object', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`f${index}`, `contents ${index}`.repeat(index)]),
    );
    const head = upstream.commit({ files });
    await fetchMain();
    const { tree } = await readCommit(git, directory, head);
    const read = await Promise.all(
      (await readTree(git, directory, tree)).map(async ({ name, objectId }) => {
        const { data } = await git.readObject(directory, objectId);
        return [name, Buffer.from(data).toString()];
      }),
    );
    expect(Object.fromEntries(read)).toEqual(files);
  });

  test('an object above the limit is refused, and the next one is read', async () => {
    const head = upstream.commit({ files: { large: 'x'.repeat(300_000), small: 'y' } });
    await fetchMain();
    const idOf = async (path: string) =>
      (await resolvePath(git, directory, { commit: head, path })).objectId;
    const [large, small] = [await idOf('large'), await idOf('small')];
    const [refused, read] = await Promise.allSettled([
      git.readObject(directory, large, 299_999),
      git.readObject(directory, small, 299_999),
    ]);
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'limit_exceeded' } });
    expect(read).toMatchObject({ status: 'fulfilled' });
    expect((await git.readObject(directory, large, 300_000)).data.byteLength).toBe(300_000);
  });

  test.each([absent, 'HEAD', 'refs/fairlead/branch/main', '-h', ''])(
    'reading "%s" says that the mirror does not hold it',
    async (name) => {
      upstream.commit();
      await fetchMain();
      await expect(git.readObject(directory, name)).rejects.toMatchObject({
        code: 'object_not_found',
      });
    },
  );

  test('a commit tells its subject, author, own date and parents', async () => {
    const first = upstream.commit({ files: { a: '1' } });
    const second = upstream.commit({
      message: 'Größe: add\n  a line\n\nBody\u0007 text',
      date: 1_600_000_000,
    });
    await fetchMain();
    expect(await readCommit(git, directory, second)).toMatchObject({
      id: second,
      parents: [first],
      subject: 'Größe: add a line',
      authorName: 'Ada Example',
      authorEmail: 'ada@example.com',
      committedAt: 1_600_000_000_000,
    });
  });

  test('SRC-01 the first-parent line ignores dates and merged branches', async () => {
    const first = upstream.commit({ files: { a: '1' }, date: 1_900_000_000 });
    upstream.git('checkout', '--quiet', '-b', 'feature');
    upstream.commit({ files: { b: '1' } });
    upstream.git('checkout', '--quiet', 'main');
    const second = upstream.commit({ files: { a: '2' }, date: 1_000_000_000 });
    upstream.git('merge', '--quiet', '--no-ff', '-m', 'merge', 'feature');
    const merge = upstream.head();
    await fetchMain();
    const walk = async (limit: number, stopAt?: CommitId) => {
      const stops = new Set(stopAt ? [stopAt] : []);
      const ids: CommitId[] = [];
      const options = { from: merge, limit, stopAt: stops };
      for await (const commit of firstParentWalk(git, directory, options)) ids.push(commit.id);
      return ids;
    };
    expect(await walk(10)).toEqual([merge, second, first]);
    expect(await walk(2)).toEqual([merge, second]);
    expect(await walk(10, second)).toEqual([merge]);
    expect(await git.countFirstParents(directory, merge)).toBe(3);
  });

  test('SRC-03 a head does not contain what a force-push dropped', async () => {
    const first = upstream.commit();
    const dropped = upstream.commit({ message: 'dropped' });
    await fetchMain();
    upstream.git('reset', '--hard', '--quiet', first);
    upstream.git('checkout', '--quiet', '-b', 'feature');
    const merged = upstream.commit({ message: 'merged' });
    upstream.git('checkout', '--quiet', 'main');
    upstream.git('merge', '--quiet', '--no-ff', '-m', 'merge', 'feature');
    const { head } = await fetchMain();
    const asked = [first, dropped, merged, head, absent];
    expect(await git.unreachableFrom(directory, head, asked)).toEqual(new Set([dropped, absent]));
    expect(await git.unreachableFrom(directory, head, [])).toEqual(new Set());
    const relate = (ancestor: CommitId, descendant: CommitId) =>
      isAncestor(git, directory, { ancestor, descendant });
    expect(await relate(first, head)).toBe(true);
    expect(await relate(head, head)).toBe(true);
    expect(await relate(head, first)).toBe(false);
  });

  describe('SRC-07 changed paths', () => {
    const expectPaths = async (commit: CommitId, paths: string[]) => {
      await fetchMain();
      const found = await changedPaths(git, directory, await readCommit(git, directory, commit));
      expect(found.toSorted()).toEqual(paths.toSorted());
    };

    test('of the root commit are all its files', async () => {
      const root = upstream.commit({ files: { 'a/b': '1', c: '2' } });
      await expectPaths(root, ['a/b', 'c']);
    });

    test('of a merge are what it brings to the line', async () => {
      upstream.commit({ files: { a: '1' } });
      upstream.git('checkout', '--quiet', '-b', 'feature');
      upstream.commit({ files: { 'feature/x': '1' } });
      upstream.git('checkout', '--quiet', 'main');
      upstream.commit({ files: { main: '1' } });
      upstream.git('merge', '--quiet', '--no-ff', '-m', 'merge', 'feature');
      await expectPaths(upstream.head(), ['feature/x']);
    });

    test('of a squash are those of all its commits', async () => {
      upstream.commit({ files: { a: '1' } });
      upstream.git('checkout', '--quiet', '-b', 'feature');
      upstream.commit({ files: { x: '1' } });
      upstream.commit({ files: { y: '1' } });
      upstream.git('checkout', '--quiet', 'main');
      upstream.git('merge', '--quiet', '--squash', 'feature');
      await expectPaths(upstream.commit({ message: 'squash' }), ['x', 'y']);
    });

    test('of an octopus merge are those of all its branches', async () => {
      upstream.commit({ files: { a: '1' } });
      for (const name of ['one', 'two']) {
        upstream.git('checkout', '--quiet', '-b', name, 'main');
        upstream.commit({ files: { [name]: '1' } });
      }
      upstream.git('checkout', '--quiet', 'main');
      upstream.commit({ files: { main: '1' } });
      upstream.git('merge', '--quiet', '-m', 'octopus', 'one', 'two');
      await expectPaths(upstream.head(), ['one', 'two']);
    });

    test('of a rename are both sides, into a path and out of it', async () => {
      upstream.commit({ files: { 'apps/a.yaml': 'same contents' } });
      const out = upstream.commit({
        files: { 'apps/a.yaml': undefined, 'other/a.yaml': 'same contents' },
      });
      await expectPaths(out, ['apps/a.yaml', 'other/a.yaml']);
      const back = upstream.commit({
        files: { 'other/a.yaml': undefined, 'apps/a.yaml': 'same contents' },
      });
      await expectPaths(back, ['apps/a.yaml', 'other/a.yaml']);
    });

    test('hold a file whose mode alone changed, a removed folder, and a file that became a folder', async () => {
      upstream.commit({ files: { run: '#!', 'gone/a': '1', 'gone/b/c': '1', turn: '1' } });
      await expectPaths(upstream.commit({ executable: ['run'] }), ['run']);
      await expectPaths(upstream.commit({ files: { gone: undefined } }), ['gone/a', 'gone/b/c']);
      const turned = upstream.commit({ files: { turn: undefined } });
      await expectPaths(turned, ['turn']);
      upstream.commit({ files: { turn: '1' } });
      upstream.git('rm', '--quiet', 'turn');
      await expectPaths(upstream.commit({ files: { 'turn/in': '1' } }), ['turn', 'turn/in']);
    });

    test('hold a submodule that moved to another commit', async () => {
      upstream.commit({ files: { a: '1' }, submodules: { 'vendor/lib': 'b'.repeat(40) } });
      upstream.git('update-index', '--cacheinfo', `160000,${'c'.repeat(40)},vendor/lib`);
      upstream.git('commit', '--quiet', '-m', 'bump');
      await expectPaths(upstream.head(), ['vendor/lib']);
    });

    test('are all there for more than 1,000 files, as Git itself lists them', async () => {
      upstream.commit({ files: { a: '1' } });
      const files = Object.fromEntries(
        Array.from({ length: 1_200 }, (_, index) => [`d${index % 40}/e/f${index}`, `${index}`]),
      );
      const many = upstream.commit({ files });
      const listed = upstream.git('diff-tree', '-r', '--no-renames', '--name-only', 'HEAD~', many);
      await expectPaths(many, listed.split('\n'));
    });
  });

  test('a path is resolved to its entry, and a missing one is named up to the missing part', async () => {
    const head = upstream.commit({ files: { 'a/b/c.yaml': '1' }, symlinks: { link: 'a' } });
    await fetchMain();
    const kindOf = async (path: string) =>
      (await resolvePath(git, directory, { commit: head, path })).kind;
    expect(await kindOf('')).toBe('tree');
    expect(await kindOf('./a//b/')).toBe('tree');
    expect(await kindOf('a/b/c.yaml')).toBe('file');
    expect(await kindOf('link')).toBe('symlink');
    await expect(kindOf('a/x/y')).rejects.toMatchObject({
      code: 'path_not_found',
      message: expect.stringContaining('"a/x"'),
    });
    await expect(kindOf('a/../b')).rejects.toMatchObject({ code: 'path_not_found' });
  });

  test('SRC-11 a host that is asked too often says so, and the next fetch brings everything', async () => {
    upstream.commit({ files: { a: '1' } });
    host.answer(429, 1, { headers: { 'retry-after': '7' } });
    const refused = await fetchMain().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'rate_limited' });
    if (name === 'isomorphic-git') expect(refused).toMatchObject({ retryAfterMs: 7_000 });
    const head = upstream.commit({ files: { a: '2' } });
    expect(await fetchMain()).toEqual({ head });
  });

  describe('refs of the remote', () => {
    const ref = 'refs/heads/fairlead/checkout/staging';
    const remote = () => ({ url: host.url(`upstream-${count}`) });
    const list = () => git.listRemoteRefs({ ...remote(), prefix: 'refs/heads/fairlead/' });
    const push = (commit: CommitId, expected?: CommitId, name = ref) =>
      git.pushRef({ ...remote(), directory, ref: name, commit, ...(expected ? { expected } : {}) });
    let first: CommitId;
    let second: CommitId;
    beforeEach(async () => {
      upstream.git('config', 'http.receivepack', 'true');
      first = upstream.commit({ files: { a: '1' } });
      second = upstream.commit({ files: { a: '2' } });
      await fetchMain();
      for (const commit of [first, second]) await git.keepRef(directory, commit);
    });

    test('are made, moved forwards and backwards, and listed', async () => {
      expect(await list()).toEqual(new Map());
      await push(first);
      await push(second, first);
      await push(first, undefined, 'refs/heads/fairlead/checkout/production');
      await push(first, second);
      expect(await list()).toEqual(
        new Map([
          [ref, first],
          ['refs/heads/fairlead/checkout/production', first],
        ]),
      );
    });

    test('PR-01 are moved only from what is expected, and not made where they are', async () => {
      await push(first);
      await expect(push(second)).rejects.toMatchObject({ code: 'push_refused' });
      await expect(push(second, second)).rejects.toMatchObject({ code: 'push_refused' });
      upstream.git('update-ref', '-d', ref);
      await expect(push(second, first)).rejects.toMatchObject({ code: 'push_refused' });
      expect(await list()).toEqual(new Map());
    });

    test('PR-01 of writers at the same time exactly one gets through', async () => {
      await push(first);
      const others = ['x', 'y', 'z'].map((content) => upstream.commit({ files: { content } }));
      await fetchMain();
      for (const commit of others) await git.keepRef(directory, commit);
      const outcomes = await Promise.allSettled(others.map((commit) => push(commit, first)));
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const winner = others[outcomes.findIndex(({ status }) => status === 'fulfilled')];
      expect((await list()).get(ref)).toBe(winner);
    });

    test('PR-02 a rule of the host that refuses the push is told with its words', async () => {
      upstream.git('config', 'receive.denyDeletes', 'true');
      upstream.git('config', 'receive.denyNonFastForwards', 'true');
      await push(second);
      await expect(push(first, second)).rejects.toMatchObject({
        code: 'push_refused',
        message: expect.stringContaining(ref),
      });
      expect((await list()).get(ref)).toBe(second);
    });

    test.each([
      [502, 'repository_unreachable'],
      [504, 'repository_unreachable'],
      [429, 'rate_limited'],
    ])('PR-07 an answer of %d is told apart from a refusal', async (status, code) => {
      host.answer(status, 10);
      await expect(list()).rejects.toMatchObject({ code });
      await expect(push(first)).rejects.toMatchObject({ code });
      host.answer(0, 0);
      await push(first);
    });
  });

  test('SRC-06 a missing branch, a host that is away and missing credentials are told apart', async () => {
    upstream.commit();
    const url = host.url(`upstream-${count}`);
    await expect(git.fetchMirror({ url, branch: 'gone', directory })).rejects.toMatchObject({
      code: 'branch_not_found',
      message: expect.stringContaining('gone'),
    });
    await expect(fetchMain(guarded)).rejects.toMatchObject({ code: 'authentication_failed' });
    host.setReachable(false);
    await expect(fetchMain()).rejects.toMatchObject({ code: 'repository_unreachable' });
    host.setReachable(true);
    await fetchMain();
  });

  test('credentials are sent, and are written nowhere in the mirror', async () => {
    const head = upstream.commit();
    const url = guarded.url(`upstream-${count}`);
    const request = { url, branch: 'main', directory };
    const login = (password: string) => ({
      kind: 'basic' as const,
      username: 'ada',
      password: secret(password),
    });
    expect(await git.fetchMirror({ ...request, credentials: login('se cret') })).toEqual({ head });
    await expect(
      git.fetchMirror({ ...request, credentials: login('wrong') }),
    ).rejects.toMatchObject({ code: 'authentication_failed' });
    const encoded = Buffer.from('ada:se cret').toString('base64');
    expect(() => execFileSync('grep', ['-r', '-e', 'se cret', '-e', encoded, directory])).toThrow();
  });

  test.each([
    ['ext::sh -c "touch x"', 'url_refused'],
    ['/etc', 'url_refused'],
    ['--upload-pack=x', 'url_refused'],
    ['ftp://host/x', 'url_refused'],
    ['file:///etc', 'url_refused'],
    ['https://user:password@host/x', 'url_refused'],
  ])('the address %s is refused before anything starts', async (url, code) => {
    const fetched = git.fetchMirror({ url, branch: 'main', directory });
    await expect(fetched).rejects.toMatchObject({ code });
    await expect(fetched).rejects.not.toThrow('password');
  });

  test.each(['', '-x', 'a..b', 'a b', 'a:b', 'x.lock', '@{1}', 'a\nb', '/a', '*'])(
    'the branch name "%s" is refused',
    async (branch) => {
      const url = host.url(`upstream-${count}`);
      await expect(git.fetchMirror({ url, branch, directory })).rejects.toMatchObject({
        code: 'branch_not_found',
      });
    },
  );

  test('an aborted fetch ends with that reason', async () => {
    upstream.commit();
    await expect(
      git.fetchMirror({
        url: host.url(`upstream-${count}`),
        branch: 'main',
        directory,
        signal: AbortSignal.abort(),
      }),
    ).rejects.toMatchObject({ code: 'aborted' });
  });
});
