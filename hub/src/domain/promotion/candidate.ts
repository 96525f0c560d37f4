import type { CommitId, StageName } from '@fairlead/shared/ids';
import type { StageDefinition } from '../pipeline/definition.ts';
import { revertBypass } from './gates/bypass.ts';
import { get } from './persistent-map.ts';
import { type ActivePipeline, type KnownRelease, releaseOf, short, stageState } from './state.ts';

/** The release that a stage would take next, or in words why there is none. */
export type Candidate =
  | { readonly release: KnownRelease; readonly reason?: undefined }
  | {
      readonly release?: undefined;
      readonly reason: string;
      /** A release that only a person can bring in, by name or by force. */
      readonly blocked?: KnownRelease;
    };

/** The stages before this one in which the release has not succeeded. */
export const unsatisfiedStages = (
  state: ActivePipeline,
  stage: StageDefinition,
  commit: CommitId,
): StageName[] =>
  stage.after.filter(
    (before) => get(stageState(state, before).releases, commit)?.outcome !== 'succeeded',
  );

/** What the stage's targets run or are told to run now. */
export function releaseInStage(state: ActivePipeline, stage: StageName): KnownRelease | undefined {
  const { rollout, lastRollout } = stageState(state, stage);
  const commit = rollout?.release ?? lastRollout?.release;
  return commit && releaseOf(state, commit);
}

/** Whether all that the stage last did was to succeed with this release. */
export const isSettledOn = (state: ActivePipeline, stage: StageName, commit: CommitId): boolean => {
  const { rollout, lastRollout, current } = stageState(state, stage);
  return !rollout && lastRollout?.outcome === 'succeeded' && current?.release === commit;
};

/** The newest release on the branch that may come by its order, whatever became of it here. */
export const newestEligible = (
  state: ActivePipeline,
  stage: StageDefinition,
): KnownRelease | undefined =>
  state.releases.findLast((release) => !release.orphaned && isInOrder(state, stage, release));

/** It has succeeded in the stages before, or the pipeline's rule for reverts lets it by. */
export const isInOrder = (
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
): boolean =>
  unsatisfiedStages(state, stage, release.commit).length === 0 ||
  revertBypass({ state, stage, inStage: stageState(state, stage.name), release }, 'order') !==
    undefined;

/** How a release came to its end in a stage without being what it runs, and what would bring it back. */
export function endInStage(
  state: ActivePipeline,
  stage: StageName,
  commit: CommitId,
): string | undefined {
  const mark = get(stageState(state, stage).releases, commit);
  const name = short(commit);
  switch (mark?.outcome) {
    case 'failed':
      return (
        `${name} failed here (${mark.failure?.message ?? 'no reason given'}) and is not tried ` +
        'again by itself: a newer release clears it, or promote it with force.'
      );
    case 'aborted':
    case 'rolled-back':
      return (
        `${name} was ${mark.outcome === 'aborted' ? 'aborted' : 'rolled back'} here and does ` +
        'not come back by itself: a newer release clears it, or promote it by name.'
      );
    default:
      return undefined;
  }
}

/**
 * The newest release on the branch that succeeded in all stages before this one, by position and never by date. It only
 * moves a stage forward, unless what the stage runs was dropped from the branch.
 */
export function newestCandidate(state: ActivePipeline, stage: StageDefinition): Candidate {
  const newest = newestEligible(state, stage);
  if (newest === undefined) {
    const reason =
      stage.after.length === 0
        ? 'The pipeline has no release yet: no commit changed what it includes.'
        : `No release has succeeded in ${stage.after.join(' and ')} yet.`;
    return { reason };
  }
  const name = short(newest.commit);
  const { rollout } = stageState(state, stage.name);
  if (rollout?.release === newest.commit) return { reason: `${name} is rolling out.` };
  if (isSettledOn(state, stage.name, newest.commit)) {
    return { reason: `It runs ${name}, the newest release that may come here.` };
  }
  const ended = endInStage(state, stage.name, newest.commit);
  if (ended !== undefined) return { blocked: newest, reason: ended };
  const present = releaseInStage(state, stage.name);
  if (present !== undefined && !present.orphaned && newest.position < present.position) {
    return {
      reason: `It runs ${short(present.commit)}, which is newer than ${name}, the newest candidate.`,
    };
  }
  return { release: newest };
}

/** What a person asked for, as long as it can still happen. */
export function requestedRelease(
  state: ActivePipeline,
  stage: StageDefinition,
): KnownRelease | undefined {
  const { request, rollout } = stageState(state, stage.name);
  if (request === undefined || rollout?.release === request.release) return undefined;
  const release = releaseOf(state, request.release);
  return release?.orphaned && !request.force ? undefined : release;
}

/** A person's wish comes before what would come by itself. */
export function candidateOf(state: ActivePipeline, stage: StageDefinition): Candidate {
  const requested = requestedRelease(state, stage);
  return requested ? { release: requested } : newestCandidate(state, stage);
}

/**
 * Releases that wait for the stage and are older than the newest one, oldest first. The search ends at the first that
 * has a mark here: what is older was decided on before.
 */
export function supersededBy(
  state: ActivePipeline,
  stage: StageDefinition,
  candidate: KnownRelease,
): KnownRelease[] {
  const { releases, request } = stageState(state, stage.name);
  const waiting: KnownRelease[] = [];
  for (let index = state.releases.length - 1; index >= 0; index--) {
    const release = state.releases[index];
    if (release === undefined || release.position >= candidate.position) continue;
    const requested = release.commit === request?.release;
    if (get(releases, release.commit) !== undefined && !requested) break;
    if (release.orphaned || (requested && stage.promote === 'manual')) continue;
    if (isInOrder(state, stage, release)) waiting.unshift(release);
  }
  return waiting;
}
