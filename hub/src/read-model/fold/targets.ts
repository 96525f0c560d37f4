import { and, eq } from 'drizzle-orm';
import type { PipelineEvent } from '../../domain/promotion/events.ts';
import { composeAssignment } from '../../domain/rollout/index.ts';
import type { Orm } from '../orm.ts';
import { pipelineRevisionTable, targetTable } from '../schema.ts';
import type { Entry, FoldBatch } from './batch.ts';

type Assigned = Extract<PipelineEvent, { type: 'TargetAssigned' }>;
type Withdrawn = Extract<PipelineEvent, { type: 'TargetWithdrawn' }>;

/** Folds what targets must run. Generations only grow, as the core numbers them. */
export function createTargetFold(orm: Orm) {
  const definitionOf = (batch: FoldBatch, pipeline: string, revision: number) => {
    const key = `${pipeline}/${revision}`;
    const known = batch.definitions.get(key);
    if (known !== undefined) return known;
    const row = orm
      .select({ definition: pipelineRevisionTable.definition })
      .from(pipelineRevisionTable)
      .where(
        and(
          eq(pipelineRevisionTable.pipeline, pipeline),
          eq(pipelineRevisionTable.revision, revision),
        ),
      )
      .get();
    if (row !== undefined) batch.definitions.set(key, row.definition);
    return row?.definition;
  };

  const assign = (batch: FoldBatch, pipeline: string, { event, recordedAt }: Entry<Assigned>) => {
    const definition = definitionOf(batch, pipeline, event.definitionRevision);
    const assignment = definition && composeAssignment(definition, event);
    if (assignment === undefined) {
      throw new Error(
        `${pipeline}/${event.stage} was assigned by revision ${event.definitionRevision}, ` +
          'which does not define that stage',
      );
    }
    const values = {
      clusterName: event.clusterName,
      disposition: assignment.disposition,
      generation: event.generation,
      commit: event.release,
      path: event.path,
      cause: event.cause,
      assignedAt: recordedAt,
      assignment,
    };
    orm
      .insert(targetTable)
      .values({ clusterId: event.cluster, pipeline, stage: event.stage, ...values })
      .onConflictDoUpdate({
        target: [targetTable.clusterId, targetTable.pipeline, targetTable.stage],
        set: values,
      })
      .run();
    batch.assignments.add(event.cluster);
  };

  const withdraw = (
    batch: FoldBatch,
    pipeline: string,
    { event, recordedAt }: Entry<Withdrawn>,
  ) => {
    const key = and(
      eq(targetTable.clusterId, event.cluster),
      eq(targetTable.pipeline, pipeline),
      eq(targetTable.stage, event.stage),
    );
    const row = orm
      .select({ assignment: targetTable.assignment })
      .from(targetTable)
      .where(key)
      .get();
    if (row === undefined) return;
    const { generation, disposition, cause } = event;
    orm
      .update(targetTable)
      .set({
        generation,
        disposition,
        cause,
        assignedAt: recordedAt,
        assignment: { ...row.assignment, generation, disposition },
      })
      .where(key)
      .run();
    batch.assignments.add(event.cluster);
  };

  return { assign, withdraw };
}
