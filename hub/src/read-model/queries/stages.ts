import { and, asc, eq, gte, inArray, isNotNull, or, sql } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import {
  clusterTable,
  releaseStageTable,
  releaseTable,
  reportTable,
  rolloutTable,
  stageTable,
  targetTable,
} from '../schema.ts';
import { countColumns, noTargets, type TargetCounts, targetCounts } from './counts.ts';

export type StageView = typeof stageTable.$inferSelect & {
  readonly rollout?: typeof rolloutTable.$inferSelect;
  readonly targets: TargetCounts;
  /** It runs a hotfix that stages before it have not had succeed, nor anything newer. */
  readonly ahead?: { readonly release: string; readonly notIn: readonly string[] };
};

export function stageQueries(orm: Orm) {
  const stagesOf = (pipelines: readonly string[]): StageView[] => {
    const rows = orm
      .select({ stage: stageTable, rollout: rolloutTable })
      .from(stageTable)
      .leftJoin(rolloutTable, eq(rolloutTable.id, stageTable.rolloutId))
      // A stage that left the definition is shown for as long as its targets wait to leave.
      .where(
        and(
          inArray(stageTable.pipeline, [...pipelines]),
          or(eq(stageTable.defined, true), isNotNull(stageTable.heldWithdrawal)),
        ),
      )
      .orderBy(asc(stageTable.pipeline), asc(stageTable.ordinal))
      .all();
    const counts = countsByStage(orm, pipelines);
    return rows.map(({ stage, rollout }) => ({
      ...stage,
      ...(rollout?.kind === 'hotfix' ? aheadOf(orm, stage, rollout.release) : {}),
      ...(rollout === null ? {} : { rollout }),
      targets: counts.get(`${stage.pipeline}/${stage.name}`) ?? noTargets,
    }));
  };
  return {
    stagesOf,
    listStages: (pipeline: string): StageView[] => stagesOf([pipeline]),
    findStage: (pipeline: string, name: string): StageView | undefined =>
      stagesOf([pipeline]).find((stage) => stage.name === name),
  };
}

/** The same that the core's explanation tells. */
function aheadOf(
  orm: Orm,
  { pipeline, after }: typeof stageTable.$inferSelect,
  release: string,
): Pick<StageView, 'ahead'> {
  const hotfix = orm
    .select()
    .from(releaseTable)
    .where(and(eq(releaseTable.pipeline, pipeline), eq(releaseTable.commit, release)))
    .get();
  if (hotfix === undefined) return {};
  const notIn = after.filter(
    (before) =>
      orm
        .select({ commit: releaseTable.commit })
        .from(releaseStageTable)
        .innerJoin(
          releaseTable,
          and(
            eq(releaseTable.pipeline, releaseStageTable.pipeline),
            eq(releaseTable.commit, releaseStageTable.commit),
          ),
        )
        .where(
          and(
            eq(releaseStageTable.pipeline, pipeline),
            eq(releaseStageTable.stage, before),
            eq(releaseStageTable.state, 'succeeded'),
            gte(releaseTable.position, hotfix.position),
          ),
        )
        .limit(1)
        .get() === undefined,
  );
  return notIn.length === 0 ? {} : { ahead: { release, notIn } };
}

function countsByStage(orm: Orm, pipelines: readonly string[]): Map<string, TargetCounts> {
  const rows = orm
    .select({
      key: sql<string>`${targetTable.pipeline} || '/' || ${targetTable.stage}`,
      ...countColumns,
    })
    .from(targetTable)
    .innerJoin(clusterTable, eq(clusterTable.id, targetTable.clusterId))
    .leftJoin(
      reportTable,
      and(
        eq(reportTable.clusterId, targetTable.clusterId),
        eq(reportTable.pipeline, targetTable.pipeline),
        eq(reportTable.stage, targetTable.stage),
      ),
    )
    .where(and(inArray(targetTable.pipeline, [...pipelines]), eq(targetTable.disposition, 'run')))
    .groupBy(targetTable.pipeline, targetTable.stage)
    .all();
  return new Map(rows.map((row) => [row.key, targetCounts(row)]));
}
