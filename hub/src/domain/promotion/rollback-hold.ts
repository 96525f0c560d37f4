import type { StageDefinition } from '../pipeline/definition.ts';
import { entries } from './persistent-map.ts';
import { type ActivePipeline, type KnownRelease, releaseOf, stageState } from './state.ts';

/** By the stage's policy, the hold of a rollback ends with it. */
export function isNewerThanRolledBack(
  state: ActivePipeline,
  stage: StageDefinition,
  { position }: Pick<KnownRelease, 'position'>,
): boolean {
  if (stage.holdAfterRollback !== 'until-newer-release') return false;
  return [...entries(stageState(state, stage.name).releases)]
    .filter(([, { outcome }]) => ['rolled-back', 'aborted', 'failed'].includes(outcome))
    .every(([commit]) => (releaseOf(state, commit)?.position ?? 0) < position);
}
