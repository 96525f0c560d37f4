import { and, asc, desc, eq, inArray, lt, type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import { admissionTable, rolloutTable, rolloutTargetTable } from '../schema.ts';
import { afterNumber, type Page, type PageRequest, pageOf } from './page.ts';

export type RolloutView = typeof rolloutTable.$inferSelect & {
  readonly targets: (typeof rolloutTargetTable.$inferSelect)[];
};
export type AdmissionView = typeof admissionTable.$inferSelect;
export type StageFilter = {
  readonly pipeline?: string;
  readonly stage?: string;
  readonly release?: string;
};
export type RolloutFilter = StageFilter & { readonly state?: RolloutView['state'] };

export function rolloutQueries(orm: Orm) {
  const withTargets = (rows: (typeof rolloutTable.$inferSelect)[]): RolloutView[] => {
    const targets = orm
      .select()
      .from(rolloutTargetTable)
      .where(
        inArray(
          rolloutTargetTable.rolloutId,
          rows.map(({ id }) => id),
        ),
      )
      .orderBy(asc(rolloutTargetTable.batch), asc(rolloutTargetTable.ordinal))
      .all();
    const byRollout = Map.groupBy(targets, ({ rolloutId }) => rolloutId);
    return rows.map((row) => ({ ...row, targets: byRollout.get(row.id) ?? [] }));
  };
  const byId = orm
    .select()
    .from(rolloutTable)
    .where(eq(rolloutTable.id, sql.placeholder('id')))
    .prepare();

  return {
    findRollout: (id: string): RolloutView | undefined => {
      const row = byId.get({ id });
      return row === undefined ? undefined : withTargets([row])[0];
    },
    /** Newest first. */
    listRollouts: (filter: RolloutFilter, page: PageRequest): Page<RolloutView> => {
      const rows = orm
        .select()
        .from(rolloutTable)
        .where(
          and(
            lt(rolloutTable.position, afterNumber(page, Number.MAX_SAFE_INTEGER)),
            ...stageConditions(rolloutTable, filter),
            filter.state === undefined ? undefined : eq(rolloutTable.state, filter.state),
          ),
        )
        .orderBy(desc(rolloutTable.position))
        .limit(page.limit + 1)
        .all();
      const { items, next } = pageOf(rows, page.limit, (row) => [row.position]);
      return { items: withTargets(items), ...(next ? { next } : {}) };
    },
    /** Newest first. */
    listAdmissions: (filter: StageFilter, page: PageRequest): Page<AdmissionView> => {
      const rows = orm
        .select()
        .from(admissionTable)
        .where(
          and(
            lt(admissionTable.position, afterNumber(page, Number.MAX_SAFE_INTEGER)),
            ...stageConditions(admissionTable, filter),
          ),
        )
        .orderBy(desc(admissionTable.position))
        .limit(page.limit + 1)
        .all();
      return pageOf(rows, page.limit, (row) => [row.position]);
    },
  };
}

function stageConditions(
  table: typeof rolloutTable | typeof admissionTable,
  { pipeline, stage, release }: StageFilter,
): (SQL | undefined)[] {
  return [
    pipeline === undefined ? undefined : eq(table.pipeline, pipeline),
    stage === undefined ? undefined : eq(table.stage, stage),
    release === undefined ? undefined : eq(table.release, release),
  ];
}
