import type { NewId } from '@fairlead/shared/ids';
import type { PipelineEvent } from './events.ts';
import { values } from './persistent-map.ts';
import type { ActivePipeline } from './state.ts';

/** The id that was new in the command and that the event gave away. */
export function takenId(event: PipelineEvent): string | undefined {
  switch (event.type) {
    case 'ReleaseAdmitted':
    case 'RolloutStarted':
      return event.rolloutId;
    case 'ApprovalRequested':
      return event.requestId;
    case 'VerificationStarted':
    case 'MetricAnalysisStarted':
      return event.runId;
    default:
      return undefined;
  }
}

/** A command that is tried again carries the same ids; one that is in use is never given twice. */
export function unusedIds(state: ActivePipeline, newIds: readonly NewId[]): readonly NewId[] {
  const used = new Set<string>(
    [...state.stages.values()].flatMap((inStage) => [
      ...(inStage.rollout ? [inStage.rollout.id] : []),
      ...(inStage.lastRollout ? [inStage.lastRollout.id] : []),
      ...inStage.history.flatMap(({ rolloutId }) => rolloutId ?? []),
      ...[...values(inStage.approvals)].map(({ id }) => id),
      ...inStage.verifications.map(({ runId }) => runId),
      ...inStage.analyses.map(({ runId }) => runId),
    ]),
  );
  return newIds.filter((id) => !used.has(id));
}
