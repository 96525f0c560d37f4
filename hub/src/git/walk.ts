import type { CommitId } from '@fairlead/shared/ids';
import type { Commit } from './object.ts';
import type { Git } from './port.ts';
import { readCommit } from './tree.ts';

export type WalkOptions = {
  readonly from: CommitId;
  /** The walk ends before the first of these. */
  readonly stopAt?: ReadonlySet<CommitId>;
  readonly limit: number;
};

/** The first-parent line from `from` down, newest first. */
export async function* firstParentWalk(
  git: Pick<Git, 'readObject'>,
  directory: string,
  { from, stopAt, limit }: WalkOptions,
): AsyncGenerator<Commit> {
  let next: CommitId | undefined = from;
  for (let count = 0; next !== undefined && !stopAt?.has(next) && count < limit; count++) {
    const commit: Commit = await readCommit(git, directory, next);
    yield commit;
    next = commit.parents[0];
  }
}

/** Whether `descendant` contains `ancestor`; a commit contains itself. */
export async function isAncestor(
  git: Pick<Git, 'unreachableFrom'>,
  directory: string,
  { ancestor, descendant }: { ancestor: CommitId; descendant: CommitId },
): Promise<boolean> {
  const unreachable = await git.unreachableFrom(directory, descendant, [ancestor]);
  return !unreachable.has(ancestor);
}
