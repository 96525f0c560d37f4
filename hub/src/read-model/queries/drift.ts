import { and, asc, eq, isNull, type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import { clusterTable, reportDriftTable, reportTable, targetTable } from '../schema.ts';
import { afterNumber, afterText, type Page, type PageRequest, pageOf } from './page.ts';

export type DriftView = {
  readonly drift: typeof reportDriftTable.$inferSelect;
  readonly report: Pick<typeof reportTable.$inferSelect, 'generation' | 'commit' | 'receivedAt'>;
  readonly target: Pick<typeof targetTable.$inferSelect, 'clusterName' | 'generation' | 'commit'>;
};
export type DriftFilter = {
  readonly pipeline?: string;
  readonly stage?: string;
  readonly cluster?: string;
};

export function driftQueries(orm: Orm) {
  return {
    /** What the newest reports tell of, by cluster, stage and object; clusters that were removed are left out. */
    listDrift: (filter: DriftFilter, page: PageRequest): Page<DriftView> => {
      const { pipeline, stage, cluster } = filter;
      const conditions: (SQL | undefined)[] = [
        isNull(clusterTable.removedAt),
        eq(targetTable.disposition, 'run'),
        pipeline === undefined ? undefined : eq(reportDriftTable.pipeline, pipeline),
        stage === undefined ? undefined : eq(reportDriftTable.stage, stage),
        cluster === undefined ? undefined : eq(targetTable.clusterName, cluster),
        sql`(${targetTable.clusterName}, ${reportDriftTable.pipeline}, ${reportDriftTable.stage},
          ${reportDriftTable.ordinal}) >
          (${afterText(page, 0)}, ${afterText(page, 1)}, ${afterText(page, 2)},
          ${afterNumber(page, -1, 3)})`,
      ];
      const ofTarget = (table: typeof reportTable | typeof targetTable) =>
        and(
          eq(table.clusterId, reportDriftTable.clusterId),
          eq(table.pipeline, reportDriftTable.pipeline),
          eq(table.stage, reportDriftTable.stage),
        );
      const rows = orm
        .select({ drift: reportDriftTable, report: reportTable, target: targetTable })
        .from(reportDriftTable)
        .innerJoin(targetTable, ofTarget(targetTable))
        .innerJoin(reportTable, ofTarget(reportTable))
        .innerJoin(clusterTable, eq(clusterTable.id, reportDriftTable.clusterId))
        .where(and(...conditions))
        .orderBy(
          asc(targetTable.clusterName),
          asc(reportDriftTable.pipeline),
          asc(reportDriftTable.stage),
          asc(reportDriftTable.ordinal),
        )
        .limit(page.limit + 1)
        .all();
      return pageOf(rows, page.limit, ({ target, drift }) => [
        target.clusterName,
        drift.pipeline,
        drift.stage,
        drift.ordinal,
      ]);
    },
  };
}
