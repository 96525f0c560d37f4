import { and, eq } from 'drizzle-orm';
import type { PipelineEvent } from '../../domain/promotion/events.ts';
import type { Orm } from '../orm.ts';
import { admissionTable, rolloutTable, rolloutTargetTable } from '../schema.ts';
import type { Entry } from './batch.ts';

type Of<Type extends PipelineEvent['type']> = Entry<Extract<PipelineEvent, { type: Type }>>;
type RolloutTargetState = Partial<typeof rolloutTargetTable.$inferInsert>;

/** Folds admissions, rollouts and how each of their targets fared. */
export function createRolloutFold(orm: Orm) {
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
      for (const row of rows) orm.insert(rolloutTargetTable).values(row).run();
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
      orm
        .update(rolloutTargetTable)
        .set(change)
        .where(
          and(
            eq(rolloutTargetTable.rolloutId, rolloutId),
            eq(rolloutTargetTable.clusterId, clusterId),
          ),
        )
        .run();
    },
  };
}
