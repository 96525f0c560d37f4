import { and, desc, eq, inArray, lte, sql } from 'drizzle-orm';
import type { RepositoryEvent } from '../../domain/events.ts';
import { statusEarlyMs, statusesEarlyMax } from '../../limits.ts';
import type { Orm } from '../orm.ts';
import { preparedInsert } from '../prepared.ts';
import { pipelineTable, releaseTable, statusTable } from '../schema.ts';
import type { Entry } from './batch.ts';

/** Entries of the log between two looks at what may be forgotten; so many more than the limit may be there. */
const statusesForgottenEvery = 128;

type Reported = Entry<Extract<RepositoryEvent, { type: 'StatusReported' }>>;

/**
 * Folds what CI says of commits. What it says before the hub has discovered the commit is kept for a time and up to a
 * number; once the commit is a release, its statuses stay.
 */
export function createStatusFold(orm: Orm) {
  const isEarly = (repository: string) =>
    and(eq(statusTable.repository, repository), eq(statusTable.early, true));
  const repositoryOf = orm
    .select({ repository: pipelineTable.repository })
    .from(pipelineTable)
    .where(eq(pipelineTable.name, sql.placeholder('pipeline')));
  // Each release comes here. SQLite plans a statement anew at each run where a bound limit or a join is in it, which takes
  // ten times as long as running it; so this has neither.
  const repositoryWithEarly = orm
    .select({ repository: statusTable.repository })
    .from(statusTable)
    .where(and(eq(statusTable.repository, repositoryOf), eq(statusTable.early, true)))
    .prepare();
  const releaseOf = orm
    .select({ commit: releaseTable.commit })
    .from(releaseTable)
    .innerJoin(pipelineTable, eq(pipelineTable.name, releaseTable.pipeline))
    .where(
      and(
        eq(releaseTable.commit, sql.placeholder('commit')),
        eq(pipelineTable.repository, sql.placeholder('repository')),
      ),
    )
    .limit(1)
    .prepare();
  const write = preparedInsert(orm, statusTable, {
    key: [statusTable.repository, statusTable.commit, statusTable.name],
    replace: ['state', 'description', 'url', 'at', 'position', 'early'],
  });
  const forgetExpired = (repository: string, now: number) => {
    orm
      .delete(statusTable)
      .where(and(isEarly(repository), lte(statusTable.at, now - statusEarlyMs)))
      .run();
  };
  const forgetSurplus = (repository: string) => {
    const newestSurplus = orm
      .select({ position: statusTable.position })
      .from(statusTable)
      .where(isEarly(repository))
      .orderBy(desc(statusTable.position))
      .limit(1)
      .offset(statusesEarlyMax)
      .get();
    if (newestSurplus === undefined) return;
    orm
      .delete(statusTable)
      .where(and(isEarly(repository), lte(statusTable.position, newestSurplus.position)))
      .run();
  };

  return {
    reported: (repository: string, { event, position }: Reported): void => {
      const { commit, name, state, description, url = null, at } = event;
      const early = releaseOf.get({ commit, repository }) === undefined;
      write({ repository, commit, name, state, description, url, at, position, early });
      // Not at each of them, because a look at the early ones costs their number.
      if (position % statusesForgottenEvery !== 0) return;
      forgetExpired(repository, at);
      forgetSurplus(repository);
    },
    /** These commits are releases of the pipeline now. */
    discovered: (pipeline: string, commits: readonly string[], now: number): void => {
      // Mostly CI has said nothing yet, and each release of a long log comes here.
      const repository = repositoryWithEarly.get({ pipeline })?.repository;
      if (repository === undefined) return;
      forgetExpired(repository, now);
      orm
        .update(statusTable)
        .set({ early: false })
        .where(and(isEarly(repository), inArray(statusTable.commit, [...commits])))
        .run();
    },
    removed: (repository: string): void => {
      orm.delete(statusTable).where(eq(statusTable.repository, repository)).run();
    },
  };
}
