import { formatDuration, formatInstant, type Instant } from '@fairlead/shared/time';
import { covers, type DeclaredFreeze, scopeText } from '../freeze/index.ts';
import type { StageDefinition } from '../pipeline/definition.ts';
import type { FreezeOverride, PipelineEvent } from './events.ts';
import type { FleetView } from './fleet-view.ts';
import { type ActivePipeline, type StageState, stageState } from './state.ts';
import type { Step } from './step.ts';

/** What freezes say of a stage, on one snapshot. */
export type AssignmentFreeze =
  | { readonly frozen: false }
  | {
      readonly frozen: true;
      /** In words: what is frozen, why, by whom and until when. */
      readonly reason: string;
      /** `stop` if one of them says so. */
      readonly running: 'drain' | 'stop';
      readonly freezes: readonly DeclaredFreeze[];
      /** When the last of them ends by itself; absent when one lasts until it is lifted. */
      readonly clearsAt?: Instant;
    };

/** Freezes of the stage that the override does not answer for: it knows nothing of what was declared after it. */
export function assignmentFreeze(
  state: Pick<ActivePipeline, 'definition'>,
  stage: Pick<StageDefinition, 'name'>,
  { freezes }: Pick<FleetView, 'freezes'>,
  override?: FreezeOverride,
): AssignmentFreeze {
  const { project, name: pipeline } = state.definition;
  const place = { project, pipeline, stage: stage.name };
  const inForce = freezes.filter(
    (freeze) => covers(freeze.scope, place) && !isOverridden(freeze, override),
  );
  if (inForce.length === 0) return { frozen: false };
  const ends = inForce.map(({ until }) => until);
  const clearsAt = ends.includes(undefined)
    ? undefined
    : Math.max(...ends.filter((end) => end !== undefined));
  return {
    frozen: true,
    reason: inForce.map(freezeText).join('; '),
    running: inForce.some(({ running }) => running === 'stop') ? 'stop' : 'drain',
    freezes: inForce,
    ...(clearsAt === undefined ? {} : { clearsAt }),
  };
}

const isOverridden = ({ declaredAt }: DeclaredFreeze, override: FreezeOverride | undefined) =>
  override !== undefined && (override.at === undefined || declaredAt <= override.at);

export function freezeText({ id, scope, reason, by, until }: DeclaredFreeze): string {
  const end = until === undefined ? 'until it is lifted' : `until ${formatInstant(until)}`;
  return `${scopeText(scope)} is frozen ${end} by ${by}: ${reason} (${id})`;
}

/** Of the running rollout, or of what a person asked for in its place. */
export const overrideFor = (
  { request, rollout }: StageState,
  release: string,
): FreezeOverride | undefined => {
  if (rollout?.release === release) return rollout.override;
  return request?.release === release ? request.override : undefined;
};

/**
 * Ends the running rollout of a stage that was frozen with `stop`. What was assigned settles; nothing more is assigned,
 * and the release does not come again by itself.
 */
export const freezeSteps: Step = (state, stage, { fleet }) => {
  const { rollout } = stageState(state, stage.name);
  if (rollout === undefined) return [];
  const freeze = assignmentFreeze(state, stage, fleet, rollout.override);
  if (!freeze.frozen || freeze.running !== 'stop') return [];
  const stopping = freeze.freezes.filter(({ running }) => running === 'stop');
  const reason = `stopped by a freeze: ${stopping.map(freezeText).join('; ')}`;
  const { id: rolloutId, release } = rollout;
  return [{ type: 'RolloutAborted', stage: stage.name, rolloutId, release, reason }];
};

/**
 * The last word on every decision: whatever a step makes of a stage, it assigns nothing while the stage is frozen. The
 * steps ask the freeze gate themselves, so that they can say what waits; this holds for a step that forgets to.
 */
export function withoutFrozenAssignments(
  state: ActivePipeline,
  fleet: Pick<FleetView, 'freezes'>,
  events: readonly PipelineEvent[],
): PipelineEvent[] {
  if (fleet.freezes.length === 0) return [...events];
  return events.filter((event) => {
    if (event.type !== 'TargetAssigned') return true;
    const { rollout } = stageState(state, event.stage);
    const override = rollout?.id === event.rolloutId ? rollout?.override : undefined;
    return !assignmentFreeze(state, { name: event.stage }, fleet, override).frozen;
  });
}

const estimatedBy = 5;

/** How long a rollout of the stage is expected to take: the longest of the last ones that succeeded. */
export function expectedDuration(
  inStage: StageState,
  stage: StageDefinition,
): { readonly durationMs: number; readonly text: string } {
  const known = inStage.history.flatMap(({ durationMs }) => durationMs ?? []).slice(-estimatedBy);
  if (known.length === 0) {
    const durationMs = stage.rollout.progressDeadlineMs;
    return { durationMs, text: `${formatDuration(durationMs)}, the stage's progress deadline` };
  }
  const durationMs = Math.max(...known);
  const text = `${formatDuration(durationMs)}, the longest of the last ${known.length} that succeeded`;
  return { durationMs, text };
}
