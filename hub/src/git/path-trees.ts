import type { CommitId } from '@fairlead/shared/ids';
import { pathTreeEntriesMax } from '../limits.ts';
import type { TreeEntry } from './object.ts';

/**
 * The root trees of commits, and the entries by name of trees above the roots that agents fetch. A thousand units of one
 * commit lie below the same few large trees, so these are read and parsed once. An id names one content for ever, so
 * nothing here grows old.
 */
export type PathTrees = {
  readonly rootOf: (commit: CommitId) => string | undefined;
  readonly putRoot: (commit: CommitId, tree: string) => void;
  readonly get: (id: string) => ReadonlyMap<string, TreeEntry> | undefined;
  readonly put: (id: string, entries: readonly TreeEntry[]) => ReadonlyMap<string, TreeEntry>;
};

/** Forgets everything when it holds `entriesMax`; a larger tree is never kept. */
export function createPathTrees(entriesMax = pathTreeEntriesMax): PathTrees {
  const roots = new Map<CommitId, string>();
  const trees = new Map<string, ReadonlyMap<string, TreeEntry>>();
  let total = 0;
  const makeRoom = (entries: number) => {
    if (total + entries <= entriesMax) return;
    roots.clear();
    trees.clear();
    total = 0;
  };
  return {
    rootOf: (commit) => roots.get(commit),
    putRoot: (commit, tree) => {
      if (roots.has(commit)) return;
      makeRoom(1);
      roots.set(commit, tree);
      total++;
    },
    get: (id) => trees.get(id),
    put: (id, entries) => {
      const byName = new Map(entries.map((entry) => [entry.name, entry]));
      makeRoom(entries.length);
      if (entries.length <= entriesMax && !trees.has(id)) {
        trees.set(id, byName);
        total += entries.length;
      }
      return byName;
    },
  };
}
