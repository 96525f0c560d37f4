import type { CommitId } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { StageDefinition } from '../pipeline/definition.ts';
import { listOf } from '../rollout/index.ts';
import { rolloutAssignments } from './batches.ts';
import { isSettledOn, releaseInStage } from './candidate.ts';
import type { PipelineCommand, PipelineRejection } from './commands.ts';
import { type Decision, refuse } from './decision.ts';
import type { PipelineEvent } from './events.ts';
import { evolvePipeline } from './evolve.ts';
import { type FleetView, fleetView } from './fleet-view.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { overrideOf, refuseFrozen } from './override.ts';
import { get } from './persistent-map.ts';
import { plannedTargets, startPlan, startRollout } from './plan-rollout.ts';
import { returnOf, takenBack } from './return-targets.ts';
import { type ActivePipeline, releaseOf, short, stageState } from './state.ts';

/** Assignments that go with the decision at once; an advance gives the rest. */
const assignmentsAtOnceMax = 900;

/**
 * Goes back to a release that succeeded here. It ends a running rollout, asks no gate, and holds the stage, so that
 * what was left behind does not return by itself. In a freeze it needs an override.
 */
export function rollback(
  state: ActivePipeline,
  stage: StageDefinition,
  command: Extract<PipelineCommand, { type: 'rollback' }>,
): Decision {
  const target = rollbackTarget(state, stage, command.release);
  if (!target.ok) return target;
  const release = target.value;
  const fleet = fleetView(command.snapshot);
  const asked = overrideOf(command, fleet.at);
  if (!asked.ok) return asked;
  const override = asked.value;
  const frozen = refuseFrozen(state, stage, fleet, override);
  if (frozen !== undefined) return frozen;
  const { clusters, fault } = plannedTargets(stage, fleet);
  if (fault !== undefined) return err({ code: 'release_not_eligible', detail: fault });

  const { rollout, hold } = stageState(state, stage.name);
  const events: PipelineEvent[] = [];
  if (rollout !== undefined) {
    const { id: rolloutId, release: running } = rollout;
    const reason = `rolled back to ${short(release)}: ${command.reason}`;
    events.push({ type: 'RolloutAborted', stage: stage.name, rolloutId, release: running, reason });
  }
  if (hold === undefined) {
    const reason = `rolled back to ${short(release)}: ${command.reason}`;
    events.push({ type: 'StageHeld', stage: stage.name, reason, automatic: true });
  }
  const rolloutId = command.newId;
  const { at, watchedMs } = fleet;
  const plan = {
    ...({ rolloutId, release, kind: 'rollback', clusters, at, watchedMs } as const),
    ...(override === undefined ? {} : { override }),
  };
  events.push(...startRollout(state, stage, plan));
  const started = events.reduce(evolvePipeline, state) as ActivePipeline;
  return ok([
    ...events,
    ...rolloutAssignments(started, stage, fleet).slice(0, assignmentsAtOnceMax),
  ]);
}

/**
 * Ends the running rollout. In-flight targets go on to what they were told, what was never reached keeps what it runs,
 * and where the person asked for it all the others return to what each ran before.
 */
export function abortRollout(
  state: ActivePipeline,
  stage: StageDefinition,
  command: Extract<PipelineCommand, { type: 'abort-rollout' }>,
): Decision {
  const { rollout } = stageState(state, stage.name);
  if (rollout === undefined) {
    return refuse('no_rollout_to_abort', `No rollout is running in ${stage.name}.`);
  }
  const { id, release } = rollout;
  const { reason } = command;
  const aborted = { stage: stage.name, rolloutId: id, release, reason };
  const events: PipelineEvent[] = [{ type: 'RolloutAborted', ...aborted }];
  if (command.rollback === undefined) return ok(events);

  const { snapshot, newId: rolloutId } = command.rollback;
  const fleet = fleetView(snapshot);
  const frozen = freezeOf(state, stage, { commit: release, fleet });
  if (frozen !== undefined) return refuse('stage_frozen', frozen);
  let ended = events.reduce(evolvePipeline, state) as ActivePipeline;
  const back = takenBack(ended, stage, { fleet, newIds: [] });
  events.push(...back);
  ended = back.reduce(evolvePipeline, ended) as ActivePipeline;
  const inStage = stageState(ended, stage.name);
  const { targets, withoutPrevious } = returnOf(inStage, rollout, rollout.targets);
  const settled = inStage.current?.release ?? targets[0]?.release;
  if (settled === undefined || targets.length === 0) {
    if (withoutPrevious.length === 0) return ok(events);
    return refuse(
      'no_release_to_roll_back_to',
      `${listOf(withoutPrevious)} had no other release before: abort without a rollback.`,
    );
  }
  const { at, watchedMs } = fleet;
  const plan = {
    rolloutId,
    release: settled,
    kind: 'rollback',
    undoes: id,
    at,
    watchedMs,
  } as const;
  const started = startPlan(ended, stage, { ...plan, batches: [targets] });
  const running = started.reduce(evolvePipeline, ended) as ActivePipeline;
  return ok([
    ...events,
    ...started,
    ...rolloutAssignments(running, stage, fleet).slice(0, assignmentsAtOnceMax),
  ]);
}

/** In words, the freeze that is in force for the stage. */
function freezeOf(
  state: ActivePipeline,
  stage: StageDefinition,
  { commit, fleet }: { commit: CommitId; fleet: FleetView },
): string | undefined {
  const release = releaseOf(state, commit);
  if (release === undefined) return undefined;
  const inStage = stageState(state, stage.name);
  const context = { state, stage, inStage, release, at: fleet.at, fleet };
  return evaluateGates(context, ['freeze']).find((gate) => !isOpen(gate))?.detail;
}

/**
 * It was not unhealthy here when another took its place, and no verification of it in this stage ended badly. That a cluster
 * could not be seen then says nothing against it.
 */
function isProven(state: ActivePipeline, stage: StageDefinition, commit: CommitId): boolean {
  if (get(stageState(state, stage.name).releases, commit)?.leftUnhealthy) return false;
  const runs = [...state.stages.values()].flatMap(({ verifications }) => verifications);
  const own = runs.filter(({ release, inStage }) => release === commit && inStage === stage.name);
  const newest = new Map(own.map((run) => [`${run.name}/${run.cluster}`, run]));
  return [...newest.values()].every(({ ended }) => ended?.outcome !== 'failed');
}

function rollbackTarget(
  state: ActivePipeline,
  stage: StageDefinition,
  named: CommitId | undefined,
): Result<CommitId, PipelineRejection> {
  const { history, releases, current } = stageState(state, stage.name);
  if (named === undefined) {
    const present = releaseInStage(state, stage.name)?.commit;
    const runs = current?.release === present ? current?.runs : undefined;
    // What the targets run under an older name is no way back: it is what they run.
    const former = history.filter(
      (past) =>
        past.release !== present &&
        (past.runs ?? past.release) !== (runs ?? present) &&
        get(releases, past.release)?.outcome === 'succeeded',
    );
    const last = former.findLast(({ release }) => isProven(state, stage, release)) ?? former.at(-1);
    if (last !== undefined) return ok(last.release);
    return err({
      code: 'no_release_to_roll_back_to',
      detail: `No other release has succeeded in ${stage.name}.`,
    });
  }
  if (releaseOf(state, named) === undefined) {
    const detail = `${short(named)} is no release of ${state.definition.name}.`;
    return err({ code: 'release_not_found', detail });
  }
  if (isSettledOn(state, stage.name, named)) {
    return err({ code: 'already_current', detail: `${stage.name} runs ${short(named)} already.` });
  }
  if (!history.some(({ release }) => release === named)) {
    return err({
      code: 'release_not_eligible',
      detail: `${short(named)} has never succeeded in ${stage.name}.`,
    });
  }
  return ok(named);
}
