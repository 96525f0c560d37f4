import type { RolloutId } from '@fairlead/shared/ids';
import type { StageDefinition } from '../pipeline/definition.ts';
import { newestCandidate, requestedRelease } from './candidate.ts';
import type { Snapshot } from './commands.ts';
import type { PipelineEvent } from './events.ts';
import { evolvePipeline } from './evolve.ts';
import { type FleetView, fleetView } from './fleet-view.ts';
import { evaluateGates } from './gates/index.ts';
import { plannedTargets, rolloutAssignments, startRollout } from './plan-rollout.ts';
import { type ActivePipeline, stageState } from './state.ts';
import { healthChange, reassignments, rolloutEnd, supersessions, targetOutcomes } from './steps.ts';
import { deletionProgress, removedStages, withdrawals } from './withdrawal.ts';

/** One append takes this many; what remains is decided by the next advance, which finds it the same way. */
export const advanceEventsMax = 1_000;

type Context = { readonly fleet: FleetView; readonly rolloutIds: readonly RolloutId[] };
type Step = (state: ActivePipeline, stage: StageDefinition, context: Context) => PipelineEvent[];

/**
 * In order of precedence: who is there, what was proven, what follows from it, and only then what is new. Each step
 * changes the state so that it has nothing more to say, which makes the whole idempotent.
 */
const steps: readonly Step[] = [
  (state, stage, { fleet }) => withdrawals(state, stage, fleet),
  (state, stage, { fleet }) => targetOutcomes(state, stage, fleet),
  (state, stage, { fleet }) => rolloutEnd(state, stage, fleet),
  (state, stage, { fleet }) => healthChange(state, stage, fleet),
  (state, stage, context) => admission(state, stage, context),
  (state, stage) => supersessions(state, stage),
  (state, stage, { fleet }) => rolloutAssignments(state, stage, fleet),
  (state, stage, { fleet }) => reassignments(state, stage, fleet),
];

/** Everything that can be decided on this snapshot, up to the size of one append. */
export function advance(
  state: ActivePipeline,
  command: { snapshot: Snapshot; newRolloutIds: readonly RolloutId[] },
): PipelineEvent[] {
  const fleet = fleetView(command.snapshot);
  const events: PipelineEvent[] = [];
  let current = state;
  for (;;) {
    const used = usedRolloutIds(current);
    const rolloutIds = command.newRolloutIds.filter((id) => !used.has(id));
    const next = nextEvents(current, { fleet, rolloutIds }, advanceEventsMax - events.length);
    if (next.length === 0) return events;
    events.push(...next);
    // The planner writes no definition and no removal, so the pipeline stays active.
    current = next.reduce(evolvePipeline, current) as ActivePipeline;
  }
}

function nextEvents(state: ActivePipeline, context: Context, countMax: number): PipelineEvent[] {
  const gone = [
    ...removedStages(state, state.definition.stages, context.fleet),
    ...deletionProgress(state, context.fleet),
  ];
  if (gone.length > 0) return gone.slice(0, countMax);
  // The last stages first: what is good for production is admitted there before a newer release takes its place.
  const stages = downstreamFirst(state.definition.stages);
  for (const step of steps) {
    for (const stage of stages) {
      const events = step(state, stage, context);
      if (events.length === 0) continue;
      const indivisible = events[0]?.type === 'ReleaseAdmitted';
      if (indivisible && events.length > countMax) return [];
      return events.slice(0, countMax);
    }
  }
  return [];
}

function admission(
  state: ActivePipeline,
  stage: StageDefinition,
  { fleet, rolloutIds }: Context,
): PipelineEvent[] {
  const [rolloutId] = rolloutIds;
  const inStage = stageState(state, stage.name);
  if (rolloutId === undefined || inStage.rollout !== undefined) return [];
  const { clusters, fault } = plannedTargets(stage, fleet);
  if (fault !== undefined) return [];
  const requested = requestedRelease(state, stage);
  const newest = newestCandidate(state, stage).release;
  for (const release of [requested, newest]) {
    if (release === undefined) continue;
    const gates = evaluateGates({ state, stage, inStage, release, at: fleet.at });
    if (gates.some(({ passed }) => !passed)) continue;
    const forced = release === requested && inStage.request?.force === true;
    const plan = { rolloutId, release: release.commit, clusters, at: fleet.at };
    return [
      {
        type: 'ReleaseAdmitted',
        stage: stage.name,
        release: release.commit,
        rolloutId,
        definitionRevision: state.revision,
        gates,
      },
      startRollout(state, stage, { ...plan, kind: forced ? 'forced' : 'promotion' }),
    ];
  }
  return [];
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

/** A command that is tried again carries the same ids; one that is in use is never given twice. */
const usedRolloutIds = (state: ActivePipeline): ReadonlySet<RolloutId> =>
  new Set(
    [...state.stages.values()].flatMap(({ rollout, lastRollout, history }) => [
      ...(rollout ? [rollout.id] : []),
      ...(lastRollout ? [lastRollout.id] : []),
      ...history.map(({ rolloutId }) => rolloutId),
    ]),
  );
