import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommitId } from '@fairlead/shared/ids';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  createNativeGit,
  type Git,
  type TreeObject,
  type TreeObjectsRequest,
  treeObjects,
} from './index.ts';
import { createUpstream, type Upstream } from './testing/index.ts';

let root: string;
let git: Git;
let upstream: Upstream;
let directory: string;
let count = 0;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'fairlead-tree-'));
  git = createNativeGit({ environment: process.env, allowFile: true });
});
afterAll(async () => {
  await git.close();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  count++;
  upstream = createUpstream(join(root, `upstream-${count}`), process.env);
  directory = join(root, `mirror-${count}.git`);
});

type Rest = Partial<Pick<TreeObjectsRequest, 'haveCommits' | 'haveObjects' | 'sent' | 'limits'>>;

async function objectsOf(commit: CommitId, path: string, rest: Rest = {}): Promise<TreeObject[]> {
  await git.fetchMirror({ url: upstream.url, branch: 'main', directory });
  const objects: TreeObject[] = [];
  for await (const object of treeObjects({ git, directory, commit, root: path, ...rest })) {
    objects.push(object);
  }
  return objects;
}

const idOf = (expression: string) => upstream.git('rev-parse', expression);
const idsOf = (objects: TreeObject[]) => objects.map(({ oid }) => oid);

test('what the receiver has of the commit and the trees above the root is not sent again', async () => {
  const head = upstream.commit({ files: { 'apps/shop/a.yaml': 'a', 'apps/other/c': 'c' } });
  const haveObjects = new Set([head, idOf('HEAD^{tree}'), idOf('HEAD:apps')]);
  expect(idsOf(await objectsOf(head, 'apps/shop', { haveObjects }))).toEqual([
    idOf('HEAD:apps/shop'),
    idOf('HEAD:apps/shop/a.yaml'),
  ]);
  const partly = new Set([head, idOf('HEAD:apps')]);
  expect(idsOf(await objectsOf(head, 'apps/other', { haveObjects: partly }))).toEqual([
    idOf('HEAD^{tree}'),
    idOf('HEAD:apps/other'),
    idOf('HEAD:apps/other/c'),
  ]);
});

test('of several roots in one answer each object comes once', async () => {
  const head = upstream.commit({
    files: { 'apps/shop/a.yaml': 'a', 'apps/shop/same': 's', 'apps/other/same': 's' },
  });
  const sent = new Set<string>();
  const first = idsOf(await objectsOf(head, 'apps/shop', { sent }));
  expect(first).toContain(head);
  expect(new Set(first)).toEqual(sent);
  expect(idsOf(await objectsOf(head, 'apps/other', { sent }))).toEqual([idOf('HEAD:apps/other')]);
  expect(idsOf(await objectsOf(head, 'apps/shop', { sent }))).toEqual([]);
});

test('a limit of objects counts those of its own root', async () => {
  const head = upstream.commit({ files: { 'apps/shop/a.yaml': 'a', 'apps/other/b.yaml': 'b' } });
  const sent = new Set<string>();
  const limits = { objectsMax: 5 };
  expect(await objectsOf(head, 'apps/shop', { sent, limits })).toHaveLength(5);
  expect(await objectsOf(head, 'apps/other', { sent, limits })).toHaveLength(2);
});

test('a tree comes as the commit, the trees along the path and all below it, and nothing beside', async () => {
  const head = upstream.commit({
    files: { 'apps/shop/a.yaml': 'a', 'apps/shop/sub/b.yaml': 'b', 'apps/other/c': 'c', d: 'd' },
  });
  const objects = await objectsOf(head, 'apps/shop');
  expect(idsOf(objects)).toEqual([
    head,
    idOf('HEAD^{tree}'),
    idOf('HEAD:apps'),
    idOf('HEAD:apps/shop'),
    idOf('HEAD:apps/shop/a.yaml'),
    idOf('HEAD:apps/shop/sub'),
    idOf('HEAD:apps/shop/sub/b.yaml'),
  ]);
  for (const { oid, type, data } of objects) {
    const hash = createHash('sha1').update(`${type} ${data.byteLength}\0`).update(data);
    expect(hash.digest('hex')).toBe(oid);
  }
});

test('an object that occurs twice comes once', async () => {
  const head = upstream.commit({ files: { 'a/x': 'same', 'b/x': 'same', c: 'same' } });
  const objects = await objectsOf(head, '');
  expect(idsOf(objects)).toEqual([head, idOf('HEAD^{tree}'), idOf('HEAD:a'), idOf('HEAD:a/x')]);
});

test('what the receiver has below the root does not come again', async () => {
  const first = upstream.commit({ files: { 'p/a': '1', 'p/sub/b': '1', 'p/sub/deep/c': '1' } });
  const second = upstream.commit({ files: { 'p/a': '2' } });
  const objects = await objectsOf(second, 'p', { haveCommits: [first] });
  expect(idsOf(objects)).toEqual([second, idOf('HEAD^{tree}'), idOf('HEAD:p'), idOf('HEAD:p/a')]);
  const moved = upstream.commit({ files: { 'p/sub/b': undefined, 'p/new': '1' } });
  expect(idsOf(await objectsOf(moved, 'p', { haveCommits: [first, second] }))).toEqual([
    moved,
    idOf('HEAD^{tree}'),
    idOf('HEAD:p'),
    idOf('HEAD:p/sub'),
  ]);
});

test('content that another path of a had commit holds still comes', async () => {
  const first = upstream.commit({ files: { 'elsewhere/a': 'same', p: '' } });
  const second = upstream.commit({ files: { p: undefined, 'p/a': 'same' } });
  const objects = await objectsOf(second, 'p', {
    haveCommits: [first, 'a'.repeat(40) as CommitId],
  });
  expect(idsOf(objects)).toContain(idOf('HEAD:p/a'));
});

test('a submodule below the root is refused with its path, one beside it is not', async () => {
  const head = upstream.commit({
    files: { 'p/a': '1' },
    submodules: { 'p/vendor/lib': 'b'.repeat(40), outside: 'b'.repeat(40) },
  });
  await expect(objectsOf(head, 'p')).rejects.toMatchObject({
    code: 'submodule_found',
    message: expect.stringContaining('"p/vendor/lib"'),
  });
  upstream.git('rm', '--quiet', '--cached', 'p/vendor/lib');
  upstream.git('commit', '--quiet', '-m', 'remove it');
  expect(await objectsOf(upstream.head(), 'p')).toHaveLength(4);
});

test('a missing root, and a root that is a file, are told apart', async () => {
  const head = upstream.commit({ files: { 'p/a': '1' } });
  await expect(objectsOf(head, 'q')).rejects.toThrow(/has no "q"/);
  await expect(objectsOf(head, 'p/a')).rejects.toThrow(/"p\/a" is a file/);
});

test.each<[string, Rest['limits'], RegExp]>([
  ['objects', { objectsMax: 4 }, /"p" has more than 4 objects/],
  ['the size of a file', { blobBytesMax: 99 }, /"p\/large" is larger than 99 bytes/],
  ['the size in all', { totalBytesMax: 300 }, /"p" is larger than 300 bytes in all/],
])('a breach of the limit on %s names the limit', async (_, limits, message) => {
  const head = upstream.commit({ files: { 'p/a': '1', 'p/b': '2', 'p/large': 'x'.repeat(100) } });
  const fetched = objectsOf(head, 'p', { limits });
  await expect(fetched).rejects.toThrow(message);
  await expect(fetched).rejects.toMatchObject({ code: 'limit_exceeded' });
});
