import { mkdirSync, statSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock, Random } from '@fairlead/shared/time';
import { gitObjectBytesMax, gitSweepAgeMsMin } from '../limits.ts';
import { type GitObject, type GitObjectKind, hashGitObject, isObjectId } from './git-object.ts';
import { readSmallFile, writeWhole } from './small-files.ts';

export type ObjectStore = {
  /** Throws when the data does not have that id. On disk when it returns. */
  readonly write: (id: string, object: GitObject) => Promise<void>;
  /** Undefined when it is missing or damaged; a damaged one is removed, so that it is fetched again. */
  readonly read: (id: string) => Promise<GitObject | undefined>;
  readonly has: (id: string) => Promise<boolean>;
  readonly remove: (id: string) => Promise<void>;
  /** Removes what is not wanted and older than the sweep's least age; returns how many. */
  readonly sweep: (wanted: ReadonlySet<string>) => Promise<number>;
};

export type ObjectStoreDependencies = {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
};

/** Raw Git objects in `<directory>/ab/cdef…`, with their header, so that a file's digest is its name. */
export function createObjectStore(dependencies: ObjectStoreDependencies): ObjectStore {
  const { directory, clock, random } = dependencies;
  const fileOf = (id: string): string => {
    if (!isObjectId(id)) throw new Error(`not an object id: ${JSON.stringify(id)}`);
    return join(directory, id.slice(0, 2), id.slice(2));
  };
  const remove = (id: string): Promise<void> => rm(fileOf(id), { force: true });

  const read = async (id: string): Promise<GitObject | undefined> => {
    const content = await readSmallFile(fileOf(id)).catch(absent);
    if (content === undefined) return undefined;
    const object = splitHeader(content);
    if (object !== undefined && hashGitObject(object, id.length) === id) return object;
    await remove(id);
    return undefined;
  };

  return {
    read,
    remove,
    has: async (id) => statSync(fileOf(id), { throwIfNoEntry: false }) !== undefined,

    write: async (id, object) => {
      const file = fileOf(id);
      if (object.data.length > gitObjectBytesMax) {
        throw new Error(`object ${id} is larger than ${gitObjectBytesMax} bytes`);
      }
      if (hashGitObject(object, id.length) !== id) throw new Error(`object ${id} has another id`);
      if ((await read(id)) !== undefined) return;
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      const header = Buffer.from(`${object.kind} ${object.data.length}\0`, 'latin1');
      await writeWhole(file, `${file}.${random.nextId()}.part`, [header, object.data]);
    },

    sweep: async (wanted) => {
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
    },
  };
}

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
