import { and, eq } from 'drizzle-orm';
import type { PipelineEvent } from '../../domain/promotion/events.ts';
import { composeAssignment, withdrawnAssignment } from '../../domain/rollout/index.ts';
import type { Orm } from '../orm.ts';
import { preparedInsert } from '../prepared.ts';
import { pipelineRevisionTable, repositoryTable, targetTable } from '../schema.ts';
import type { Entry, FoldBatch } from './batch.ts';

type Assigned = Extract<PipelineEvent, { type: 'TargetAssigned' }>;
type Withdrawn = Extract<PipelineEvent, { type: 'TargetWithdrawn' }>;
type Deleted = Extract<PipelineEvent, { type: 'TargetDeleted' }>;

/** Folds what targets must run. Generations only grow, as the core numbers them. */
export function createTargetFold(orm: Orm) {
  const writeTarget = preparedInsert(orm, targetTable, {
    key: [targetTable.clusterId, targetTable.pipeline, targetTable.stage],
    replace: [
      'clusterName',
      'disposition',
      'generation',
      'commit',
      'path',
      'cause',
      'assignedAt',
      'assignment',
    ],
  });
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

  const verificationOf = (repository: string) =>
    orm
      .select({ definition: repositoryTable.definition })
      .from(repositoryTable)
      .where(eq(repositoryTable.name, repository))
      .get()?.definition.verification;

  const assign = (batch: FoldBatch, pipeline: string, { event, recordedAt }: Entry<Assigned>) => {
    const definition = definitionOf(batch, pipeline, event.definitionRevision);
    const assignment =
      definition && composeAssignment(definition, event, verificationOf(definition.repository));
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
    writeTarget({ clusterId: event.cluster, pipeline, stage: event.stage, ...values });
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
        assignment: withdrawnAssignment(row.assignment, event),
      })
      .where(key)
      .run();
    batch.assignments.add(event.cluster);
  };

  const deleted = (pipeline: string, { event }: Entry<Deleted>) => {
    orm
      .update(targetTable)
      .set({ cause: 'deleted' })
      .where(
        and(
          eq(targetTable.clusterId, event.cluster),
          eq(targetTable.pipeline, pipeline),
          eq(targetTable.stage, event.stage),
        ),
      )
      .run();
  };

  return { assign, withdraw, deleted, definitionOf };
}
