import { sql } from 'drizzle-orm';
import { clusterTable, reportTable, targetTable } from '../schema.ts';

export type TargetCounts = {
  readonly total: number;
  readonly healthy: number;
  readonly progressing: number;
  readonly failing: number;
  readonly offline: number;
  /** Of all of them: whose prune waits for a person. */
  readonly pruneHeld: number;
};

export const noTargets: TargetCounts = {
  total: 0,
  healthy: 0,
  progressing: 0,
  failing: 0,
  offline: 0,
  pruneHeld: 0,
};

/** A report counts only for exactly what is assigned. */
const matches = sql`(${reportTable.generation} = ${targetTable.generation}
  AND ${reportTable.commit} = ${targetTable.commit})`;
const heard = sql`(${clusterTable.status} = 'connected')`;

/** Aggregates over targets with their cluster and their report, each target in exactly one of the first four. */
export const countColumns = {
  total: sql<number>`count(*)`,
  healthy: sql<number>`coalesce(sum(${heard} AND coalesce(${matches}
    AND ${reportTable.phase} IN ('settled', 'prune-held') AND ${reportTable.health} = 'healthy', 0)), 0)`,
  failing: sql<number>`coalesce(sum(${heard} AND coalesce(${matches}
    AND (${reportTable.phase} = 'failed' OR ${reportTable.health} IN ('degraded', 'missing')), 0)), 0)`,
  offline: sql<number>`coalesce(sum(NOT ${heard}), 0)`,
  pruneHeld: sql<number>`coalesce(sum(coalesce(${matches}
    AND ${reportTable.phase} = 'prune-held', 0)), 0)`,
};

/** What is neither healthy, failing nor offline is on its way. */
export function targetCounts(row: Omit<TargetCounts, 'progressing'>): TargetCounts {
  const { total, healthy, failing, offline, pruneHeld } = row;
  const progressing = total - healthy - failing - offline;
  return { total, healthy, failing, offline, pruneHeld, progressing };
}
