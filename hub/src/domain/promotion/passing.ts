import type { StageDefinition } from '../pipeline/definition.ts';
import { nextCandidate, requestedRelease } from './candidate.ts';
import type { GateResult, PipelineEvent } from './events.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { get } from './persistent-map.ts';
import { type ActivePipeline, type KnownRelease, stageState } from './state.ts';
import type { Step, StepContext } from './step.ts';
import { type WayWithoutRollout, wayWithoutRollout } from './without-rollout.ts';

/**
 * Releases that come through a stage without a rollout: where there is nothing to roll out, where nothing of it changes, and
 * where later stages had the release before this one was put in between.
 */
export const passing: Step = (state, stage, context) => {
  const backfilled = backfill(state, stage, context);
  if (backfilled.length > 0) return backfilled;
  if (stageState(state, stage.name).rollout !== undefined) return [];
  for (const release of [
    requestedRelease(state, stage),
    nextCandidate(state, stage, context.fleet.at).release,
  ]) {
    if (release === undefined) continue;
    const way = wayWithoutRollout(state, stage, release);
    if (way === undefined) continue;
    const gates = openGates(state, stage, release, context);
    if (gates !== undefined) return [passed(state, stage, { ...way, release, gates, context })];
  }
  return [];
};

function openGates(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
  { fleet }: StepContext,
): GateResult[] | undefined {
  const inStage = stageState(state, stage.name);
  const gates = evaluateGates({ state, stage, inStage, release, at: fleet.at, fleet });
  return gates.every(isOpen) ? gates : undefined;
}

function passed(
  state: ActivePipeline,
  stage: StageDefinition,
  {
    release,
    gates,
    context,
    ...way
  }: WayWithoutRollout & {
    release: KnownRelease;
    gates: readonly GateResult[];
    context: StepContext;
  },
): PipelineEvent {
  const { at, watchedMs } = context.fleet;
  return {
    type: 'StagePassed',
    stage: stage.name,
    release: release.commit,
    ...way,
    definitionRevision: state.revision,
    gates,
    at,
    watchedMs,
  };
}

/**
 * A stage that nothing has come to yet, and that some definition did not have while it had a stage after it: what
 * succeeded there need not come through here. Before that is on record nothing enters the stage, so it happens once.
 */
function backfill(
  state: ActivePipeline,
  stage: StageDefinition,
  context: StepContext,
): PipelineEvent[] {
  const { releases, rollout } = stageState(state, stage.name);
  if (!stage.backfill || releases.size > 0 || rollout !== undefined) return [];
  const later = state.definition.stages.filter(
    ({ name, after }) =>
      after.includes(stage.name) &&
      [...state.definitions.values()].some(
        ({ stages }) =>
          stages.some((other) => other.name === name) &&
          !stages.some((other) => other.name === stage.name),
      ),
  );
  const succeeded = new Set(
    later.flatMap(({ name }) => {
      const inLater = stageState(state, name);
      return inLater.history
        .map(({ release }) => release)
        .filter((commit) => get(inLater.releases, commit)?.outcome === 'succeeded');
    }),
  );
  return state.releases
    .filter(({ commit }) => succeeded.has(commit))
    .map((release) => passed(state, stage, { reason: 'backfill', release, gates: [], context }));
}
