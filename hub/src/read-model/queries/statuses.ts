import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm';
import { statusesLookedAtMax } from '../../limits.ts';
import type { Orm } from '../orm.ts';
import { pipelineTable, releaseTable, statusTable } from '../schema.ts';
import { afterNumber, type Page, type PageRequest, pageOf } from './page.ts';

export type StatusView = typeof statusTable.$inferSelect;

export function statusQueries(orm: Orm) {
  const repositoryOf = orm
    .select({ repository: pipelineTable.repository })
    .from(pipelineTable)
    .where(eq(pipelineTable.name, sql.placeholder('pipeline')));
  const repositoryWithStatuses = orm
    .select({ repository: statusTable.repository })
    .from(statusTable)
    .where(eq(statusTable.repository, repositoryOf))
    .prepare();
  return {
    /** What the gates of a pipeline ask for, about its newest releases. */
    statusesOfPipeline: (pipeline: string): StatusView[] => {
      // Every look at a pipeline comes here, and mostly CI says nothing: then its definition is not read either.
      if (repositoryWithStatuses.get({ pipeline }) === undefined) return [];
      const row = orm.select().from(pipelineTable).where(eq(pipelineTable.name, pipeline)).get();
      const names = new Set(row?.definition.stages.flatMap(({ gates }) => gates.statuses ?? []));
      if (row === undefined || names.size === 0) return [];
      return orm
        .select({ status: statusTable })
        .from(releaseTable)
        .innerJoin(
          statusTable,
          and(
            eq(statusTable.repository, row.repository),
            eq(statusTable.commit, releaseTable.commit),
          ),
        )
        .where(and(eq(releaseTable.pipeline, pipeline), inArray(statusTable.name, [...names])))
        .orderBy(desc(releaseTable.position))
        .limit(statusesLookedAtMax)
        .all()
        .map(({ status }) => status);
    },
    /** Newest first. */
    listStatuses: (
      filter: { readonly repository: string; readonly commit?: string },
      page: PageRequest,
    ): Page<StatusView> => {
      const { repository, commit } = filter;
      const rows = orm
        .select()
        .from(statusTable)
        .where(
          and(
            eq(statusTable.repository, repository),
            commit === undefined ? undefined : eq(statusTable.commit, commit),
            lt(statusTable.position, afterNumber(page, Number.MAX_SAFE_INTEGER)),
          ),
        )
        .orderBy(desc(statusTable.position))
        .limit(page.limit + 1)
        .all();
      return pageOf(rows, page.limit, ({ position }) => [position]);
    },
  };
}
