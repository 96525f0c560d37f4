import { and, asc, eq, inArray, isNotNull, or, sql } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import { clusterTable, reportTable, rolloutTable, stageTable, targetTable } from '../schema.ts';
import { countColumns, noTargets, type TargetCounts, targetCounts } from './counts.ts';

export type StageView = typeof stageTable.$inferSelect & {
  readonly rollout?: typeof rolloutTable.$inferSelect;
  readonly targets: TargetCounts;
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
