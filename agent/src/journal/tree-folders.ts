import { mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Clock, Random } from '@fairlead/shared/time';
import {
  openedTreeFilesMax,
  smallFileBytesMax,
  smallFilesInRowMax,
  treeFoldersMax,
} from '../limits.ts';
import type { TreeFile } from '../reconcile/index.ts';
import type { ObjectStore } from './object-store.ts';
import { createPathTrees, type WalkFailure, walkTree } from './walk-tree.ts';

/** A tree whose every object was found in the store and verified a moment ago. */
export type OpenedTree = {
  readonly id: string;
  readonly files: readonly TreeFile[];
  readonly read: (file: TreeFile) => Promise<Buffer | undefined>;
  readonly folder: () => Promise<Result<string, WalkFailure>>;
};

export type TreeFolders = {
  /** The content of `root` at `commit`, without writing it anywhere. */
  readonly open: (commit: string, root: string) => Promise<Result<OpenedTree, WalkFailure>>;
  /**
   * Gives a folder that holds the content of `root` at `commit`, written from verified objects. It is named by the id of
   * its tree, so equal content is written once.
   */
  readonly materialise: (commit: string, root: string) => Promise<Result<string, WalkFailure>>;
  /** Removes the least recently used folders above the limit. */
  readonly prune: (foldersMax?: number) => Promise<void>;
};

export type TreeFoldersDependencies = {
  readonly directory: string;
  readonly objects: Pick<ObjectStore, 'read'>;
  readonly clock: Clock;
  readonly random: Random;
};

const temporaryPrefix = 'part-';

export function createTreeFolders(dependencies: TreeFoldersDependencies): TreeFolders {
  const { directory, objects, clock, random } = dependencies;
  const underWay = new Map<string, Promise<Result<string, WalkFailure>>>();
  const known = new Map<string, string>();
  const pathTrees = createPathTrees();
  const opened = createOpenedTrees();
  let cleared: Promise<void> | undefined;

  // Folders of an earlier process may be torn by a power cut, and a part of a tree must never be rendered.
  const clear = async (): Promise<void> => {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
  };

  const touch = (folder: string): boolean => {
    const now = new Date(clock.now());
    try {
      utimesSync(folder, now, now);
      return true;
    } catch {
      return false;
    }
  };

  const write = async (commit: string, root: string): Promise<Result<string, WalkFailure>> => {
    cleared ??= clear();
    await cleared;
    const walked = await walkTree(objects.read, commit, root, pathTrees);
    if (!walked.ok) return walked;
    const folder = join(directory, walked.value.treeId);
    if (touch(folder)) return ok(folder);
    const temporary = join(directory, temporaryPrefix + random.nextId());
    try {
      const written = await writeFiles(temporary, walked.value.files, objects.read);
      if (!written.ok) {
        await rm(temporary, { recursive: true, force: true });
        return written;
      }
      touch(temporary);
      renameSync(temporary, folder);
      return ok(folder);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      const { code } = error as NodeJS.ErrnoException;
      // Another assignment with the same tree was first.
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return ok(folder);
      throw error;
    }
  };

  const materialise = async (
    commit: string,
    root: string,
  ): Promise<Result<string, WalkFailure>> => {
    const key = `${commit}:${root}`;
    const remembered = known.get(key);
    if (remembered !== undefined && touch(remembered)) return ok(remembered);
    known.delete(key);
    const running = underWay.get(key) ?? write(commit, root);
    underWay.set(key, running);
    try {
      const result = await running;
      if (result.ok) {
        if (known.size >= treeFoldersMax) known.clear();
        known.set(key, result.value);
      }
      return result;
    } finally {
      underWay.delete(key);
    }
  };

  return {
    materialise,
    open: async (commit, root) => {
      const key = `${commit}:${root}`;
      const known = opened.get(key);
      if (known) return ok(known);
      const walked = await walkTree(objects.read, commit, root, pathTrees);
      if (!walked.ok) return walked;
      const tree: OpenedTree = {
        id: walked.value.treeId,
        files: walked.value.files,
        read: async ({ id }) => {
          const blob = await objects.read(id);
          // It was there when the tree was walked, so that must be done anew.
          if (blob === undefined) opened.forget(key);
          return blob?.data;
        },
        folder: () => materialise(commit, root),
      };
      opened.put(key, tree);
      return ok(tree);
    },

    prune: async (foldersMax = treeFoldersMax) => {
      const folders: { name: string; usedAtMs: number }[] = [];
      for (const name of await readdir(directory).catch(() => [])) {
        if (name.startsWith(temporaryPrefix)) continue;
        const status = await stat(join(directory, name)).catch(() => undefined);
        if (status !== undefined) folders.push({ name, usedAtMs: status.mtimeMs });
      }
      folders.sort((left, right) => right.usedAtMs - left.usedAtMs);
      for (const { name } of folders.slice(foldersMax)) {
        // Renamed first, so that nobody sees a folder that is half removed.
        const temporary = join(directory, temporaryPrefix + random.nextId());
        await rename(join(directory, name), temporary);
        await rm(temporary, { recursive: true, force: true });
      }
    },
  };
}

/** Units of one root share one walk; what is in the list is verified again when it is read. */
function createOpenedTrees() {
  const trees = new Map<string, OpenedTree>();
  let filesTotal = 0;
  const forget = (key: string): void => {
    filesTotal -= trees.get(key)?.files.length ?? 0;
    trees.delete(key);
  };
  return {
    get: (key: string): OpenedTree | undefined => trees.get(key),
    forget,
    put: (key: string, tree: OpenedTree): void => {
      forget(key);
      trees.set(key, tree);
      filesTotal += tree.files.length;
      for (const oldest of trees.keys()) {
        if (trees.size === 1 || filesTotal <= openedTreeFilesMax) break;
        forget(oldest);
      }
    },
  };
}

async function writeFiles(
  folder: string,
  files: readonly TreeFile[],
  read: ObjectStore['read'],
): Promise<Result<void, WalkFailure>> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const links: { path: string; target: string }[] = [];
  const made = new Set<string>(['.']);
  for (const [index, file] of files.entries()) {
    if (index % smallFilesInRowMax === smallFilesInRowMax - 1) await turnOfLoop();
    const blob = await read(file.id);
    if (blob === undefined) return err({ kind: 'missing', message: `${file.path} is not here` });
    if (file.mode === 'symlink') {
      const target = blob.data.toString('utf8');
      const fault = linkFault(file.path, target);
      if (fault !== undefined) return err({ kind: 'refused', message: fault });
      links.push({ path: file.path, target });
      continue;
    }
    const parent = posix.dirname(file.path);
    if (!made.has(parent)) mkdirSync(join(folder, parent), { recursive: true, mode: 0o700 });
    made.add(parent);
    const options = { mode: file.mode === 'executable' ? 0o700 : 0o600, flag: 'wx' };
    if (blob.data.length > smallFileBytesMax) {
      await writeFile(join(folder, file.path), blob.data, options);
    } else writeFileSync(join(folder, file.path), blob.data, options);
  }
  if (links.length === 0) return ok(undefined);
  // Links come last, so that no file is ever written through one.
  for (const { path, target } of links) {
    await mkdir(dirname(join(folder, path)), { recursive: true, mode: 0o700 });
    await symlink(target, join(folder, path));
  }
  const top = await realpath(folder);
  for (const { path, target } of links) {
    // A chain of links may leave although each one looks harmless, so the end of the chain decides.
    const end = await realpath(join(folder, path)).catch(() => undefined);
    if (end === undefined || (end !== top && !end.startsWith(`${top}/`))) {
      return err({
        kind: 'refused',
        message: `${path} is a link to ${JSON.stringify(target)}, which is not inside the tree`,
      });
    }
  }
  return ok(undefined);
}

const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));

function linkFault(path: string, target: string): string | undefined {
  const end = posix.normalize(posix.join(posix.dirname(path), target));
  if (target === '' || target.includes('\0') || posix.isAbsolute(target)) {
    return `${path} is a link to ${JSON.stringify(target)}, which is not a relative path`;
  }
  if (end === '..' || end.startsWith('../')) {
    return `${path} is a link to ${JSON.stringify(target)}, which is outside the tree`;
  }
  return undefined;
}
