import { err, ok, type Result } from '@fairlead/shared/result';
import {
  gitPathBytesMax,
  gitPathCommitsMax,
  gitPathTreeEntriesMax,
  gitTreeBytesMax,
  gitTreeDepthMax,
  gitTreeObjectsMax,
} from '../limits.ts';
import type { TreeFile } from '../reconcile/index.ts';
import { type GitObject, type GitTreeEntry, parseTree, treeOfCommit } from './git-object.ts';

/** Commits and entries of trees that many roots lie below; their objects were verified when they were read. */
export type PathTrees = {
  readonly get: (id: string) => readonly GitTreeEntry[] | undefined;
  readonly put: (id: string, entries: readonly GitTreeEntry[]) => void;
  /** The newest commits' trees. */
  readonly treeOf: (commit: string) => string | undefined;
  readonly putCommit: (commit: string, treeId: string) => void;
};

/** A thousand units of one commit lie below the same few trees, so these are parsed once and not once a unit. */
export function createPathTrees(entriesMax = gitPathTreeEntriesMax): PathTrees {
  const trees = new Map<string, readonly GitTreeEntry[]>();
  const commits = new Map<string, string>();
  let total = 0;
  return {
    get: (id) => trees.get(id),
    treeOf: (commit) => commits.get(commit),
    putCommit: (commit, treeId) => {
      if (commits.size >= gitPathCommitsMax) commits.clear();
      commits.set(commit, treeId);
    },
    put: (id, entries) => {
      if (trees.has(id)) return;
      if (total + entries.length > entriesMax) {
        trees.clear();
        total = 0;
      }
      if (entries.length > entriesMax) return;
      trees.set(id, entries);
      total += entries.length;
    },
  };
}

/** The commit and the trees above `root` that are known: the hub need not send them again. */
export function knownAlong(pathTrees: PathTrees, commit: string, root: string): string[] {
  let id = pathTrees.treeOf(commit);
  if (id === undefined) return [];
  const known = [commit];
  for (const segment of root === '' ? [] : root.split('/')) {
    const entries: readonly GitTreeEntry[] | undefined =
      id === undefined ? undefined : pathTrees.get(id);
    if (id === undefined || entries === undefined || known.length >= gitTreeDepthMax) break;
    known.push(id);
    id = entries.find((entry) => entry.name === segment)?.id;
  }
  return known;
}

export type ReadObject = (id: string) => Promise<GitObject | undefined>;

/** `missing`: an object is not in the store. `refused`: the tree must not be used, however often it is fetched. */
export type WalkFailure = { readonly kind: 'missing' | 'refused'; readonly message: string };

export type WalkedTree = {
  /** Id of the tree at the root. */
  readonly treeId: string;
  /** Every object from the commit down, each once. */
  readonly objectIds: ReadonlySet<string>;
  readonly files: readonly TreeFile[];
};

const missing = (message: string): Result<never, WalkFailure> => err({ kind: 'missing', message });
const refused = (message: string): Result<never, WalkFailure> => err({ kind: 'refused', message });

/**
 * Follows a commit to the tree at `root` and everything below it. Succeeds only when every object is there, has the kind
 * that its parent says and holds nothing hostile; every object read is hashed by the store.
 */
export async function walkTree(
  read: ReadObject,
  commit: string,
  root: string,
  pathTrees?: PathTrees,
): Promise<Result<WalkedTree, WalkFailure>> {
  const objectIds = new Set<string>();
  const commitObject = await read(commit);
  if (commitObject === undefined) return missing(`commit ${commit} is not here`);
  if (commitObject.kind !== 'commit') return refused(`${commit} is a ${commitObject.kind}`);
  objectIds.add(commit);
  const top = treeOfCommit(commitObject.data);
  if (!top.ok) return refused(`commit ${commit}: ${top.error}`);

  pathTrees?.putCommit(commit, top.value);
  let treeId = top.value;
  const segments = root === '' ? [] : root.split('/');
  for (const [index, segment] of segments.entries()) {
    const known = pathTrees?.get(treeId);
    const entries = known
      ? ok(known)
      : await readTree(read, treeId, segments.slice(0, index).join('/'));
    if (!entries.ok) return entries;
    pathTrees?.put(treeId, entries.value);
    objectIds.add(treeId);
    const next = entries.value.find((entry) => entry.name === segment);
    const place = segments.slice(0, index + 1).join('/');
    if (next?.mode !== 'folder') return refused(`commit ${commit} has no folder ${place}`);
    treeId = next.id;
  }

  const files: TreeFile[] = [];
  // One object may stand at many places; it is read and hashed once.
  const folders = new Map<string, GitTreeEntry[]>();
  const blobBytes = new Map<string, number>();
  const pending = [{ id: treeId, path: '', depth: 0 }];
  let bytes = 0;
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const known = folders.get(folder.id);
    const entries = known ? ok(known) : await readTree(read, folder.id, folder.path);
    if (!entries.ok) return entries;
    folders.set(folder.id, entries.value);
    objectIds.add(folder.id);
    if (folder.depth > gitTreeDepthMax) {
      return refused(`${folder.path} is nested more than ${gitTreeDepthMax} folders deep`);
    }
    for (const entry of entries.value) {
      const path = folder.path === '' ? entry.name : `${folder.path}/${entry.name}`;
      if (Buffer.byteLength(path) > gitPathBytesMax) {
        return refused(`a path below ${folder.path} is longer than ${gitPathBytesMax} bytes`);
      }
      if (entry.mode === 'submodule') {
        return refused(`${path} is a submodule; put its content into the repository`);
      }
      if (entry.mode === 'folder') {
        pending.push({ id: entry.id, path, depth: folder.depth + 1 });
        continue;
      }
      if (!blobBytes.has(entry.id)) {
        const blob = await read(entry.id);
        if (blob === undefined) return missing(`${path} (${entry.id}) is not here`);
        if (blob.kind !== 'blob') return refused(`${path} is a ${blob.kind}`);
        blobBytes.set(entry.id, blob.data.length);
      }
      objectIds.add(entry.id);
      bytes += blobBytes.get(entry.id) ?? 0;
      files.push({ path, mode: entry.mode, id: entry.id });
      if (bytes > gitTreeBytesMax) return refused(`the tree is over ${gitTreeBytesMax} bytes`);
    }
    // Counted per entry and not per distinct object: a tree that repeats one object is as costly to write out.
    if (files.length + pending.length > gitTreeObjectsMax) {
      return refused(`the tree has more than ${gitTreeObjectsMax} files and folders`);
    }
  }
  return ok({ treeId, objectIds, files });
}

async function readTree(
  read: ReadObject,
  id: string,
  path: string,
): Promise<Result<GitTreeEntry[], WalkFailure>> {
  const place = path === '' ? 'the top folder' : path;
  const object = await read(id);
  if (object === undefined) return missing(`the tree of ${place} (${id}) is not here`);
  if (object.kind !== 'tree') return refused(`${place} is a ${object.kind}`);
  const entries = parseTree(object.data, id.length);
  return entries.ok ? entries : refused(`${place}: ${entries.error}`);
}
