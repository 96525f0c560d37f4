import type { CommitId, StageName } from '@fairlead/shared/ids';
import { formatInstant, type Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../pipeline/definition.ts';
import { stageNamed } from '../pipeline/index.ts';
import { revertBypass } from './bypass.ts';
import { get } from './persistent-map.ts';
import { isControl } from './stages-before.ts';
import {
  type ActivePipeline,
  type KnownRelease,
  releaseOf,
  type StageRelease,
  type SucceededRelease,
  short,
  stageState,
} from './state.ts';

/** The release that a stage would take next, or in words why there is none. */
export type Candidate =
  | { readonly release: KnownRelease; readonly reason?: undefined }
  | {
      readonly release?: undefined;
      readonly reason: string;
      /** A release that only a person, or time, can bring in. */
      readonly blocked?: KnownRelease;
      /** When it is tried again by itself. */
      readonly clearsAt?: Instant;
    };

/** The stages before this one that the release has to succeed in yet; where one is enough, none once it has. */
export const unsatisfiedStages = (
  state: ActivePipeline,
  stage: StageDefinition,
  commit: CommitId,
): StageName[] => {
  const missing = stage.after.filter(
    (before) => get(stageState(state, before).releases, commit)?.outcome !== 'succeeded',
  );
  return stage.afterMode === 'any' && missing.length < stage.after.length ? [] : missing;
};

/** `staging and canary`, or `staging or canary` where one of them is enough. */
export const namesBefore = (stage: StageDefinition, names = stage.after): string =>
  names.join(stage.afterMode === 'any' ? ' or ' : ' and ');

/** What the stage's targets run or are told to run now; what passed without a rollout counts like what rolled out. */
export function releaseInStage(state: ActivePipeline, stage: StageName): KnownRelease | undefined {
  const { rollout, lastRollout, current } = stageState(state, stage);
  const settled = lastRollout === undefined || lastRollout.outcome === 'succeeded';
  const commit = rollout?.release ?? (settled ? current?.release : lastRollout.release);
  return commit && releaseOf(state, commit);
}

/** What the stage has, where that is newer than this release and was not dropped from the branch: a stage goes forward. */
export function newerInStage(
  state: ActivePipeline,
  stage: StageName,
  { position }: Pick<KnownRelease, 'position'>,
): KnownRelease | undefined {
  const present = releaseInStage(state, stage);
  return present && !present.orphaned && present.position > position ? present : undefined;
}

/**
 * Whether all that the stage last did was to succeed with this release, or to be passed by it. What passed it while it had no
 * clusters is not what those run that it was given since: they get it by a rollout.
 */
export const isSettledOn = (state: ActivePipeline, stage: StageName, commit: CommitId): boolean => {
  const { rollout, lastRollout, current } = stageState(state, stage);
  if (rollout !== undefined || current?.release !== commit) return false;
  const definition = stageNamed(state.definition, stage);
  if (passedAsControl(current) && definition && !isControl(definition)) return false;
  return lastRollout === undefined || lastRollout.outcome === 'succeeded';
};

/** No rollout brought it, and nothing runs under its name. */
export const passedAsControl = ({ rolloutId, runs }: SucceededRelease): boolean =>
  rolloutId === undefined && runs === undefined;

/** The newer release of the branch whose message says that it undoes this one, unless that was undone itself. */
export function revertOf(state: ActivePipeline, release: KnownRelease): KnownRelease | undefined {
  for (let index = state.releases.length - 1; index >= 0; index--) {
    const newer = state.releases[index];
    if (newer === undefined || newer.position <= release.position) return undefined;
    if (newer.orphaned || newer.reverts !== release.commit) continue;
    if (revertOf(state, newer) === undefined) return newer;
  }
  return undefined;
}

/** The newest release on the branch that may come by its order, whatever became of it here. */
export const newestEligible = (
  state: ActivePipeline,
  stage: StageDefinition,
): KnownRelease | undefined =>
  state.releases.findLast(
    (release) =>
      !release.orphaned &&
      isInOrder(state, stage, release) &&
      revertOf(state, release) === undefined,
  );

/** It has succeeded in the stages before, or the pipeline's rule for reverts lets it by. */
export const isInOrder = (
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
): boolean =>
  unsatisfiedStages(state, stage, release.commit).length === 0 ||
  revertBypass({ state, stage, inStage: stageState(state, stage.name), release }, 'order') !==
    undefined;

/** When a failed release is tried again by itself, if it is: pauses double from try to try, up to a day. */
export function retryAt(
  stage: StageDefinition,
  mark: StageRelease | undefined,
): Instant | undefined {
  const { limit, backoffMs } = stage.rollout.retries;
  const { outcome, failures = 0, failedAt, automaticallyRolledBack } = mark ?? {};
  if (outcome !== 'failed' || automaticallyRolledBack || failedAt === undefined) return undefined;
  if (failures === 0 || failures > limit) return undefined;
  return failedAt + Math.min(backoffMs * 2 ** (failures - 1), retryBackoffMsMax);
}
const retryBackoffMsMax = 24 * 3_600_000;

/** How a release came to its end in a stage without being what it runs, and what would bring it back. */
export function endInStage(
  state: ActivePipeline,
  stage: StageName,
  commit: CommitId,
): string | undefined {
  const mark = get(stageState(state, stage).releases, commit);
  const name = short(commit);
  switch (mark?.outcome) {
    case 'failed': {
      const { failures = 1 } = mark;
      const often = failures > 1 ? ` ${failures} times` : '';
      return (
        `${name} failed here${often} (${mark.failure?.message ?? 'no reason given'}) and is not tried ` +
        'again by itself: a newer release clears it, or promote it with force.'
      );
    }
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
export function newestCandidate(
  state: ActivePipeline,
  stage: StageDefinition,
  at: Instant,
): Candidate {
  const newest = newestEligible(state, stage);
  if (newest === undefined) {
    const reason =
      stage.after.length === 0
        ? 'The pipeline has no release yet: no commit changed what it includes.'
        : `No release has succeeded in ${namesBefore(stage)} yet.`;
    return { reason };
  }
  const name = short(newest.commit);
  const { rollout, releases } = stageState(state, stage.name);
  if (rollout?.release === newest.commit) return { reason: `${name} is rolling out.` };
  if (isSettledOn(state, stage.name, newest.commit)) {
    return { reason: `It runs ${name}, the newest release that may come here.` };
  }
  const newer = newerInStage(state, stage.name, newest);
  const retry = newer === undefined ? retryAt(stage, get(releases, newest.commit)) : undefined;
  if (retry !== undefined) {
    return retry <= at ? { release: newest } : tried(state, stage, newest, retry);
  }
  const ended = endInStage(state, stage.name, newest.commit);
  if (ended !== undefined) return { blocked: newest, reason: ended };
  if (newer !== undefined) {
    return {
      reason: `It runs ${short(newer.commit)}, which is newer than ${name}, the newest candidate.`,
    };
  }
  return { release: newest };
}

function tried(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
  clearsAt: Instant,
): Candidate {
  const mark = get(stageState(state, stage.name).releases, release.commit);
  const { limit } = stage.rollout.retries;
  const reason =
    `${short(release.commit)} failed here (${mark?.failure?.message ?? 'no reason given'}) and is tried ` +
    `again at ${formatInstant(clearsAt)}: retry ${mark?.failures ?? 1} of ${limit}.`;
  return { blocked: release, reason, clearsAt };
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

/** What keeps its place here before newer releases. */
export const pinnedRelease = (
  state: ActivePipeline,
  stage: StageDefinition,
): KnownRelease | undefined => {
  const { pinned } = stageState(state, stage.name);
  return pinned && releaseOf(state, pinned);
};

/** What comes by itself. */
export function nextCandidate(
  state: ActivePipeline,
  stage: StageDefinition,
  at: Instant,
): Candidate {
  const pinned = pinnedRelease(state, stage);
  return pinned ? { release: pinned } : newestCandidate(state, stage, at);
}

/** A person's wish comes before what would come by itself. */
export function candidateOf(state: ActivePipeline, stage: StageDefinition, at: Instant): Candidate {
  const requested = requestedRelease(state, stage);
  return requested ? { release: requested } : nextCandidate(state, stage, at);
}

/**
 * Releases that wait for the stage and are older than the newest one, oldest first: besides the newest only what keeps its
 * place may wait, so that no more than two ever do. The search ends at the first that has a mark here: what is older was
 * decided on before.
 */
export function supersededBy(
  state: ActivePipeline,
  stage: StageDefinition,
  candidate: KnownRelease,
): KnownRelease[] {
  const { releases, request, pinned } = stageState(state, stage.name);
  const waiting: KnownRelease[] = [];
  for (let index = state.releases.length - 1; index >= 0; index--) {
    const release = state.releases[index];
    if (release === undefined || release.position >= candidate.position) continue;
    const requested = release.commit === request?.release;
    if (get(releases, release.commit) !== undefined && !requested) break;
    if (release.commit === pinned) continue;
    if (release.orphaned || (requested && stage.promote === 'manual')) continue;
    if (isInOrder(state, stage, release)) waiting.unshift(release);
  }
  return waiting;
}
