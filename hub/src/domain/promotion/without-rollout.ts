import type { StageDefinition } from '../pipeline/definition.ts';
import { stageNamed } from '../pipeline/index.ts';
import { isSettledOn } from './candidate.ts';
import type { PipelineEvent } from './events.ts';
import { values } from './persistent-map.ts';
import { isControl } from './stages-before.ts';
import { type ActivePipeline, type KnownRelease, releaseOf, stageState } from './state.ts';

/**
 * What the stage's targets run, if the release has the same content for the stage: neither it nor any release between
 * changes one of the stage's files. Unknown is no: then it rolls out like any other.
 */
function sameContentAs(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
): KnownRelease | undefined {
  const { current } = stageState(state, stage.name);
  if (stage.concernedBy.length === 0 || current === undefined) return undefined;
  if (!isSettledOn(state, stage.name, current.release)) return undefined;
  const runs = releaseOf(state, current.runs ?? current.release);
  if (runs === undefined || runs.orphaned || release.orphaned) return undefined;
  if (release.position <= runs.position) return undefined;
  for (let index = state.releases.length - 1; index >= 0; index--) {
    const other = state.releases[index];
    if (other === undefined || other.position <= runs.position) return runs;
    if (other.orphaned || other.position > release.position) continue;
    if (!isUnconcerned(state, stage, other)) return undefined;
  }
  return runs;
}

/** What was found out by another definition counts as long as that asked the same question of the same commits. */
function isUnconcerned(
  state: ActivePipeline,
  stage: StageDefinition,
  { unconcerned }: KnownRelease,
): boolean {
  if (!unconcerned?.stages.includes(stage.name)) return false;
  if (unconcerned.revision === state.revision) return true;
  const then = state.definitions.get(unconcerned.revision);
  const stageThen = stageNamed(then, stage.name);
  const question = (stages: StageDefinition | undefined, of: typeof then) =>
    JSON.stringify([stages?.concernedBy, of?.include, of?.exclude]);
  return question(stageThen, then) === question(stage, state.definition);
}

export type WayWithoutRollout = Pick<
  Extract<PipelineEvent, { type: 'StagePassed' }>,
  'reason' | 'sameAs'
>;

/** How the release comes through the stage if not by a rollout. A person who forces a release wants the rollout. */
export function wayWithoutRollout(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
): WayWithoutRollout | undefined {
  if (isControl(stage)) return { reason: 'control' };
  const { request, heldWithdrawal } = stageState(state, stage.name);
  if (request?.release === release.commit && request.force) return undefined;
  const runs = sameContentAs(state, stage, release);
  if (runs === undefined || heldWithdrawal !== undefined) return undefined;
  const { targets } = stageState(state, stage.name);
  const settled = [...values(targets)].every((target) => target.release === runs.commit);
  return settled ? { reason: 'unconcerned', sameAs: runs.commit } : undefined;
}
