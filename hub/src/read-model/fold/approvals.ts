import { unreachable } from '@fairlead/shared/result';
import { and, eq } from 'drizzle-orm';
import { stageNamed } from '../../domain/pipeline/index.ts';
import type { ApprovalEvent } from '../../domain/promotion/approval/events.ts';
import type { Orm } from '../orm.ts';
import { approvalTable, pipelineTable } from '../schema.ts';
import type { Entry } from './batch.ts';

type Change = Partial<typeof approvalTable.$inferInsert>;

/** Folds requests for approvals and their votes. */
export function createApprovalFold(orm: Orm) {
  const end = (
    id: string,
    change: Change & { state: (typeof approvalTable.$inferInsert)['state'] },
  ) => {
    orm
      .update(approvalTable)
      .set(change)
      .where(and(eq(approvalTable.id, id), eq(approvalTable.state, 'open')))
      .run();
  };
  const changeVotes = (id: string, change: (votes: Row['votes']) => Row['votes']) => {
    const row = orm.select().from(approvalTable).where(eq(approvalTable.id, id)).get();
    if (row?.state !== 'open') return;
    orm
      .update(approvalTable)
      .set({ votes: change(row.votes) })
      .where(eq(approvalTable.id, id))
      .run();
  };
  const request = (pipeline: string, { event, position, recordedAt }: Entry<Requested>) => {
    const { requestId: id, stage, release, definitionRevision, expiresAt, by } = event;
    const defined = orm.select().from(pipelineTable).where(eq(pipelineTable.name, pipeline)).get();
    const policy = stageNamed(defined?.definition, stage)?.gates.approvals;
    orm
      .insert(approvalTable)
      .values({
        id,
        position,
        pipeline,
        stage,
        release,
        state: 'open',
        definitionRevision,
        requestedBy: by ?? null,
        requestedAt: recordedAt,
        expiresAt: expiresAt ?? null,
        required: policy?.required ?? 1,
        from: policy?.from ?? [],
        including: policy?.including ?? [],
        votes: [],
      })
      .run();
  };

  return {
    changed: (pipeline: string, { event, ...entry }: Entry<ApprovalEvent>) => {
      const { requestId } = event;
      const endedAt = entry.recordedAt;
      switch (event.type) {
        case 'ApprovalRequested':
          return request(pipeline, { ...entry, event });
        case 'ApprovalGiven': {
          const { comment, at, by } = event;
          const vote = { subject: by.subject, comment, at };
          return changeVotes(requestId, (votes) => [...without(votes, by.subject), vote]);
        }
        case 'ApprovalWithdrawn':
          return changeVotes(requestId, (votes) => without(votes, event.by.subject));
        case 'ApprovalRejected': {
          const message = `${event.by.subject}: ${event.reason}`;
          return end(requestId, { state: 'rejected', endedAt, message });
        }
        case 'ApprovalExpired':
          return end(requestId, { state: 'expired', endedAt });
        case 'ApprovalVoided':
          return end(requestId, { state: 'voided', endedAt, message: event.reason });
        default:
          return unreachable(event);
      }
    },
    /** The release came into the stage, so that nothing about it is asked any more. */
    used: (of: { pipeline: string; stage: string; release: string }, endedAt: number): void => {
      orm
        .update(approvalTable)
        .set({ state: 'used', endedAt })
        .where(
          and(
            eq(approvalTable.pipeline, of.pipeline),
            eq(approvalTable.stage, of.stage),
            eq(approvalTable.release, of.release),
            eq(approvalTable.state, 'open'),
          ),
        )
        .run();
    },
  };
}

type Row = typeof approvalTable.$inferSelect;
type Requested = Extract<ApprovalEvent, { type: 'ApprovalRequested' }>;

const without = (votes: Row['votes'], subject: string): Row['votes'] =>
  votes.filter((vote) => vote.subject !== subject);
