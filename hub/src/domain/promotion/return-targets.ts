import type { PipelineEvent, PlannedTarget } from './events.ts';
import { evidenceFor } from './fleet-view.ts';
import { get } from './persistent-map.ts';
import { assign } from './plan-rollout.ts';
import { assignedIn, isRollback, stageOfRollout } from './running.ts';
import { type EndedRollout, type StageState, stageState } from './state.ts';
import type { Step } from './step.ts';

/** What an ended rollout may be undone to: each of its targets back to what it ran itself. */
export type Return = {
  readonly targets: readonly PlannedTarget[];
  /** Names of those that had nothing else before. */
  readonly withoutPrevious: readonly string[];
};

/** Of the given targets those that have what the rollout gave them: what it never reached is not touched. */
export function returnOf(
  inStage: StageState,
  rollout: Pick<EndedRollout, 'id'>,
  planned: readonly PlannedTarget[],
): Return {
  const targets: PlannedTarget[] = [];
  const withoutPrevious: string[] = [];
  for (const one of planned) {
    const { cluster, clusterName, previous } = one;
    const target = assignedIn(inStage, rollout, one);
    if (target === undefined) continue;
    if (previous === undefined || previous === target.release) withoutPrevious.push(clusterName);
    else targets.push({ cluster, clusterName, previous: target.release, release: previous });
  }
  return { targets, withoutPrevious };
}

/**
 * A rollout that ended without success leaves targets behind that were assigned while nobody could hear of them. They
 * keep what they run: whoever returns later is not to begin with what the stage has given up.
 */
export const takenBack: Step = (state, stage, { fleet }) => {
  const inStage = stageState(state, stage.name);
  const { rollout, lastRollout } = inStage;
  if (rollout !== undefined || lastRollout === undefined) return [];
  if (lastRollout.outcome === 'succeeded' || isRollback(lastRollout)) return [];
  let { generation } = state;
  return returnOf(inStage, lastRollout, lastRollout.targets).targets.flatMap((planned) => {
    const known = fleet.clusters.get(planned.cluster);
    const target = get(inStage.targets, planned.cluster);
    if (known === undefined || known.status === 'connected' || target === undefined) return [];
    if (evidenceFor(fleet, stage.name, target) !== undefined) return [];
    const events: PipelineEvent[] = assign(stageOfRollout(state, stage, lastRollout), known, {
      release: planned.release ?? target.release,
      generation: generation + 1,
      definitionRevision: lastRollout.revision,
      cause: 'not-reached',
      at: fleet.at,
    });
    generation += events.length;
    return events;
  });
};
