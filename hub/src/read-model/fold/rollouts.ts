import { and, eq, sql } from 'drizzle-orm';
import type { PipelineEvent } from '../../domain/promotion/events.ts';
import type { Orm } from '../orm.ts';
import { preparedInsert } from '../prepared.ts';
import { admissionTable, rolloutTable, rolloutTargetTable } from '../schema.ts';
import type { Entry } from './batch.ts';

type Of<Type extends PipelineEvent['type']> = Entry<Extract<PipelineEvent, { type: Type }>>;
type RolloutTargetState = {
  readonly state: 'assigned' | 'succeeded' | 'failed';
  readonly at: number;
  readonly message?: string;
};

/** Folds admissions, rollouts and how each of their targets fared. */
export function createRolloutFold(orm: Orm) {
  const insertTarget = preparedInsert(orm, rolloutTargetTable);
  const updateTarget = orm
    .update(rolloutTargetTable)
    .set({
      state: sql`${sql.placeholder('state')}`,
      at: sql`${sql.placeholder('at')}`,
      message: sql`${sql.placeholder('message')}`,
    })
    .where(
      and(
        eq(rolloutTargetTable.rolloutId, sql.placeholder('rolloutId')),
        eq(rolloutTargetTable.clusterId, sql.placeholder('clusterId')),
      ),
    )
    .prepare();
  return {
    admitted: (pipeline: string, { event, recordedAt, position, actor }: Of<'ReleaseAdmitted'>) => {
      const { stage, release, rolloutId, definitionRevision, gates } = event;
      orm
        .insert(admissionTable)
        .values({
          position,
          pipeline,
          stage,
          release,
          rolloutId,
          definitionRevision,
          at: recordedAt,
          actorKind: actor.kind,
          actorName: actor.name,
          gates,
        })
        .run();
    },
    change: (id: string, change: Partial<typeof rolloutTable.$inferInsert>) => {
      orm.update(rolloutTable).set(change).where(eq(rolloutTable.id, id)).run();
    },
    started: (pipeline: string, { event, recordedAt, position }: Of<'RolloutStarted'>) => {
      const { rolloutId: id, stage, release, kind, generation, deadlineAt } = event;
      orm
        .insert(rolloutTable)
        .values({
          id,
          position,
          pipeline,
          stage,
          release,
          kind,
          generation,
          state: 'running',
          startedAt: recordedAt,
          deadlineAt,
        })
        .run();
      const rows = event.batches.flatMap((targets, batch) =>
        targets.map(({ cluster: clusterId, clusterName }, ordinal) => ({
          rolloutId: id,
          clusterId,
          clusterName,
          batch,
          ordinal,
          state: 'waiting' as const,
        })),
      );
      for (const row of rows) insertTarget(row);
    },
    ended: (
      { event, recordedAt }: Of<'RolloutSucceeded' | 'RolloutFailed' | 'RolloutAborted'>,
      state: 'succeeded' | 'failed' | 'aborted',
    ) => {
      const message =
        event.type === 'RolloutFailed'
          ? event.failure.message
          : event.type === 'RolloutAborted'
            ? event.reason
            : null;
      orm
        .update(rolloutTable)
        .set({ state, endedAt: recordedAt, message })
        .where(eq(rolloutTable.id, event.rolloutId))
        .run();
    },
    target: (rolloutId: string, clusterId: string, change: RolloutTargetState) => {
      updateTarget.run({ rolloutId, clusterId, message: null, ...change });
    },
  };
}
