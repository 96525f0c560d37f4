import { pathTreeEntriesMax } from '../limits.ts';
import type { TreeEntry } from './object.ts';

/**
 * Entries by name of trees above the roots that agents fetch. A thousand units of one commit lie below the same few large
 * trees, so these are read and parsed once. An id names one content for ever, so nothing here grows old.
 */
export type PathTrees = {
  readonly get: (id: string) => ReadonlyMap<string, TreeEntry> | undefined;
  readonly put: (id: string, entries: readonly TreeEntry[]) => ReadonlyMap<string, TreeEntry>;
};

/** Forgets everything when it holds `entriesMax`; a larger tree is never kept. */
export function createPathTrees(entriesMax = pathTreeEntriesMax): PathTrees {
  const trees = new Map<string, ReadonlyMap<string, TreeEntry>>();
  let total = 0;
  return {
    get: (id) => trees.get(id),
    put: (id, entries) => {
      const byName = new Map(entries.map((entry) => [entry.name, entry]));
      if (total + entries.length > entriesMax) {
        trees.clear();
        total = 0;
      }
      if (entries.length <= entriesMax && !trees.has(id)) {
        trees.set(id, byName);
        total += entries.length;
      }
      return byName;
    },
  };
}
