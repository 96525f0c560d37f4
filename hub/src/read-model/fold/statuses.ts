import { and, desc, eq, inArray, lte } from 'drizzle-orm';
import type { RepositoryEvent } from '../../domain/events.ts';
import { statusEarlyMs, statusesEarlyMax } from '../../limits.ts';
import type { Orm } from '../orm.ts';
import { pipelineTable, releaseTable, statusTable } from '../schema.ts';
import type { Entry } from './batch.ts';

type Reported = Entry<Extract<RepositoryEvent, { type: 'StatusReported' }>>;

/**
 * Folds what CI says of commits. What it says before the hub has discovered the commit is kept for a time and up to a
 * number; once the commit is a release, its statuses stay.
 */
export function createStatusFold(orm: Orm) {
  const early = (repository: string) =>
    and(eq(statusTable.repository, repository), eq(statusTable.early, true));
  const isRelease = (repository: string, commit: string): boolean =>
    orm
      .select({ commit: releaseTable.commit })
      .from(releaseTable)
      .innerJoin(pipelineTable, eq(pipelineTable.name, releaseTable.pipeline))
      .where(and(eq(releaseTable.commit, commit), eq(pipelineTable.repository, repository)))
      .limit(1)
      .get() !== undefined;
  const forgetExpired = (repository: string, now: number) => {
    orm
      .delete(statusTable)
      .where(and(early(repository), lte(statusTable.at, now - statusEarlyMs)))
      .run();
  };
  const forgetSurplus = (repository: string) => {
    const newestSurplus = orm
      .select({ position: statusTable.position })
      .from(statusTable)
      .where(early(repository))
      .orderBy(desc(statusTable.position))
      .limit(1)
      .offset(statusesEarlyMax)
      .get();
    if (newestSurplus === undefined) return;
    orm
      .delete(statusTable)
      .where(and(early(repository), lte(statusTable.position, newestSurplus.position)))
      .run();
  };

  return {
    reported: (repository: string, { event, position }: Reported): void => {
      const { commit, name, state, description, url = null, at } = event;
      const isEarly = !isRelease(repository, commit);
      const word = { state, description, url, at, position, early: isEarly };
      orm
        .insert(statusTable)
        .values({ repository, commit, name, ...word })
        .onConflictDoUpdate({
          target: [statusTable.repository, statusTable.commit, statusTable.name],
          set: word,
        })
        .run();
      if (!isEarly) return;
      forgetExpired(repository, at);
      forgetSurplus(repository);
    },
    /** These commits are releases of the pipeline now. */
    discovered: (pipeline: string, commits: readonly string[], now: number): void => {
      const defined = orm
        .select()
        .from(pipelineTable)
        .where(eq(pipelineTable.name, pipeline))
        .get();
      if (defined === undefined) return;
      const { repository } = defined;
      forgetExpired(repository, now);
      orm
        .update(statusTable)
        .set({ early: false })
        .where(and(early(repository), inArray(statusTable.commit, [...commits])))
        .run();
    },
    removed: (repository: string): void => {
      orm.delete(statusTable).where(eq(statusTable.repository, repository)).run();
    },
  };
}
