import { and, asc, desc, eq, gt, lt, type SQL } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import { auditTable } from '../schema.ts';
import { afterNumber, type Page, type PageRequest, pageOf } from './page.ts';

export type AuditIndexView = typeof auditTable.$inferSelect;
export type AuditFilter = {
  readonly pipeline?: string;
  readonly stage?: string;
  readonly cluster?: string;
  readonly commit?: string;
  readonly type?: string;
  /** Both ends excluded. */
  readonly afterPosition?: number;
  readonly beforePosition?: number;
  /** `newest` first, or `oldest` first as an export wants it. */
  readonly order: 'newest' | 'oldest';
};

export function auditQueries(orm: Orm) {
  return {
    /** Which entries of the log match; what they say is read from the log. */
    listAudit: (filter: AuditFilter, page: PageRequest): Page<AuditIndexView> => {
      const { order, afterPosition, beforePosition, ...equal } = filter;
      const conditions: SQL[] = [];
      for (const column of ['pipeline', 'stage', 'cluster', 'commit', 'type'] as const) {
        const value = equal[column];
        if (value !== undefined) conditions.push(eq(auditTable[column], value));
      }
      if (afterPosition !== undefined) conditions.push(gt(auditTable.position, afterPosition));
      if (beforePosition !== undefined) conditions.push(lt(auditTable.position, beforePosition));
      conditions.push(
        order === 'newest'
          ? lt(auditTable.position, afterNumber(page, Number.MAX_SAFE_INTEGER))
          : gt(auditTable.position, afterNumber(page, 0)),
      );
      const rows = orm
        .select()
        .from(auditTable)
        .where(and(...conditions))
        .orderBy(order === 'newest' ? desc(auditTable.position) : asc(auditTable.position))
        .limit(page.limit + 1)
        .all();
      return pageOf(rows, page.limit, (row) => [row.position]);
    },
  };
}
