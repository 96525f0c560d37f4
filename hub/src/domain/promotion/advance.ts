import type { NewId } from '@fairlead/shared/ids';
import type { StageDefinition } from '../pipeline/definition.ts';
import { approvalSteps } from './approval/steps.ts';
import { batchSteps, rolloutAssignments } from './batches.ts';
import { nextCandidate, requestedRelease } from './candidate.ts';
import { dueRelease } from './discovery.ts';
import type { PipelineEvent } from './events.ts';
import { evolvePipeline } from './evolve.ts';
import { failureResponse } from './failure.ts';
import { fleetView } from './fleet-view.ts';
import { freezeSteps, withoutFrozenAssignments } from './freeze.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { metricSteps } from './metric/steps.ts';
import { takenId, unusedIds } from './new-ids.ts';
import { passing } from './passing.ts';
import { plannedTargets, startRollout } from './plan-rollout.ts';
import { takenBack } from './return-targets.ts';
import { isNewerThanRolledBack } from './rollback-hold.ts';
import type { Snapshot } from './snapshot.ts';
import { isControl } from './stages-before.ts';
import {
  type ActivePipeline,
  type KnownRelease,
  releaseOf,
  type StageState,
  short,
  stageState,
} from './state.ts';
import type { Step, StepContext } from './step.ts';
import { healthChange, reassignments, supersessions } from './steps.ts';
import { rolloutEnd, targetOutcomes } from './target-outcomes.ts';
import { verificationSteps } from './verification/steps.ts';
import { waitingSteps } from './waiting.ts';
import { deletionProgress, removedStages, withdrawals } from './withdrawal.ts';
import { wayWithoutRollout } from './without-rollout.ts';

/** One append takes this many; what remains is decided by the next advance, which finds it the same way. */
export const advanceEventsMax = 1_000;

/**
 * In order of precedence: who is there, what was proven, what follows from it, and only then what is new. Each step
 * changes the state so that it has nothing more to say, which makes the whole idempotent.
 */
const steps: readonly Step[] = [
  (state, stage, { fleet }) => withdrawals(state, stage, fleet),
  (state, stage, { fleet }) => targetOutcomes(state, stage, fleet),
  (state, stage, { fleet }) => rolloutEnd(state, stage, fleet),
  takenBack,
  freezeSteps,
  failureResponse,
  (state, stage, { fleet }) => healthChange(state, stage, fleet),
  verificationSteps,
  metricSteps,
  approvalSteps,
  waitingSteps,
  passing,
  (state, stage, context) => admission(state, stage, context),
  (state, stage) => supersessions(state, stage),
  batchSteps,
  (state, stage, { fleet }) => rolloutAssignments(state, stage, fleet),
  (state, stage, { fleet }) => reassignments(state, stage, fleet),
];

/** Everything that can be decided on this snapshot, up to the size of one append. */
export function advance(
  state: ActivePipeline,
  command: { snapshot: Snapshot; newIds: readonly NewId[] },
): PipelineEvent[] {
  const fleet = fleetView(command.snapshot);
  const events: PipelineEvent[] = [];
  let current = state;
  let newIds = unusedIds(state, command.newIds);
  for (;;) {
    const next = nextEvents(current, { fleet, newIds }, advanceEventsMax - events.length);
    if (next.length === 0) return events;
    events.push(...next);
    newIds = newIds.filter((id) => !next.some((event) => takenId(event) === id));
    // The planner writes no definition and no removal, so the pipeline stays active.
    current = next.reduce(evolvePipeline, current) as ActivePipeline;
  }
}

function nextEvents(
  state: ActivePipeline,
  context: StepContext,
  countMax: number,
): PipelineEvent[] {
  const gone = [
    ...removedStages(state, state.definition.stages, context.fleet),
    ...deletionProgress(state, context.fleet),
  ];
  if (gone.length > 0) return gone.slice(0, countMax);
  const due = dueRelease(state, context.fleet.at);
  if (due.length > 0) return due.slice(0, countMax);
  // The last stages first: what is good for production is admitted there before a newer release takes its place.
  const stages = downstreamFirst(state.definition.stages);
  for (const step of steps) {
    for (const stage of stages) {
      const events = withoutFrozenAssignments(state, context.fleet, step(state, stage, context));
      if (events.length === 0) continue;
      // A plan and its admission are one decision.
      const indivisible = events.slice(0, 4).some(({ type }) => type === 'RolloutStarted');
      if (indivisible && events.length > countMax) return [];
      return events.slice(0, countMax);
    }
  }
  return [];
}

function admission(
  state: ActivePipeline,
  stage: StageDefinition,
  { fleet, newIds }: StepContext,
): PipelineEvent[] {
  const [rolloutId] = newIds;
  const inStage = stageState(state, stage.name);
  if (rolloutId === undefined || isControl(stage)) return [];
  const requested = requestedRelease(state, stage);
  const next = nextCandidate(state, stage, fleet.at).release;
  if (requested === undefined && next === undefined) return [];
  const { clusters, fault } = plannedTargets(stage, fleet);
  if (fault !== undefined) return [];
  for (const release of [requested, next]) {
    if (release === undefined || wayWithoutRollout(state, stage, release)) continue;
    if (inStage.rollout !== undefined && !mayInterrupt(stage, inStage, release, state)) continue;
    const gates = evaluateGates({ state, stage, inStage, release, at: fleet.at, fleet });
    if (!gates.every(isOpen)) continue;
    const request = release === requested ? inStage.request : undefined;
    const kind = request?.hotfix ? 'hotfix' : request?.force ? 'forced' : 'promotion';
    const { at, watchedMs } = fleet;
    const override = release === requested ? inStage.request?.override : undefined;
    const plan = {
      ...{ rolloutId, release: release.commit, clusters, at, watchedMs },
      ...(override === undefined ? {} : { override }),
    };
    return [
      ...interruption(stage, inStage, release),
      {
        type: 'ReleaseAdmitted',
        stage: stage.name,
        release: release.commit,
        rolloutId,
        definitionRevision: state.revision,
        gates,
        at,
      },
      ...holdEnd(state, stage, release),
      ...startRollout(state, stage, { ...plan, kind }),
    ];
  }
  return [];
}

/** A running rollout is ended for a newer release only where the stage says so, and never what a person has begun or paused. */
function mayInterrupt(
  stage: StageDefinition,
  { rollout }: StageState,
  release: KnownRelease,
  state: ActivePipeline,
): boolean {
  if (!stage.supersede.interrupt || rollout?.kind !== 'promotion' || rollout.paused) return false;
  const running = releaseOf(state, rollout.release);
  return running !== undefined && release.position > running.position;
}

function interruption(
  { name: stage }: StageDefinition,
  { rollout }: StageState,
  { commit }: KnownRelease,
): PipelineEvent[] {
  if (rollout === undefined) return [];
  const { id: rolloutId, release } = rollout;
  const reason = `superseded by ${short(commit)}`;
  return [{ type: 'RolloutAborted', stage, rolloutId, release, reason }];
}

/** The hold of a rollback that gave way to a newer release is over. */
function holdEnd(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
): PipelineEvent[] {
  const { hold } = stageState(state, stage.name);
  if (!hold?.automatic || !isNewerThanRolledBack(state, stage, release)) return [];
  const reason = `${short(release.commit)} is newer than what was rolled back`;
  return [{ type: 'StageResumed', stage: stage.name, reason, automatic: true }];
}

/** A stage stands before all that it comes after. */
function downstreamFirst(stages: readonly StageDefinition[]): StageDefinition[] {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const upstreamFirst = new Set<StageDefinition>();
  const visit = (stage: StageDefinition | undefined): void => {
    if (stage === undefined || upstreamFirst.has(stage)) return;
    for (const before of stage.after) visit(byName.get(before));
    upstreamFirst.add(stage);
  };
  for (const stage of stages) visit(stage);
  return [...upstreamFirst].reverse();
}
