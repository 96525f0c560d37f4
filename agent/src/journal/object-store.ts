import { mkdirSync, statSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock, Random } from '@fairlead/shared/time';
import {
  gitObjectBytesMax,
  gitObjectRowBytesMax,
  gitRecentBytesMax,
  gitSweepAgeMsMin,
  gitSweepRowsMax,
} from '../limits.ts';
import { type GitObject, type GitObjectKind, hashGitObject, isObjectId } from './git-object.ts';
import type { GitObjectRows } from './git-object-rows.ts';
import { readSmallFile, writeWhole } from './small-files.ts';

export type NamedGitObject = GitObject & { readonly id: string };

export type ObjectStore = {
  /** Throws when the data does not have that id. It is kept over a power cut once the journal is `durable`. */
  readonly write: (id: string, object: GitObject) => Promise<void>;
  /** The same for objects whose digests the caller has just made; small ones go in one transaction. */
  readonly writeHashed: (objects: readonly NamedGitObject[]) => Promise<void>;
  /** Undefined when it is missing or damaged; a damaged one is removed, so that it is fetched again. */
  readonly read: (id: string) => Promise<GitObject | undefined>;
  readonly has: (id: string) => Promise<boolean>;
  readonly remove: (id: string) => Promise<void>;
  /** Removes what is not wanted and older than the sweep's least age; returns how many. */
  readonly sweep: (wanted: ReadonlySet<string>) => Promise<number>;
};

export type ObjectStoreDependencies = {
  /** Of the journal, for objects of a few pages. */
  readonly rows: GitObjectRows;
  /** For larger ones. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
};

/**
 * Raw Git objects with their header, so that the digest of what is stored is its name: small ones as rows of the journal,
 * larger ones in `<directory>/ab/cdef…`.
 */
export function createObjectStore(dependencies: ObjectStoreDependencies): ObjectStore {
  const { rows, directory, clock, random } = dependencies;
  const recent = createRecentObjects();
  const checked = (id: string): string => {
    if (!isObjectId(id)) throw new Error(`not an object id: ${JSON.stringify(id)}`);
    return id;
  };
  const fileOf = (id: string): string => join(directory, checked(id).slice(0, 2), id.slice(2));
  const remove = async (id: string): Promise<void> => {
    const file = fileOf(id);
    recent.remove(id);
    rows.remove([id]);
    await rm(file, { force: true });
  };

  const readStored = async (id: string): Promise<GitObject | undefined> => {
    const content = rows.get(id) ?? (await readSmallFile(fileOf(id)).catch(absent));
    if (content === undefined) return undefined;
    const object = splitHeader(content);
    if (object !== undefined && hashGitObject(object, id.length) === id) return object;
    await remove(id);
    return undefined;
  };

  const read = async (id: string): Promise<GitObject | undefined> => {
    const known = recent.get(checked(id));
    if (known) return known;
    const object = await readStored(id);
    if (object) recent.put(id, object);
    return object;
  };

  const writeFile = async ({ id, kind, data }: NamedGitObject): Promise<void> => {
    if ((await readStored(id)) !== undefined) return;
    const file = fileOf(id);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    await writeWhole(file, `${file}.${random.nextId()}.part`, [headerOf({ kind, data }), data]);
  };

  const writeHashed = async (objects: readonly NamedGitObject[]): Promise<void> => {
    const small: NamedGitObject[] = [];
    for (const object of objects) {
      if (object.data.length > gitObjectBytesMax) {
        throw new Error(`object ${object.id} is larger than ${gitObjectBytesMax} bytes`);
      }
      if (object.data.length <= gitObjectRowBytesMax) small.push(object);
      else await writeFile(object);
    }
    rows.put(
      small.map(({ id, ...object }) => ({
        id: checked(id),
        content: Buffer.concat([headerOf(object), object.data]),
      })),
      clock.now(),
    );
    for (const { id, kind, data } of objects) recent.put(id, { kind, data });
  };

  const sweepRows = async (wanted: ReadonlySet<string>): Promise<number> => {
    const old = rows.idsStoredBefore(clock.now() - gitSweepAgeMsMin);
    const unwanted = old.filter((id) => !wanted.has(id));
    for (let start = 0; start < unwanted.length; start += gitSweepRowsMax) {
      rows.remove(unwanted.slice(start, start + gitSweepRowsMax));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return unwanted.length;
  };

  const sweepFiles = async (wanted: ReadonlySet<string>): Promise<number> => {
    let removed = 0;
    for (const folder of await readdir(directory).catch(() => [])) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const name of await readdir(join(directory, folder))) {
        if (wanted.has(folder + name)) continue;
        const file = join(directory, folder, name);
        const status = await stat(file).catch(absent);
        if (status === undefined || clock.now() - status.mtimeMs < gitSweepAgeMsMin) continue;
        await rm(file, { force: true });
        removed++;
      }
    }
    return removed;
  };

  return {
    read,
    remove,
    has: async (id) =>
      rows.has(checked(id)) || statSync(fileOf(id), { throwIfNoEntry: false }) !== undefined,
    write: async (id, object) => {
      if (hashGitObject(object, checked(id).length) !== id) {
        throw new Error(`object ${id} has another id`);
      }
      await writeHashed([{ ...object, id }]);
    },
    writeHashed,
    sweep: async (wanted) => {
      recent.clear();
      return (await sweepRows(wanted)) + (await sweepFiles(wanted));
    },
  };
}

/** Verified objects of the last moments: a fetch is followed by a look at all that it brought, and by its rendering. */
function createRecentObjects() {
  const objects = new Map<string, GitObject>();
  let bytes = 0;
  const remove = (id: string): void => {
    bytes -= objects.get(id)?.data.length ?? 0;
    objects.delete(id);
  };
  return {
    get: (id: string): GitObject | undefined => objects.get(id),
    put: (id: string, object: GitObject): void => {
      if (object.data.length > gitObjectRowBytesMax) return;
      remove(id);
      // A part of a larger buffer would keep all of it.
      objects.set(id, { kind: object.kind, data: Buffer.from(object.data) });
      bytes += object.data.length;
      for (const oldest of objects.keys()) {
        if (bytes <= gitRecentBytesMax) break;
        remove(oldest);
      }
    },
    remove,
    clear: (): void => {
      objects.clear();
      bytes = 0;
    },
  };
}

const headerOf = ({ kind, data }: GitObject): Buffer =>
  Buffer.from(`${kind} ${data.length}\0`, 'latin1');

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

function splitHeader(content: Buffer): GitObject | undefined {
  const end = content.indexOf(0);
  if (end < 0 || end > 32) return undefined;
  const [kind, size] = content.subarray(0, end).toString('latin1').split(' ');
  const data = content.subarray(end + 1);
  if (kind !== 'commit' && kind !== 'tree' && kind !== 'blob') return undefined;
  return String(data.length) === size ? { kind: kind as GitObjectKind, data } : undefined;
}
