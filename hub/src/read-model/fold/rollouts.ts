import { and, eq, sql } from 'drizzle-orm';
import type { PipelineEvent, PlannedTarget } from '../../domain/promotion/events.ts';
import type { Orm } from '../orm.ts';
import { preparedInsert, preparedUpdate } from '../prepared.ts';
import { admissionTable, rolloutTable, rolloutTargetTable } from '../schema.ts';
import type { Entry } from './batch.ts';

type Of<Type extends PipelineEvent['type']> = Entry<Extract<PipelineEvent, { type: Type }>>;
type RolloutTargetState = {
  readonly state: 'assigned' | 'succeeded' | 'failed' | 'skipped';
  readonly at: number;
  readonly message?: string;
};

/** Folds admissions, rollouts and how each of their targets fared. */
export function createRolloutFold(orm: Orm) {
  const insertAdmission = preparedInsert(orm, admissionTable);
  const insertRollout = preparedInsert(orm, rolloutTable);
  const updateRollout = preparedUpdate(orm, rolloutTable, ['id']);
  // One that left the plan and joined again starts over.
  const insertTarget = preparedInsert(orm, rolloutTargetTable, {
    key: [rolloutTargetTable.rolloutId, rolloutTargetTable.clusterId],
    replace: ['batch', 'ordinal', 'state', 'message', 'at', 'previous'],
  });
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
  const rolloutOf = orm
    .select({ undoes: rolloutTable.undoes })
    .from(rolloutTable)
    .where(eq(rolloutTable.id, sql.placeholder('id')))
    .prepare();
  const ofRollout = eq(rolloutTargetTable.rolloutId, sql.placeholder('rolloutId'));
  const lastBatch = orm
    .select({ batch: sql<number | null>`max(${rolloutTargetTable.batch})` })
    .from(rolloutTargetTable)
    .where(ofRollout)
    .prepare();
  const lastOrdinal = orm
    .select({ ordinal: sql<number | null>`max(${rolloutTargetTable.ordinal})` })
    .from(rolloutTargetTable)
    .where(and(ofRollout, eq(rolloutTargetTable.batch, sql.placeholder('batch'))))
    .prepare();
  const lastBatchOf = (rolloutId: string): number => lastBatch.get({ rolloutId })?.batch ?? 0;
  const plan = (
    rolloutId: string,
    { batch, targets }: { batch: number; targets: readonly PlannedTarget[] },
  ): void => {
    const first = (lastOrdinal.get({ rolloutId, batch })?.ordinal ?? -1) + 1;
    for (const [index, { cluster, clusterName, previous }] of targets.entries()) {
      insertTarget({
        rolloutId,
        clusterId: cluster,
        clusterName,
        batch,
        ordinal: first + index,
        state: 'waiting',
        previous: previous ?? null,
      });
    }
  };
  return {
    admitted: (pipeline: string, { event, recordedAt, position, actor }: Of<'ReleaseAdmitted'>) => {
      const { stage, release, rolloutId, definitionRevision, gates } = event;
      insertAdmission({
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
      });
    },
    change: (id: string, change: Partial<typeof rolloutTable.$inferInsert>) => {
      updateRollout([id], change);
    },
    started: (pipeline: string, { event, recordedAt, position }: Of<'RolloutStarted'>) => {
      const { rolloutId: id, stage, release, kind, generation, deadlineAt, undoes } = event;
      insertRollout({
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
        batch: 0,
        undoes: undoes ?? null,
      });
      for (const [batch, targets] of event.batches.entries()) plan(id, { batch, targets });
    },
    /** As the core moves it: by as long as the pause was. */
    continued: ({ rolloutId: id, at }: Of<'RolloutContinued'>['event']) => {
      const pausedMs = sql`max(0, ${at} - coalesce(${rolloutTable.pausedAt}, ${at}))`;
      orm
        .update(rolloutTable)
        .set({
          deadlineAt: sql`${rolloutTable.deadlineAt} + ${pausedMs}`,
          pausedReason: null,
          pausedAt: null,
        })
        .where(eq(rolloutTable.id, id))
        .run();
    },
    extended: ({
      rolloutId,
      batch = lastBatchOf(rolloutId),
      targets,
    }: Of<'RolloutExtended'>['event']) => plan(rolloutId, { batch, targets }),
    /** What a return says of the stage's release is no news about it. */
    isReturn: (id: string): boolean => rolloutOf.get({ id })?.undoes != null,
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
      updateRollout([event.rolloutId], { state, endedAt: recordedAt, message });
    },
    target: (rolloutId: string, clusterId: string, change: RolloutTargetState) => {
      updateTarget.run({ rolloutId, clusterId, message: null, ...change });
    },
  };
}
