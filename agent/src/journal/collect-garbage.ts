import type { Clock } from '@fairlead/shared/time';
import { gitTreeIdleMsMax } from '../limits.ts';
import type { CompleteTrees } from './complete-trees.ts';
import type { ObjectStore } from './object-store.ts';
import type { TreeFolders } from './tree-folders.ts';
import type { UnitJournal } from './units.ts';
import { walkTree } from './walk-tree.ts';

export type CollectGarbageDependencies = {
  readonly journal: CompleteTrees & Pick<UnitJournal, 'loadAssignments'>;
  readonly objects: ObjectStore;
  readonly folders: TreeFolders;
  readonly clock: Clock;
};

/** Forgets trees that no assignment names and that were not used for a week, then the objects that only they needed. */
export async function collectGarbage(dependencies: CollectGarbageDependencies): Promise<void> {
  const { journal, objects, folders, clock } = dependencies;
  const assigned = new Set(
    journal
      .loadAssignments()
      .map(({ repository, commit, root }) => `${repository}:${commit}:${root}`),
  );
  const wanted = new Set<string>();
  for (const tree of journal.listTrees()) {
    const needed = assigned.has(`${tree.repository}:${tree.commit}:${tree.root}`);
    if (!needed && clock.now() - tree.usedAtMs > gitTreeIdleMsMax) {
      journal.forgetTree(tree);
      continue;
    }
    const walked = await walkTree(objects.read, tree.commit, tree.root);
    // A tree with a damaged object is fetched again, so it no longer counts as complete.
    if (!walked.ok) journal.forgetTree(tree);
    else for (const id of walked.value.objectIds) wanted.add(id);
  }
  await objects.sweep(wanted);
  await folders.prune();
}
