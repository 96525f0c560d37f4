import { and, eq, gt, like, type SQL } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import { type approvalStates, approvalTable, pipelineTable, stageTable } from '../schema.ts';
import { afterNumber, type Page, type PageRequest, pageOf } from './page.ts';

export type ApprovalView = typeof approvalTable.$inferSelect;
export type ApprovalFilter = {
  readonly pipeline?: string;
  readonly stage?: string;
  /** A commit id, or its beginning. */
  readonly release?: string;
  readonly state?: (typeof approvalStates)[number];
};

export function approvalQueries(orm: Orm) {
  return {
    /** Oldest first. Requests of stages and pipelines that are gone wait for nobody and are left out. */
    listApprovals: (filter: ApprovalFilter, page: PageRequest): Page<ApprovalView> => {
      const { pipeline, stage, release, state } = filter;
      const conditions: (SQL | undefined)[] = [
        gt(approvalTable.position, afterNumber(page, 0)),
        eq(pipelineTable.removed, false),
        eq(stageTable.defined, true),
        pipeline === undefined ? undefined : eq(approvalTable.pipeline, pipeline),
        stage === undefined ? undefined : eq(approvalTable.stage, stage),
        release === undefined ? undefined : like(approvalTable.release, `${release}%`),
        state === undefined ? undefined : eq(approvalTable.state, state),
      ];
      const rows = orm
        .select({ approval: approvalTable })
        .from(approvalTable)
        .innerJoin(pipelineTable, eq(pipelineTable.name, approvalTable.pipeline))
        .innerJoin(
          stageTable,
          and(
            eq(stageTable.pipeline, approvalTable.pipeline),
            eq(stageTable.name, approvalTable.stage),
          ),
        )
        .where(and(...conditions))
        .orderBy(approvalTable.position)
        .limit(page.limit + 1)
        .all()
        .map(({ approval }) => approval);
      return pageOf(rows, page.limit, ({ position }) => [position]);
    },
  };
}
