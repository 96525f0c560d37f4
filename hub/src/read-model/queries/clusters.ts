import type { ClusterId, ClusterName } from '@fairlead/shared/ids';
import { and, asc, eq, gt, inArray, isNull, type SQL, sql } from 'drizzle-orm';
import type { ClusterSnapshot } from '../../domain/promotion/index.ts';
import type { Orm } from '../orm.ts';
import { clusterStatuses, clusterTable, reportTable, targetTable } from '../schema.ts';
import { countColumns, noTargets, type TargetCounts, targetCounts } from './counts.ts';
import { afterText, type Page, type PageRequest, pageOf } from './page.ts';

export type ClusterView = typeof clusterTable.$inferSelect;
export type ClusterStatus = (typeof clusterStatuses)[number];
export type ClusterFilter = {
  readonly status?: ClusterStatus;
  readonly labels?: Readonly<Record<string, string>>;
};
export type ClusterSummary = { readonly cluster: ClusterView; readonly targets: TargetCounts };

export function clusterQueries(orm: Orm) {
  const present = isNull(clusterTable.removedAt);
  const byName = orm
    .select()
    .from(clusterTable)
    .where(and(eq(clusterTable.name, sql.placeholder('name')), present))
    .prepare();
  const byId = orm
    .select()
    .from(clusterTable)
    .where(eq(clusterTable.id, sql.placeholder('id')))
    .prepare();
  const all = orm
    .select()
    .from(clusterTable)
    .where(present)
    .orderBy(asc(clusterTable.name))
    .prepare();
  const totals = orm
    .select({ status: clusterTable.status, total: sql<number>`count(*)` })
    .from(clusterTable)
    .where(present)
    .groupBy(clusterTable.status)
    .prepare();

  const listClusters = (page: PageRequest, filter: ClusterFilter = {}): Page<ClusterView> => {
    const conditions: SQL[] = [present, gt(clusterTable.name, afterText(page))];
    if (filter.status !== undefined) conditions.push(eq(clusterTable.status, filter.status));
    for (const [key, value] of Object.entries(filter.labels ?? {})) {
      conditions.push(
        sql`EXISTS (SELECT 1 FROM json_each(${clusterTable.labels}) AS label
          WHERE label.key = ${key} AND label.value = ${value})`,
      );
    }
    const rows = orm
      .select()
      .from(clusterTable)
      .where(and(...conditions))
      .orderBy(asc(clusterTable.name))
      .limit(page.limit + 1)
      .all();
    return pageOf(rows, page.limit, (row) => [row.name]);
  };

  return {
    listClusters,
    findCluster: (name: string): ClusterView | undefined => byName.get({ name }),
    /** A removed cluster too: its assignments and audit entries still name it. */
    findClusterById: (id: string): ClusterView | undefined => byId.get({ id }),
    allClusters: (): ClusterView[] => all.all(),
    /** As decisions see them. A cluster that has enrolled and was never heard counts as pending. */
    clusterSnapshots: (): ClusterSnapshot[] => all.all().map(clusterSnapshot),
    clusterTotals: (): Record<ClusterStatus, number> => {
      const found = new Map(totals.all().map(({ status, total }) => [status, total]));
      return Object.fromEntries(
        clusterStatuses.map((status) => [status, found.get(status) ?? 0]),
      ) as Record<ClusterStatus, number>;
    },
    clusterSummaries: (page: PageRequest, filter: ClusterFilter = {}): Page<ClusterSummary> => {
      const { items, next } = listClusters(page, filter);
      const counts = countsByCluster(
        orm,
        items.map((cluster) => cluster.id),
      );
      const summaries = items.map((cluster) => ({
        cluster,
        targets: counts.get(cluster.id) ?? noTargets,
      }));
      return { items: summaries, ...(next ? { next } : {}) };
    },
  };
}

function countsByCluster(orm: Orm, ids: readonly ClusterId[]): Map<string, TargetCounts> {
  const rows = orm
    .select({ clusterId: targetTable.clusterId, ...countColumns })
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
    .where(and(inArray(targetTable.clusterId, [...ids]), eq(targetTable.disposition, 'run')))
    .groupBy(targetTable.clusterId)
    .all();
  return new Map(rows.map((row) => [row.clusterId, targetCounts(row)]));
}

function clusterSnapshot(row: ClusterView): ClusterSnapshot {
  return {
    id: row.id,
    name: row.name as ClusterName,
    labels: row.labels,
    status: row.status === 'enrolled' ? 'pending' : row.status,
    ...(row.lastSeenAt === null ? {} : { lastSeenAt: row.lastSeenAt }),
    statusSince: row.statusSince,
    ...(row.agentVersion === null ? {} : { agentVersion: row.agentVersion }),
  };
}
