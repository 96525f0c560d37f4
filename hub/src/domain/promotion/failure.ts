import type { StageDefinition } from '../pipeline/definition.ts';
import { listOf } from '../rollout/index.ts';
import { retryAt } from './candidate.ts';
import type { PlannedTarget } from './events.ts';
import { clustersOf, evidenceFor, type FleetView, lastSaid } from './fleet-view.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { get, values } from './persistent-map.ts';
import { startPlan } from './plan-rollout.ts';
import { returnOf } from './return-targets.ts';
import { isRollback, stageOfRollout } from './running.ts';
import {
  type ActivePipeline,
  type EndedRollout,
  releaseOf,
  type StageState,
  short,
  stageState,
} from './state.ts';
import type { Step } from './step.ts';

/** With a larger part of a stage's clusters offline, a failure says more about the network than about the release. */
export const offlinePercentMax = 50;

/**
 * What a failed rollout leads to by the policy that it ran with: nothing, or one automatic rollback, after the last try.
 * Where it would do harm or prove nothing it is declined on record, and a person decides.
 */
export const failureResponse: Step = (state, stage, { fleet, newIds }) => {
  const inStage = stageState(state, stage.name);
  const failed = failedRollout(inStage);
  if (failed === undefined) return [];
  const { onFailure } = stageOfRollout(state, stage, failed).rollout;
  const isTriedAgain = retryAt(stage, get(inStage.releases, failed.release)) !== undefined;
  if (onFailure === 'pause' || isTriedAgain) return [];
  const { targets, withoutPrevious } = returnOf(inStage, failed, concerned(failed, onFailure));
  const reason = reasonToDecline({
    state,
    stage,
    inStage,
    failed,
    fleet,
    targets,
    withoutPrevious,
  });
  const { id: undoes, release } = failed;
  if (reason !== undefined) {
    const declined = { stage: stage.name, rolloutId: undoes, release, reason };
    return [{ type: 'AutomaticRollbackDeclined', ...declined }];
  }
  const [rolloutId] = newIds;
  const settled = inStage.current?.release ?? targets[0]?.release;
  if (rolloutId === undefined || settled === undefined) return [];
  const { at, watchedMs } = fleet;
  return startPlan(state, stage, {
    rolloutId,
    release: settled,
    kind: 'automatic-rollback',
    undoes,
    batches: [targets],
    at,
    watchedMs,
  });
};

/** The last thing that happened in the stage, if it failed and nothing was made of it yet. A rollback is never undone. */
function failedRollout({ rollout, lastRollout }: StageState): EndedRollout | undefined {
  if (rollout !== undefined || lastRollout?.outcome !== 'failed') return undefined;
  if (isRollback(lastRollout) || lastRollout.rollbackDeclined !== undefined) return undefined;
  return lastRollout;
}

type OnFailure = StageDefinition['rollout']['onFailure'];

function concerned(failed: EndedRollout, onFailure: OnFailure): readonly PlannedTarget[] {
  switch (onFailure) {
    case 'pause':
      return [];
    case 'rollback-failed':
      return failed.targets.filter(
        ({ cluster }) => get(failed.outcomes, cluster)?.outcome === 'failed',
      );
    case 'rollback-wave':
      return failed.batches[failed.batch] ?? [];
    case 'rollback':
      return failed.targets;
  }
}

type Failure = {
  readonly state: ActivePipeline;
  readonly stage: StageDefinition;
  readonly inStage: StageState;
  readonly failed: EndedRollout;
  readonly fleet: FleetView;
  readonly targets: readonly PlannedTarget[];
  readonly withoutPrevious: readonly string[];
};

function reasonToDecline(failure: Failure): string | undefined {
  const { inStage, failed, targets, withoutPrevious } = failure;
  if (get(inStage.releases, failed.release)?.automaticallyRolledBack) {
    return `${short(failed.release)} was rolled back here by itself before, and is not again`;
  }
  if (withoutPrevious.length > 0) {
    return `${listOf(withoutPrevious)} had no other release before`;
  }
  if (targets.length === 0) return 'no target that the policy would return has the release';
  return causeElsewhere(failure) ?? frozen(failure);
}

/** Signs that the release is not what is wrong. */
function causeElsewhere({ stage, inStage, failed, fleet }: Failure): string | undefined {
  const clusters = clustersOf(stage, fleet);
  const away = clusters.filter(({ status }) => status !== 'connected');
  if (100 * away.length > offlinePercentMax * clusters.length) {
    return `${away.length} of ${clusters.length} clusters of the stage cannot be reached`;
  }
  const failures = failed.targets.flatMap(({ cluster }) => {
    const outcome = get(failed.outcomes, cluster);
    return outcome?.outcome === 'failed' ? [outcome.cause] : [];
  });
  if (failures.length > 0 && failures.every((cause) => cause === 'offline')) {
    return 'every target that failed could not be reached';
  }
  const alike = [...values(inStage.targets)].filter((target) => {
    if (target.rolloutId === failed.id) return false;
    const report = evidenceFor(fleet, stage.name, target);
    if (report === undefined || report.receivedAt < failed.startedAt) return false;
    return report.phase === 'failed' || ['degraded', 'missing'].includes(report.health);
  });
  const said = alike.map((target) => lastSaid(fleet, stage.name, target)).sort();
  return said.length === 0
    ? undefined
    : `what does not run ${short(failed.release)} became unhealthy too: ${said[0]}` +
        (said.length > 1 ? `, and ${said.length - 1} more` : '');
}

function frozen({ state, stage, inStage, failed, fleet }: Failure): string | undefined {
  const release = releaseOf(state, failed.release);
  if (release === undefined) return undefined;
  const context = { state, stage, inStage, release, at: fleet.at, fleet };
  return evaluateGates(context, ['freeze']).find((gate) => !isOpen(gate))?.detail;
}

/** Why nothing was returned after a failure, for a person. */
export function declinedText(state: ActivePipeline, stage: StageDefinition): string | undefined {
  const { lastRollout, rollout } = stageState(state, stage.name);
  if (rollout !== undefined || lastRollout?.rollbackDeclined === undefined) return undefined;
  return (
    `There was no automatic rollback, because ${lastRollout.rollbackDeclined}: ` +
    `\`fairlead rollback ${state.definition.name}/${stage.name}\` goes back by hand.`
  );
}
