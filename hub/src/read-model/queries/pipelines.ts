import type { CommitId, PipelineName } from '@fairlead/shared/ids';
import { and, asc, desc, eq, exists, gt, inArray, like, lt, ne, or, sql } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import {
  pipelineTable,
  releaseStageTable,
  releaseTable,
  stageTable,
  targetTable,
} from '../schema.ts';
import { afterNumber, afterText, type Page, type PageRequest, pageOf } from './page.ts';

export type PipelineView = typeof pipelineTable.$inferSelect;
export type ReleaseView = typeof releaseTable.$inferSelect & {
  readonly stages: {
    readonly stage: string;
    readonly state: (typeof releaseStageTable.$inferSelect)['state'];
    readonly at: number;
    /** The stage's newest rollout is of this release. */
    readonly current: boolean;
  }[];
};

export function pipelineQueries(orm: Orm) {
  const defined = eq(pipelineTable.removed, false);
  const byName = orm
    .select()
    .from(pipelineTable)
    .where(and(eq(pipelineTable.name, sql.placeholder('name')), defined))
    .prepare();
  const names = orm
    .select({ name: pipelineTable.name })
    .from(pipelineTable)
    .where(defined)
    .orderBy(asc(pipelineTable.name))
    .prepare();
  const toAdvance = orm
    .select({ name: pipelineTable.name })
    .from(pipelineTable)
    .where(
      or(
        defined,
        exists(
          orm
            .select({ one: sql`1` })
            .from(targetTable)
            .where(
              and(
                eq(targetTable.pipeline, pipelineTable.name),
                ne(targetTable.disposition, 'orphan'),
                ne(targetTable.cause, 'deleted'),
              ),
            ),
        ),
      ),
    )
    .orderBy(asc(pipelineTable.name))
    .prepare();
  const verifying = orm
    .select({ name: pipelineTable.name })
    .from(pipelineTable)
    .where(
      and(
        defined,
        sql`exists (select 1 from json_each(${pipelineTable.definition}, '$.stages') as stage
          where json_array_length(stage.value, '$.gates.verifications') > 0)`,
      ),
    )
    .prepare();
  const after = orm
    .select()
    .from(pipelineTable)
    .where(and(gt(pipelineTable.name, sql.placeholder('after')), defined))
    .orderBy(asc(pipelineTable.name))
    .limit(sql.placeholder('limit'))
    .prepare();
  const ofRepository = orm
    .select()
    .from(pipelineTable)
    .where(and(eq(pipelineTable.repository, sql.placeholder('repository')), defined))
    .orderBy(asc(pipelineTable.name))
    .prepare();
  const discovered = orm
    .select({ commit: releaseTable.commit })
    .from(releaseTable)
    .where(
      and(
        eq(releaseTable.pipeline, sql.placeholder('pipeline')),
        lt(releaseTable.discoveredAt, sql.placeholder('before')),
      ),
    )
    .prepare();
  const newest = orm
    .select({ commit: releaseTable.commit })
    .from(releaseTable)
    .where(
      and(eq(releaseTable.pipeline, sql.placeholder('pipeline')), eq(releaseTable.orphaned, false)),
    )
    .orderBy(desc(releaseTable.position), desc(releaseTable.commit))
    .limit(1)
    .prepare();
  const byPrefix = orm
    .select({ commit: releaseTable.commit })
    .from(releaseTable)
    .where(
      and(
        eq(releaseTable.pipeline, sql.placeholder('pipeline')),
        like(releaseTable.commit, sql.placeholder('prefix')),
      ),
    )
    .limit(2)
    .prepare();

  return {
    findPipeline: (name: string): PipelineView | undefined => byName.get({ name }),
    pipelineNames: (): PipelineName[] => names.all().map(({ name }) => name as PipelineName),
    /** The defined ones, and removed ones with targets that are not told yet or with a deletion under way. */
    pipelinesToAdvance: (): PipelineName[] =>
      toAdvance.all().map(({ name }) => name as PipelineName),
    /** Those with a stage that waits for verifications. */
    verifyingPipelines: (): string[] => verifying.all().map(({ name }) => name),
    pipelinesOfRepository: (repository: string): PipelineView[] => ofRepository.all({ repository }),
    listPipelines: (page: PageRequest): Page<PipelineView> =>
      pageOf(after.all({ after: afterText(page), limit: page.limit + 1 }), page.limit, (row) => [
        row.name,
      ]),
    releasesDiscoveredBefore: (pipeline: string, before: number): CommitId[] =>
      discovered.all({ pipeline, before }).map(({ commit }) => commit as CommitId),
    newestRelease: (pipeline: string): string | undefined => newest.get({ pipeline })?.commit,
    /** At most two commits that start with these hex digits: two mean that the prefix is ambiguous. */
    releasesByPrefix: (pipeline: string, prefix: string): string[] =>
      byPrefix.all({ pipeline, prefix: `${prefix}%` }).map(({ commit }) => commit),
    listReleases: (pipeline: string, page: PageRequest): Page<ReleaseView> =>
      listReleases(orm, pipeline, page),
  };
}

/** Newest first. */
function listReleases(orm: Orm, pipeline: string, page: PageRequest): Page<ReleaseView> {
  const key = [afterNumber(page, Number.MAX_SAFE_INTEGER), afterText(page, 1) || '~'] as const;
  const rows = orm
    .select()
    .from(releaseTable)
    .where(
      and(
        eq(releaseTable.pipeline, pipeline),
        sql`(${releaseTable.position}, ${releaseTable.commit}) < (${key[0]}, ${key[1]})`,
      ),
    )
    .orderBy(desc(releaseTable.position), desc(releaseTable.commit))
    .limit(page.limit + 1)
    .all();
  const { items, next } = pageOf(rows, page.limit, (row) => [row.position, row.commit]);
  const stages = orm
    .select({ progress: releaseStageTable, currentRelease: stageTable.currentRelease })
    .from(releaseStageTable)
    .innerJoin(
      stageTable,
      and(
        eq(stageTable.pipeline, releaseStageTable.pipeline),
        eq(stageTable.name, releaseStageTable.stage),
      ),
    )
    .where(
      and(
        eq(releaseStageTable.pipeline, pipeline),
        inArray(
          releaseStageTable.commit,
          items.map(({ commit }) => commit),
        ),
      ),
    )
    .orderBy(asc(stageTable.ordinal), asc(stageTable.name))
    .all();
  const byCommit = Map.groupBy(stages, ({ progress }) => progress.commit);
  return {
    items: items.map((row) => ({
      ...row,
      stages: (byCommit.get(row.commit) ?? []).map(({ progress, currentRelease }) => ({
        stage: progress.stage,
        state: progress.state,
        at: progress.at,
        current: currentRelease === row.commit,
      })),
    })),
    ...(next ? { next } : {}),
  };
}
