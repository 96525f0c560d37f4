import type { CommitId } from '@fairlead/shared/ids';
import { changedPathsMax, treeBytesMax, treeDepthMax } from '../limits.ts';
import { GitError } from './git-error.ts';
import { type Commit, parseCommit, parseTree, type TreeEntry } from './object.ts';
import type { Git } from './port.ts';

type ReadGit = Pick<Git, 'readObject'>;

export async function readCommit(git: ReadGit, directory: string, id: CommitId): Promise<Commit> {
  const { type, data } = await git.readObject(directory, id, treeBytesMax);
  if (type === 'commit') return parseCommit(id, data);
  throw new GitError('object_not_found', `${id} is a ${type} and not a commit.`);
}

export async function readTree(
  git: ReadGit,
  directory: string,
  treeId: string,
): Promise<TreeEntry[]> {
  const { type, data } = await git.readObject(directory, treeId, treeBytesMax);
  if (type === 'tree') return parseTree(treeId, data);
  throw new GitError('object_not_found', `${treeId} is a ${type} and not a tree.`);
}

/** The parts of a path inside a repository; `''`, `.` and `/` are its root. `..` is refused. */
export function pathParts(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw new GitError('path_not_found', `The path "${path}" leaves the repository.`);
  }
  return parts;
}

/** What a path names at a commit: the root is a tree with an empty name. `path_not_found` names the missing part. */
export async function resolvePath(
  git: ReadGit,
  directory: string,
  at: { commit: CommitId; path: string },
): Promise<TreeEntry> {
  const commit = await readCommit(git, directory, at.commit);
  let entry: TreeEntry = { name: '', kind: 'tree', mode: '40000', objectId: commit.tree };
  const parts = pathParts(at.path);
  for (const [index, part] of parts.entries()) {
    const entries = entry.kind === 'tree' ? await readTree(git, directory, entry.objectId) : [];
    const next = entries.find(({ name }) => name === part);
    if (next === undefined) {
      throw new GitError(
        'path_not_found',
        `The commit ${at.commit} has no "${parts.slice(0, index + 1).join('/')}".`,
      );
    }
    entry = next;
  }
  return entry;
}

/**
 * The files that a commit changes against its first parent, in order: added, removed, with other content or other mode.
 * Renames are not looked for, so both sides count. A submodule counts as one path. The root commit changes all its
 * files. A merge changes what it brings to the first-parent line.
 */
export async function changedPaths(
  git: ReadGit,
  directory: string,
  commit: Commit,
): Promise<string[]> {
  const [parentId] = commit.parents;
  const parent = parentId ? await readCommit(git, directory, parentId) : undefined;
  const paths: string[] = [];
  const compare = async (before: string | undefined, after: string | undefined, prefix: string) => {
    if (before === after) return;
    if (prefix.split('/').length > treeDepthMax) {
      throw new GitError('limit_exceeded', `${commit.id} is deeper than ${treeDepthMax} folders.`);
    }
    const old = before ? await readTree(git, directory, before) : [];
    const now = after ? await readTree(git, directory, after) : [];
    for (const [left, right] of pairByName(old, now)) {
      if (left?.objectId === right?.objectId && left?.mode === right?.mode) continue;
      const path = `${prefix}${(left ?? right)?.name}`;
      if (isLeaf(left) || isLeaf(right)) {
        paths.push(path);
        if (paths.length > changedPathsMax) {
          throw new GitError(
            'limit_exceeded',
            `The commit ${commit.id} changes more than ${changedPathsMax} files.`,
          );
        }
      }
      await compare(treeOf(left), treeOf(right), `${path}/`);
    }
  };
  await compare(parent?.tree, commit.tree, '');
  return paths;
}

const isLeaf = (entry: TreeEntry | undefined): boolean =>
  entry !== undefined && entry.kind !== 'tree';
const treeOf = (entry: TreeEntry | undefined): string | undefined =>
  entry?.kind === 'tree' ? entry.objectId : undefined;

function pairByName(
  old: readonly TreeEntry[],
  now: readonly TreeEntry[],
): [TreeEntry | undefined, TreeEntry | undefined][] {
  const byName = new Map(now.map((entry) => [entry.name, entry]));
  const pairs: [TreeEntry | undefined, TreeEntry | undefined][] = old.map((entry) => {
    const match = byName.get(entry.name);
    byName.delete(entry.name);
    return [entry, match];
  });
  return [
    ...pairs,
    ...[...byName.values()].map((entry) => [undefined, entry] as [undefined, TreeEntry]),
  ];
}
