import { unreachable } from '@fairlead/shared/result';
import { and, eq, inArray } from 'drizzle-orm';
import type { PipelineDefinition } from '../../domain/pipeline/definition.ts';
import { completeDefinition } from '../../domain/pipeline/index.ts';
import type { PipelineEvent } from '../../domain/promotion/events.ts';
import type { Orm } from '../orm.ts';
import { preparedInsert, preparedUpdate } from '../prepared.ts';
import {
  pipelineRevisionTable,
  pipelineTable,
  releaseStageTable,
  releaseTable,
  stageTable,
} from '../schema.ts';
import { createApprovalFold } from './approvals.ts';
import type { Entry, FoldBatch } from './batch.ts';
import { createRolloutFold } from './rollouts.ts';
import { createStatusFold } from './statuses.ts';
import { createTargetFold } from './targets.ts';
import { createVerificationFold } from './verifications.ts';

type StageChange = Partial<typeof stageTable.$inferInsert>;
type Of<Type extends PipelineEvent['type']> = Extract<PipelineEvent, { type: Type }>;

/** Folds one entry of a stream `pipeline/<name>`. */
export function createPipelineFold(orm: Orm) {
  const rollouts = createRolloutFold(orm);
  const targets = createTargetFold(orm);
  const approvals = createApprovalFold(orm);
  const statuses = createStatusFold(orm);
  const verifications = createVerificationFold(orm, targets.definitionOf);
  const updateStage = preparedUpdate(orm, stageTable, ['pipeline', 'name']);
  const changeStage = (pipeline: string, name: string, change: StageChange) =>
    updateStage([pipeline, name], change);
  const writeReleaseStage = preparedInsert(orm, releaseStageTable, {
    key: [releaseStageTable.pipeline, releaseStageTable.commit, releaseStageTable.stage],
    replace: ['state', 'at'],
  });
  const writeRelease = preparedInsert(orm, releaseTable, {
    key: [releaseTable.pipeline, releaseTable.commit],
    replace: ['orphaned', 'position'],
  });
  const markRelease = (
    pipeline: string,
    event: { stage: string; release: string },
    state: (typeof releaseStageTable.$inferInsert)['state'],
    at: number,
  ) => writeReleaseStage({ pipeline, commit: event.release, stage: event.stage, state, at });
  const setOrphaned = (pipeline: string, commits: readonly string[], orphaned: boolean) => {
    orm
      .update(releaseTable)
      .set({ orphaned })
      .where(and(eq(releaseTable.pipeline, pipeline), inArray(releaseTable.commit, [...commits])))
      .run();
  };

  return (batch: FoldBatch, entry: Entry<PipelineEvent>) => {
    const pipeline = entry.stream.slice('pipeline/'.length);
    const { event, recordedAt } = entry;
    batch.pipelines.add(pipeline);
    const first = batch.spans.get(pipeline)?.first ?? entry.position;
    batch.spans.set(pipeline, { first, last: entry.position });
    switch (event.type) {
      case 'PipelineDefined':
        return define(orm, batch, pipeline, event);
      case 'PipelineRemoved':
        verifications.pipelineRemoved(batch, pipeline, recordedAt);
        orm
          .update(stageTable)
          .set({ heldWithdrawal: null })
          .where(eq(stageTable.pipeline, pipeline))
          .run();
        orm
          .update(pipelineTable)
          .set({ removed: true })
          .where(eq(pipelineTable.name, pipeline))
          .run();
        return;
      case 'ReleasesDiscovered':
        for (const release of event.releases) {
          writeRelease({ pipeline, ...release, discoveredAt: recordedAt, orphaned: false });
        }
        return statuses.discovered(
          pipeline,
          event.releases.map(({ commit }) => commit),
          recordedAt,
        );
      case 'ReleasesOrphaned':
        return setOrphaned(pipeline, event.commits, true);
      case 'ReleasesRestored':
        return setOrphaned(pipeline, event.commits, false);
      case 'PromotionRequested':
        return markRelease(pipeline, event, 'requested', recordedAt);
      case 'ReleaseAdmitted':
        approvals.used({ pipeline, ...event }, recordedAt);
        return rollouts.admitted(pipeline, { ...entry, event });
      case 'RolloutStarted':
        rollouts.started(pipeline, { ...entry, event });
        if (event.undoes === undefined) markRelease(pipeline, event, 'rolling-out', recordedAt);
        return changeStage(pipeline, event.stage, {
          currentRelease: event.release,
          rolloutId: event.rolloutId,
        });
      case 'TargetAssigned':
        if (event.rolloutId !== undefined) {
          rollouts.target(event.rolloutId, event.cluster, { state: 'assigned', at: recordedAt });
        }
        return targets.assign(batch, pipeline, { ...entry, event });
      case 'TargetWithdrawn':
        return targets.withdraw(batch, pipeline, { ...entry, event });
      case 'TargetDeleted':
        return targets.deleted(pipeline, { ...entry, event });
      case 'WithdrawalHeld': {
        const { targets: held, targetsTotal, cause } = event;
        const heldWithdrawal = { targets: held, targetsTotal, cause, since: recordedAt };
        return changeStage(pipeline, event.stage, { heldWithdrawal });
      }
      case 'WithdrawalConfirmed':
      case 'WithdrawalReleased':
        return changeStage(pipeline, event.stage, { heldWithdrawal: null });
      case 'TargetSucceeded':
        return rollouts.target(event.rolloutId, event.cluster, {
          state: 'succeeded',
          at: recordedAt,
        });
      case 'TargetFailed':
        return rollouts.target(event.rolloutId, event.cluster, {
          state: 'failed',
          at: recordedAt,
          message: event.message,
        });
      case 'RolloutSucceeded':
        rollouts.ended({ ...entry, event }, 'succeeded');
        if (rollouts.isReturn(event.rolloutId)) return;
        markRelease(pipeline, event, 'succeeded', recordedAt);
        return changeStage(pipeline, event.stage, {
          succeededRelease: event.release,
          succeededAt: recordedAt,
        });
      case 'RolloutFailed':
        rollouts.ended({ ...entry, event }, 'failed');
        if (rollouts.isReturn(event.rolloutId)) return;
        return markRelease(pipeline, event, 'failed', recordedAt);
      case 'RolloutAborted':
        rollouts.ended({ ...entry, event }, 'aborted');
        if (rollouts.isReturn(event.rolloutId)) return;
        return markRelease(pipeline, event, 'aborted', recordedAt);
      case 'ReleaseSuperseded':
        return markRelease(pipeline, event, 'superseded', recordedAt);
      case 'StageHealthChanged':
        return changeStage(pipeline, event.stage, {
          health: event.health,
          healthMessage: event.message,
          healthSince: recordedAt,
        });
      case 'StageHeld':
        return changeStage(pipeline, event.stage, {
          heldReason: event.reason,
          heldAutomatic: event.automatic,
          heldSince: recordedAt,
        });
      case 'StageResumed':
        return changeStage(pipeline, event.stage, {
          heldReason: null,
          heldAutomatic: null,
          heldSince: null,
        });
      case 'StagePassed':
        approvals.used({ pipeline, ...event }, recordedAt);
        markRelease(pipeline, event, 'succeeded', recordedAt);
        // What later stages had before the stage was there did not come to it.
        if (event.reason === 'backfill') return;
        return changeStage(pipeline, event.stage, {
          currentRelease: event.release,
          succeededRelease: event.release,
          succeededAt: recordedAt,
        });
      case 'ReleaseAwaited':
        return;
      case 'StageRefPushed':
      case 'StageRefOverwriteAllowed':
        return changeStage(pipeline, event.stage, { refNote: null });
      case 'StageRefHalted': {
        const refNote = `it holds ${event.found}, which the hub did not put there`;
        return changeStage(pipeline, event.stage, { refNote });
      }
      case 'StageRefFailed':
        return changeStage(pipeline, event.stage, { refNote: event.message });
      case 'BatchStarted': {
        const { batch, deadlineAt } = event;
        return rollouts.change(event.rolloutId, { batch, deadlineAt });
      }
      case 'ApprovalRequested':
      case 'ApprovalGiven':
      case 'ApprovalWithdrawn':
      case 'ApprovalRejected':
      case 'ApprovalExpired':
      case 'ApprovalVoided':
        return approvals.changed(pipeline, { ...entry, event });
      case 'TargetSkipped':
        return rollouts.target(event.rolloutId, event.cluster, {
          state: 'skipped',
          at: recordedAt,
          message: event.message,
        });
      case 'RolloutPaused':
        return rollouts.change(event.rolloutId, {
          pausedReason: event.reason,
          pausedAt: event.at,
        });
      case 'RolloutContinued':
        return rollouts.continued(event);
      case 'RolloutExtended':
        return rollouts.extended(event);
      case 'AutomaticRollbackDeclined':
        return rollouts.change(event.rolloutId, { rollbackDeclined: event.reason });
      case 'ReleaseWaiting':
      case 'ReleasePinned':
      case 'ReleaseUnpinned':
        return;
      case 'VerificationStarted':
        return verifications.runStarted(batch, pipeline, event);
      case 'VerificationEnded':
        return verifications.runEnded(batch, event);
      case 'MetricAnalysisStarted':
        return verifications.analysisStarted(batch, pipeline, event);
      case 'MetricAnalysisEnded':
        return verifications.analysisEnded(event);
      default:
        return unreachable(event);
    }
  };
}

function define(
  orm: Orm,
  batch: FoldBatch,
  pipeline: string,
  recorded: Of<'PipelineDefined'>,
): void {
  const event = { ...recorded, definition: completeDefinition(recorded.definition) };
  const { revision, definition } = event;
  const { project, repository } = definition;
  const values = { project, repository, revision, definition, removed: false };
  orm
    .insert(pipelineTable)
    .values({ name: pipeline, ...values })
    .onConflictDoUpdate({ target: pipelineTable.name, set: values })
    .run();
  orm
    .insert(pipelineRevisionTable)
    .values({ pipeline, revision, definition })
    .onConflictDoUpdate({
      target: [pipelineRevisionTable.pipeline, pipelineRevisionTable.revision],
      set: { definition },
    })
    .run();
  batch.definitions.set(`${pipeline}/${revision}`, definition);
  batch.defined.add(pipeline);
  defineStages(orm, pipeline, definition);
}

function defineStages(orm: Orm, pipeline: string, definition: PipelineDefinition): void {
  orm.update(stageTable).set({ defined: false }).where(eq(stageTable.pipeline, pipeline)).run();
  for (const [ordinal, { name, after, promote }] of definition.stages.entries()) {
    const values = { ordinal, defined: true, after, promote };
    orm
      .insert(stageTable)
      .values({ pipeline, name, ...values, health: 'unknown', healthMessage: '' })
      .onConflictDoUpdate({ target: [stageTable.pipeline, stageTable.name], set: values })
      .run();
  }
}
