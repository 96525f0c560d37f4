import type { CommitId } from '@fairlead/shared/ids';
import {
  treeBlobBytesMax,
  treeBytesMax,
  treeDepthMax,
  treeHaveCommitsMax,
  treeObjectsMax,
  treeTotalBytesMax,
} from '../limits.ts';
import { GitError, isGitError } from './git-error.ts';
import { parseCommit, parseTree, type TreeEntry } from './object.ts';
import { createPathTrees, type PathTrees } from './path-trees.ts';
import type { Git } from './port.ts';
import { pathParts, readCommit, readTree, resolvePath } from './tree.ts';

export type TreeObject = {
  readonly oid: string;
  readonly type: 'commit' | 'tree' | 'blob';
  readonly data: Uint8Array;
};

export type TreeObjectsRequest = {
  readonly git: Pick<Git, 'readObject'>;
  readonly directory: string;
  readonly commit: CommitId;
  /** A folder of the repository; `''` or `.` is all of it. */
  readonly root: string;
  /** Commits whose content below `root` the receiver has whole; one that the mirror does not hold counts for nothing. */
  readonly haveCommits?: readonly CommitId[];
  /** Of the commit and the trees above `root`: left out. What is below `root` goes by `haveCommits`. */
  readonly haveObjects?: ReadonlySet<string>;
  /** What the receiver was sent already, for several roots in one answer; what is sent now is added. */
  readonly sent?: Set<string>;
  readonly pathTrees?: PathTrees;
  readonly limits?: Partial<TreeLimits>;
};

export type TreeLimits = {
  readonly objectsMax: number;
  readonly blobBytesMax: number;
  readonly totalBytesMax: number;
};

const defaultLimits: TreeLimits = {
  objectsMax: treeObjectsMax,
  blobBytesMax: treeBlobBytesMax,
  totalBytesMax: treeTotalBytesMax,
};

/**
 * What a receiver needs to verify and to read `root` at `commit`, without what it has: the commit object, the trees along
 * the path, and each tree and blob below it, once. Throws `limit_exceeded` naming the limit, `path_not_found`, and
 * `submodule_found` naming the path.
 */
export async function* treeObjects(request: TreeObjectsRequest): AsyncGenerator<TreeObject> {
  const { git, directory, commit, root, haveObjects, pathTrees = createPathTrees() } = request;
  const limits = { ...defaultLimits, ...request.limits };
  const had = await objectsBelow(request, limits);
  const { sent = new Set<string>() } = request;
  const sentBefore = sent.size;
  let totalBytes = 0;
  const read = async (
    oid: string,
    type: TreeObject['type'],
    place: string,
  ): Promise<TreeObject> => {
    const bytesMax = type === 'blob' ? limits.blobBytesMax : treeBytesMax;
    const { data } = await git.readObject(directory, oid, bytesMax).catch((error: unknown) => {
      throw isGitError(error, 'limit_exceeded')
        ? exceeded(`"${place}" is larger than ${bytesMax} bytes`, commit, error)
        : error;
    });
    sent.add(oid);
    totalBytes += data.byteLength;
    if (sent.size - sentBefore > limits.objectsMax) {
      throw exceeded(`"${root}" has more than ${limits.objectsMax} objects`, commit);
    }
    if (totalBytes > limits.totalBytesMax) {
      throw exceeded(`"${root}" is larger than ${limits.totalBytesMax} bytes in all`, commit);
    }
    return { oid, type, data };
  };

  let treeId: string;
  if (sent.has(commit) || haveObjects?.has(commit)) {
    treeId = pathTrees.rootOf(commit) ?? (await readCommit(git, directory, commit)).tree;
  } else {
    const commitObject = await read(commit, 'commit', 'commit');
    yield commitObject;
    treeId = parseCommit(commit, commitObject.data).tree;
  }
  pathTrees.putRoot(commit, treeId);
  const along: string[] = [];
  for (const part of pathParts(root)) {
    const isHad = sent.has(treeId) || haveObjects?.has(treeId);
    const tree = isHad ? undefined : await read(treeId, 'tree', along.join('/'));
    if (tree) yield tree;
    along.push(part);
    const folders =
      pathTrees.get(treeId) ??
      pathTrees.put(
        treeId,
        tree ? parseTree(treeId, tree.data) : await readTree(git, directory, treeId),
      );
    treeId = folderOf(folders.get(part), along.join('/'), commit).objectId;
  }
  yield* below(treeId, along.join('/'), along.length);

  async function* below(id: string, path: string, depth: number): AsyncGenerator<TreeObject> {
    if (had.has(id) || sent.has(id)) return;
    if (depth > treeDepthMax) throw exceeded(`"${path}" is below ${treeDepthMax} folders`, commit);
    const tree = await read(id, 'tree', path);
    yield tree;
    for (const entry of parseTree(id, tree.data)) {
      const place = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.kind === 'submodule') throw submodule(place, commit);
      if (entry.kind === 'tree') yield* below(entry.objectId, place, depth + 1);
      else if (!had.has(entry.objectId) && !sent.has(entry.objectId)) {
        yield await read(entry.objectId, 'blob', place);
      }
    }
  }
}

function folderOf(entry: TreeEntry | undefined, place: string, commit: CommitId): TreeEntry {
  if (entry?.kind === 'submodule') throw submodule(place, commit);
  if (entry?.kind === 'tree') return entry;
  throw new GitError(
    'path_not_found',
    entry === undefined
      ? `The commit ${commit} has no "${place}".`
      : `"${place}" is a file at ${commit} and not a folder.`,
  );
}

/** The ids of every tree and blob below `root` in the commits that the receiver has. */
async function objectsBelow(
  { git, directory, root, haveCommits = [] }: TreeObjectsRequest,
  limits: TreeLimits,
): Promise<ReadonlySet<string>> {
  if (haveCommits.length > treeHaveCommitsMax) {
    throw new GitError(
      'limit_exceeded',
      `${haveCommits.length} commits to subtract were given; at most ${treeHaveCommitsMax} are.`,
    );
  }
  const found = new Set<string>();
  const collect = async (treeId: string, depth: number): Promise<void> => {
    // Subtracting less is always right, only slower: so no more is read than a tree may hold.
    if (found.has(treeId) || found.size >= limits.objectsMax || depth > treeDepthMax) return;
    const entries = await readTree(git, directory, treeId);
    for (const { kind, objectId } of entries) {
      if (kind === 'tree') await collect(objectId, depth + 1);
      else if (kind !== 'submodule') found.add(objectId);
    }
    // Last, so that a tree that counts as had has everything below it counted.
    if (found.size < limits.objectsMax) found.add(treeId);
  };
  for (const commit of haveCommits) {
    try {
      const folder = await resolvePath(git, directory, { commit, path: root });
      if (folder.kind === 'tree') await collect(folder.objectId, 0);
    } catch (error) {
      if (!isGitError(error, 'object_not_found') && !isGitError(error, 'path_not_found')) {
        throw error;
      }
    }
  }
  return found;
}

const exceeded = (what: string, commit: CommitId, cause?: unknown) =>
  new GitError('limit_exceeded', `${what} at ${commit}, which is the limit.`, cause);

const submodule = (place: string, commit: CommitId) =>
  new GitError(
    'submodule_found',
    `"${place}" is a submodule at ${commit}: put its files into the repository itself.`,
  );
