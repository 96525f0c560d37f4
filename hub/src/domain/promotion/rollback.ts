import type { CommitId } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { StageDefinition } from '../pipeline/definition.ts';
import { isSettledOn, releaseInStage } from './candidate.ts';
import type { PipelineCommand, PipelineRejection } from './commands.ts';
import type { Decision } from './decision.ts';
import type { PipelineEvent } from './events.ts';
import { evolvePipeline } from './evolve.ts';
import { fleetView } from './fleet-view.ts';
import { get } from './persistent-map.ts';
import { plannedTargets, rolloutAssignments, startRollout } from './plan-rollout.ts';
import { type ActivePipeline, releaseOf, short, stageState } from './state.ts';

/** Assignments that go with the decision at once; an advance gives the rest. */
const assignmentsAtOnceMax = 900;

/**
 * Goes back to a release that succeeded here. It ends a running rollout, asks no gate, and holds the stage, so that
 * what was left behind does not return by itself.
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
  const plan = { rolloutId, release, kind: 'rollback', clusters, at, watchedMs } as const;
  events.push(startRollout(state, stage, plan));
  const started = events.reduce(evolvePipeline, state) as ActivePipeline;
  return ok([
    ...events,
    ...rolloutAssignments(started, stage, fleet).slice(0, assignmentsAtOnceMax),
  ]);
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
    const last = history.findLast(
      (past) =>
        past.release !== present &&
        (past.runs ?? past.release) !== (runs ?? present) &&
        get(releases, past.release)?.outcome === 'succeeded',
    );
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
