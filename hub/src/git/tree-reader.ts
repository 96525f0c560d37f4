import type { TreeEntry } from './object.ts';
import type { Git } from './port.ts';
import { pathParts, readTree } from './tree.ts';

export type TreeReader = {
  /** What a path names below a tree; nothing where the tree does not hold it. The empty path is the tree itself. */
  readonly find: (tree: string, path: string) => Promise<TreeEntry | undefined>;
};

/** Reads each tree once, for a walk in which many pipelines ask about the same folders. */
export function createTreeReader(git: Pick<Git, 'readObject'>, directory: string): TreeReader {
  const read = new Map<string, Promise<ReadonlyMap<string, TreeEntry>>>();
  const entriesOf = (tree: string) => {
    const known = read.get(tree);
    if (known !== undefined) return known;
    const entries = readTree(git, directory, tree).then(
      (list) => new Map(list.map((entry) => [entry.name, entry])),
    );
    read.set(tree, entries);
    return entries;
  };
  return {
    find: async (tree, path) => {
      let entry: TreeEntry | undefined = { name: '', kind: 'tree', mode: '40000', objectId: tree };
      for (const part of pathParts(path)) {
        if (entry?.kind !== 'tree') return undefined;
        entry = (await entriesOf(entry.objectId)).get(part);
      }
      return entry;
    },
  };
}
