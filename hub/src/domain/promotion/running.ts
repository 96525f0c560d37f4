import type { Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../pipeline/definition.ts';
import { stageNamed } from '../pipeline/index.ts';
import type { PlannedTarget } from './events.ts';
import { get } from './persistent-map.ts';
import type { ActivePipeline, ActiveRollout, StageState, TargetState } from './state.ts';

// What is said of the running rollout in more than one place.

/** A rollout keeps the definition that it started with. */
export const stageOfRollout = (
  state: ActivePipeline,
  stage: StageDefinition,
  { revision }: Pick<ActiveRollout, 'revision'>,
): StageDefinition => stageNamed(state.definitions.get(revision), stage.name) ?? stage;

/** Targets of the batches that have started, in the order of the plan. */
export const startedTargets = ({
  batches,
  batch,
}: Pick<ActiveRollout, 'batches' | 'batch'>): readonly PlannedTarget[] =>
  batches.slice(0, batch + 1).flat();

/** What the target was told by this rollout, if it was told. */
export function assignedIn(
  { targets }: Pick<StageState, 'targets'>,
  rollout: Pick<ActiveRollout, 'id'>,
  { cluster }: Pick<PlannedTarget, 'cluster'>,
): TargetState | undefined {
  const target = get(targets, cluster);
  return target?.rolloutId === rollout.id ? target : undefined;
}

/** The next batch that still has a target, once the ones before have an outcome for each of theirs. */
export function batchToStart(rollout: ActiveRollout): number | undefined {
  const open = startedTargets(rollout).some(({ cluster }) => !get(rollout.outcomes, cluster));
  if (open) return undefined;
  const next = rollout.batches.findIndex(
    (targets, index) => index > rollout.batch && targets.length > 0,
  );
  return next === -1 ? undefined : next;
}

/** A rollback stops for nothing but a freeze. */
export const isRollback = ({ kind }: Pick<ActiveRollout, 'kind'>): boolean =>
  kind === 'rollback' || kind === 'automatic-rollback';

/** How long the rollout was paused since then. */
export const pausedMsSince = ({ pauses }: ActiveRollout, since: Instant): number =>
  pauses.filter(({ from }) => from >= since).reduce((total, { from, to }) => total + to - from, 0);
