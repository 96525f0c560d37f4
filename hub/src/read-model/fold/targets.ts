import { and, eq, sql } from 'drizzle-orm';
import type { PipelineEvent } from '../../domain/promotion/events.ts';
import { composeAssignment, withdrawnAssignment } from '../../domain/rollout/index.ts';
import type { Orm } from '../orm.ts';
import { preparedInsert, preparedUpdate } from '../prepared.ts';
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
  const update = preparedUpdate(orm, targetTable, ['clusterId', 'pipeline', 'stage']);
  const held = orm
    .select({ assignment: targetTable.assignment })
    .from(targetTable)
    .where(
      and(
        eq(targetTable.clusterId, sql.placeholder('cluster')),
        eq(targetTable.pipeline, sql.placeholder('pipeline')),
        eq(targetTable.stage, sql.placeholder('stage')),
      ),
    )
    .prepare();
  const verification = orm
    .select({ definition: repositoryTable.definition })
    .from(repositoryTable)
    .where(eq(repositoryTable.name, sql.placeholder('repository')))
    .prepare();
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
    verification.get({ repository })?.definition.verification;

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
    const row = held.get({ cluster: event.cluster, pipeline, stage: event.stage });
    if (row === undefined) return;
    const { generation, disposition, cause } = event;
    update([event.cluster, pipeline, event.stage], {
      generation,
      disposition,
      cause,
      assignedAt: recordedAt,
      assignment: withdrawnAssignment(row.assignment, event),
    });
    batch.assignments.add(event.cluster);
  };

  const deleted = (pipeline: string, { event }: Entry<Deleted>) => {
    update([event.cluster, pipeline, event.stage], { cause: 'deleted' });
  };

  return { assign, withdraw, deleted, definitionOf };
}
