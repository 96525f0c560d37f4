import type { StageDefinition } from '../pipeline/definition.ts';
import {
  endInStage,
  isInOrder,
  namesBefore,
  newerInStage,
  newestCandidate,
  pinnedRelease,
  revertOf,
} from './candidate.ts';
import type { FleetView } from './fleet-view.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { get } from './persistent-map.ts';
import { plannedTargets } from './plan-rollout.ts';
import { experienceOf, isControl, stagesBefore } from './stages-before.ts';
import { type ActivePipeline, type KnownRelease, short, stageState } from './state.ts';
import type { Step } from './step.ts';

/**
 * Keeps a place for what waits, by the policy of the stage that it waits for: without that, releases that come faster than
 * they soak would displace each other for ever. What cannot come any more gives its place up, so that a broken release
 * never blocks its own fix.
 */
export const waitingSteps: Step = (state, stage, { fleet }) => {
  const { name, supersede } = stage;
  const { at, watchedMs } = fleet;
  const pinned = pinnedRelease(state, stage);
  if (pinned !== undefined) {
    const reason = reasonToGiveUp(state, stage, pinned, fleet);
    return reason === undefined
      ? []
      : [{ type: 'ReleaseUnpinned', stage: name, release: pinned.commit, reason }];
  }
  if (supersede.mode === 'latest') return [];
  const { release } = newestCandidate(state, stage, at);
  if (release === undefined || comesNow(state, stage, release, fleet)) return [];
  if (reasonToGiveUp(state, stage, release, fleet) !== undefined) return [];
  const { waiting } = stageState(state, name);
  const event = { stage: name, release: release.commit, at };
  if (supersede.mode === 'finish-current') return [{ type: 'ReleasePinned', ...event }];
  if (waiting === undefined) return [{ type: 'ReleaseWaiting', ...event, watchedMs }];
  const waitedMs = watchedMs - waiting.sinceWatchedMs;
  return waitedMs < guardMs(stage) ? [] : [{ type: 'ReleasePinned', ...event }];
};

/** How long something may wait for the stage before it keeps its place. */
export const guardMs = ({ supersede, gates }: StageDefinition): number =>
  supersede.soaks * gates.soakMs;

/** The admission of this very advance takes it. */
function comesNow(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
  fleet: FleetView,
): boolean {
  const inStage = stageState(state, stage.name);
  if (inStage.rollout !== undefined) return false;
  if (!isControl(stage) && plannedTargets(stage, fleet).fault !== undefined) return false;
  return evaluateGates({ state, stage, inStage, release, at: fleet.at, fleet }).every(isOpen);
}

/** Why a release cannot come to the stage as things are, in words. */
function reasonToGiveUp(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
  fleet: FleetView,
): string | undefined {
  const { commit } = release;
  const name = short(commit);
  const inStage = stageState(state, stage.name);
  if (stage.supersede.mode === 'latest') return `${stage.name} takes the newest release now`;
  if (release.orphaned) return `the branch does not contain ${name} any more`;
  const revert = revertOf(state, release);
  if (revert !== undefined) return `${short(revert.commit)} reverts it`;
  const mark = get(inStage.releases, commit);
  if (mark?.outcome === 'failed') return `${name} failed in ${stage.name}`;
  const ended = endInStage(state, stage.name, commit);
  if (ended !== undefined) return ended;
  const newer = newerInStage(state, stage.name, release);
  if (newer !== undefined) return `${stage.name} has ${short(newer.commit)}, which is newer`;
  if (!isInOrder(state, stage, release)) {
    return `${name} has not succeeded in ${namesBefore(stage)} any more`;
  }
  return refused(state, stage, release, fleet) ?? brokenBefore(state, stage, release, fleet);
}

/** A person or a check has said no: only a newer release, or another try, makes it good. */
function refused(
  state: ActivePipeline,
  stage: StageDefinition,
  { commit }: KnownRelease,
  fleet: FleetView,
): string | undefined {
  const { approvals, verifications, analyses } = stageState(state, stage.name);
  const request = get(approvals, commit);
  if (request?.status === 'rejected') return `its approval was rejected (${request.message ?? ''})`;
  if (request?.status === 'expired') return 'its request for approvals expired';
  const { gates } = stage;
  for (const { name } of gates.verifications) {
    const last = verifications.findLast((run) => run.release === commit && run.name === name);
    if (last?.ended?.outcome === 'failed') return `its verification ${name} failed`;
  }
  for (const { name } of gates.metrics) {
    const last = analyses.findLast((run) => run.release === commit && run.name === name);
    if (last?.ended?.outcome === 'failed') return `its metric ${name} failed`;
  }
  const failed = fleet.statuses.find(
    (status) =>
      status.commit === commit &&
      gates.statuses.includes(status.name) &&
      status.state === 'failure',
  );
  return failed === undefined ? undefined : `its status ${failed.name} says failure`;
}

/** Unhealthy where it has to prove itself, or gone from there before it had. */
function brokenBefore(
  state: ActivePipeline,
  stage: StageDefinition,
  { commit }: KnownRelease,
  { watchedMs }: FleetView,
): string | undefined {
  const { gates } = stage;
  for (const before of stagesBefore(state, stage, { commit, watchedMs })) {
    const { stay, healthy, soakedMs } = experienceOf(state, before, { commit, gates, watchedMs });
    if (stay?.health === 'unhealthy') return `${before} is unhealthy with it: ${stay.message}`;
    if (stay === undefined && (!healthy || soakedMs < gates.soakMs)) {
      return `${before} does not run it any more, and was not healthy with it for long enough`;
    }
  }
  return undefined;
}
