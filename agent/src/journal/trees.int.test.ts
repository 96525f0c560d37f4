import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@fairlead/shared/time';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gitObjectRowBytesMax, gitSweepAgeMsMin, gitTreeIdleMsMax } from '../limits.ts';
import {
  collectGarbage,
  createObjectStore,
  createTreeFolders,
  type Journal,
  type ObjectStore,
  openJournal,
  type TreeFolders,
} from './index.ts';
import { assignmentOf, type BuiltCommit, buildCommit } from './testing/index.ts';

let folder: string;
let now: number;
let journal: Journal;
let objects: ObjectStore;
let folders: TreeFolders;
const clock = { now: () => now };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trees-'));
  now = Date.now();
  journal = openJournal({ file: join(folder, 'journal.sqlite'), clock, random: systemRandom });
  objects = storeOf();
  folders = createTreeFolders({
    directory: join(folder, 'trees'),
    objects,
    clock,
    random: systemRandom,
  });
});
afterEach(() => {
  journal.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As after a restart: it remembers nothing. */
const storeOf = (): ObjectStore =>
  createObjectStore({
    rows: journal.gitObjects,
    directory: join(folder, 'objects'),
    clock,
    random: systemRandom,
  });

async function store(built: BuiltCommit): Promise<string> {
  for (const [id, object] of built.objects) await objects.write(id, object);
  return built.commit;
}

describe('the object store', () => {
  it('takes nothing whose digest is not its name', async () => {
    await expect(
      objects.write('a'.repeat(40), { kind: 'blob', data: Buffer.from('x') }),
    ).rejects.toThrow(/another id/);
    await expect(objects.read('../etc/passwd')).rejects.toThrow(/not an object id/);
  });

  const flipLast = (bytes: Buffer): Buffer => {
    const flipped = Buffer.from(bytes);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    return flipped;
  };
  const fileOf = (id: string) => join(folder, 'objects', id.slice(0, 2), id.slice(2));

  it.each([
    ['row', 'a: 1'],
    ['file', `a: ${'1'.repeat(gitObjectRowBytesMax)}`],
  ])('R4: gives nothing that changed on disk as a %s, and forgets it', async (place, content) => {
    const { objects: built } = buildCommit({ 'a.yaml': content });
    const [id = '', object] = [...built].find(([, { kind }]) => kind === 'blob') ?? [];
    if (object === undefined) throw new Error('no object');
    await objects.write(id, object);
    expect(await storeOf().read(id)).toEqual(object);
    const row = journal.gitObjects.get(id);
    expect(row === undefined).toBe(place === 'file');
    if (row) journal.gitObjects.put([{ id, content: flipLast(row) }], now);
    else writeFileSync(fileOf(id), flipLast(readFileSync(fileOf(id))));
    objects = storeOf();
    expect(await objects.read(id)).toBeUndefined();
    expect(await objects.has(id)).toBe(false);
    await objects.write(id, object);
    expect(await storeOf().read(id)).toEqual(object);
  });

  it('reads an object that an agent before this one kept as a file', async () => {
    const { objects: built } = buildCommit({ 'a.yaml': 'a: 1' });
    const [id = '', object] = [...built].find(([, { kind }]) => kind === 'blob') ?? [];
    mkdirSync(join(folder, 'objects', id.slice(0, 2)), { recursive: true });
    writeFileSync(fileOf(id), `blob ${object?.data.length}\0${object?.data}`);
    expect(await objects.has(id)).toBe(true);
    expect(await objects.read(id)).toEqual(object);
  });
});

describe('an opened tree', () => {
  it('gives what is below the root without writing anything', async () => {
    const commit = await store(buildCommit({ app: { base: { 'a.yaml': 'a: 1' }, 'b.yaml': '' } }));
    const tree = await folders.open(commit, 'app');
    if (!tree.ok) throw new Error(tree.error.message);
    const contents = await Promise.all(
      tree.value.files.map(async (file) => [file.path, (await tree.value.read(file))?.toString()]),
    );
    expect(Object.fromEntries(contents)).toEqual({ 'b.yaml': '', 'base/a.yaml': 'a: 1' });
    expect(await readdir(folder)).not.toContain('trees');
    const written = await tree.value.folder();
    expect(written).toEqual({ ok: true, value: join(folder, 'trees', tree.value.id) });
  });
});

describe('a materialised tree', () => {
  it('holds what is below the root, with links that stay inside', async () => {
    const commit = await store(
      buildCommit({
        'outside.yaml': 'no',
        app: { base: { 'a.yaml': 'a: 1' }, 'link.yaml': { link: 'base/a.yaml' } },
      }),
    );
    const result = await folders.materialise(commit, 'app');
    if (!result.ok) throw new Error(result.error.message);
    expect((await readdir(result.value)).sort()).toEqual(['base', 'link.yaml']);
    expect(readFileSync(join(result.value, 'base/a.yaml'), 'utf8')).toBe('a: 1');
    expect(await readlink(join(result.value, 'link.yaml'))).toBe('base/a.yaml');
    expect((await lstat(join(result.value, 'base/a.yaml'))).mode & 0o777).toBe(0o600);
  });

  it('is one folder for equal content of two commits', async () => {
    const first = await store(buildCommit({ app: { a: '1' } }, 'first'));
    const second = await store(buildCommit({ app: { a: '1' }, other: { b: '2' } }, 'second'));
    expect(await folders.materialise(first, 'app')).toEqual(
      await folders.materialise(second, 'app'),
    );
  });

  it('F05: is not made when one object is missing', async () => {
    const built = buildCommit({ app: { 'a.yaml': '1', 'b.yaml': '2' } });
    const commit = await store(built);
    const blob = [...built.objects].find(([, object]) => object.data.toString() === '2');
    await objects.remove(blob?.[0] ?? '');
    const result = await folders.materialise(commit, 'app');
    expect(result).toMatchObject({ ok: false, error: { kind: 'missing' } });
    expect(await readdir(join(folder, 'trees'))).toEqual([]);
  });

  it('is never one that an earlier process left, which a power cut may have torn', async () => {
    const commit = await store(buildCommit({ 'a.yaml': 'a: 1' }));
    const first = await folders.materialise(commit, '');
    if (!first.ok) throw new Error('not materialised');
    writeFileSync(join(first.value, 'a.yaml'), '');
    const options = { directory: join(folder, 'trees'), objects, clock, random: systemRandom };
    const again = await createTreeFolders(options).materialise(commit, '');
    expect(again).toEqual(first);
    expect(readFileSync(join(first.value, 'a.yaml'), 'utf8')).toBe('a: 1');
  });

  it.each([
    ['an absolute link', { app: { l: { link: '/etc/passwd' } } }],
    ['a link out of the root', { secret: 'x', app: { l: { link: '../secret' } } }],
    ['a link out by a chain', { app: { a: { link: '.' }, b: { link: 'a/../../x' } } }],
    ['a link to nothing', { app: { l: { link: 'nowhere' } } }],
    ['a `..` name', { app: { '..': { 'a.yaml': 'x' } } }],
    ['a `.git` name', { app: { '.git': { config: 'x' } } }],
    ['names that differ by case', { app: { A: '1', a: '2' } }],
    ['no such root', { other: { a: '1' } }],
    ['a file as the root', { app: 'file' }],
  ])('S9: is refused with %s', async (_name, top) => {
    const commit = await store(buildCommit(top as never));
    const before = await readdir(folder);
    expect(await folders.materialise(commit, 'app')).toMatchObject({
      ok: false,
      error: { kind: 'refused' },
    });
    expect((await readdir(folder)).filter((name) => !before.includes(name))).toEqual(
      before.includes('trees') ? [] : ['trees'],
    );
    expect(await readdir(join(folder, 'trees'))).toEqual([]);
  });

  it('S9: is refused when one small object stands for a huge number of files', async () => {
    let top: never = { f: 'x' } as never;
    for (let level = 0; level < 5; level++) {
      top = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`d${i}`, top])) as never;
    }
    const commit = await store(buildCommit(top));
    expect(await folders.materialise(commit, '')).toMatchObject({
      ok: false,
      error: { kind: 'refused', message: expect.stringContaining('more than 50000') },
    });
  }, 60_000);

  it('goes when more folders were used since than the limit', async () => {
    const paths: string[] = [];
    for (const content of ['1', '2', '3']) {
      now += 10_000;
      const result = await folders.materialise(await store(buildCommit({ a: content })), '');
      if (result.ok) paths.push(result.value);
    }
    await folders.prune(2);
    expect(() => statSync(paths[0] ?? '')).toThrow();
    expect(statSync(paths[2] ?? '').isDirectory()).toBe(true);
  });
});

describe('garbage collection', () => {
  it('keeps what an assignment needs and removes what nobody used for long', async () => {
    const large = 'x'.repeat(gitObjectRowBytesMax + 1);
    const assigned = buildCommit({ a: 'assigned', large: `assigned ${large}` });
    const idle = buildCommit({ a: 'idle', large: `idle ${large}` });
    for (const built of [assigned, idle]) {
      await store(built);
      journal.markComplete({ repository: 'shop', commit: built.commit, root: '' }, now);
      for (const id of built.objects.keys()) {
        const file = join(folder, 'objects', id.slice(0, 2), id.slice(2));
        if (journal.gitObjects.has(id)) continue;
        utimesSync(file, now / 1_000 - gitSweepAgeMsMin / 1_000, now / 1_000 - 7_200);
      }
    }
    journal.saveAssignment(
      assignmentOf({ repository: 'shop' as never, commit: assigned.commit as never, root: '' }),
    );
    now += gitTreeIdleMsMax + 1;
    await collectGarbage({ journal, objects, folders, clock });
    expect(journal.completeCommits('shop', '', 9)).toEqual([assigned.commit]);
    const isThere = async ({ objects: built }: BuiltCommit) =>
      Promise.all([...built.keys()].map((id) => objects.has(id)));
    expect(new Set(await isThere(assigned))).toEqual(new Set([true]));
    expect(new Set(await isThere(idle))).toEqual(new Set([false]));
  });
});
