import { and, desc, eq, sql } from 'drizzle-orm';
import type { JournalDatabase } from './database.ts';
import { completeTrees } from './schema.ts';

export type TreeName = {
  readonly repository: string;
  readonly commit: string;
  readonly root: string;
};

export type CompleteTrees = {
  /** Only for a tree whose every object is verified and in the object store. */
  readonly markComplete: (tree: TreeName, nowMs: number) => void;
  readonly isComplete: (tree: TreeName) => boolean;
  /** Commits that the agent has whole below a root, the most recently used first. */
  readonly completeCommits: (repository: string, root: string, commitsMax: number) => string[];
  readonly forgetTree: (tree: TreeName) => void;
  readonly listTrees: () => (TreeName & { readonly usedAtMs: number })[];
};

export function createCompleteTrees({ orm }: JournalDatabase): CompleteTrees {
  const same = (tree: TreeName) =>
    and(
      eq(completeTrees.repository, tree.repository),
      eq(completeTrees.commitId, tree.commit),
      eq(completeTrees.root, tree.root),
    );
  const insert = orm
    .insert(completeTrees)
    .values({
      repository: sql.placeholder('repository'),
      commitId: sql.placeholder('commit'),
      root: sql.placeholder('root'),
      usedAtMs: sql.placeholder('nowMs'),
    })
    .onConflictDoUpdate({
      target: [completeTrees.commitId, completeTrees.root, completeTrees.repository],
      set: { usedAtMs: sql`excluded.used_at_ms` },
    })
    .prepare();
  const one = orm
    .select()
    .from(completeTrees)
    .where(
      and(
        eq(completeTrees.repository, sql.placeholder('repository')),
        eq(completeTrees.commitId, sql.placeholder('commit')),
        eq(completeTrees.root, sql.placeholder('root')),
      ),
    )
    .prepare();
  const newest = orm
    .select()
    .from(completeTrees)
    .where(
      and(
        eq(completeTrees.repository, sql.placeholder('repository')),
        eq(completeTrees.root, sql.placeholder('root')),
      ),
    )
    .orderBy(desc(completeTrees.usedAtMs))
    .limit(sql.placeholder('commitsMax'))
    .prepare();

  return {
    markComplete: ({ repository, commit, root }, nowMs) => {
      insert.run({ repository, commit, root, nowMs });
    },
    isComplete: ({ repository, commit, root }) =>
      one.get({ repository, commit, root }) !== undefined,
    completeCommits: (repository, root, commitsMax) =>
      newest.all({ repository, root, commitsMax }).map((row) => row.commitId),
    forgetTree: (tree) => {
      orm.delete(completeTrees).where(same(tree)).run();
    },
    listTrees: () =>
      orm
        .select()
        .from(completeTrees)
        .all()
        .map(({ commitId, ...row }) => ({ ...row, commit: commitId })),
  };
}
