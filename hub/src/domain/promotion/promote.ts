import { err, ok, type Result } from '@fairlead/shared/result';
import type { StageDefinition } from '../pipeline/definition.ts';
import { openRequest } from './approval/open.ts';
import { requestFault } from './approval/validity.ts';
import {
  isInOrder,
  isSettledOn,
  newerInStage,
  nextCandidate,
  unsatisfiedStages,
} from './candidate.ts';
import type { PipelineCommand, PipelineRejection } from './commands.ts';
import { type Decision, refuse } from './decision.ts';
import type { FreezeOverride, Hotfix, PipelineEvent } from './events.ts';
import { hotfixOf } from './hotfix.ts';
import { overrideOf } from './override.ts';
import { entries, get } from './persistent-map.ts';
import { type ActivePipeline, type KnownRelease, releaseOf, short, stageState } from './state.ts';

/**
 * A person asks for a release. It waits for its gates like any other; force brings back what failed, is current, or was
 * dropped from the branch, and never a release past a gate.
 */
export function promote(
  state: ActivePipeline,
  stage: StageDefinition,
  command: Extract<PipelineCommand, { type: 'promote' }>,
): Decision {
  const override = overrideOf(command, command.at);
  if (!override.ok) return override;
  const named = releaseAskedFor(state, stage, command);
  if (!named.ok) return named;
  const hotfix = hotfixOf(stage, command);
  if (!hotfix.ok) return hotfix;
  const asked = {
    release: named.value,
    hotfix: hotfix.value,
    override: override.value,
    force: command.force,
  };
  return faultOf(state, stage, asked) ?? request(state, stage, asked, command);
}

type Asked = {
  readonly release: KnownRelease;
  readonly force: boolean;
  readonly hotfix: Hotfix | undefined;
  readonly override: FreezeOverride | undefined;
};

function releaseAskedFor(
  state: ActivePipeline,
  stage: StageDefinition,
  { release: commit, at }: Extract<PipelineCommand, { type: 'promote' }>,
): Result<KnownRelease, PipelineRejection> {
  if (commit !== undefined) {
    const release = releaseOf(state, commit);
    if (release !== undefined) return ok(release);
    const detail = `${short(commit)} is no release of ${state.definition.name}.`;
    return err({ code: 'release_not_found', detail });
  }
  const candidate = nextCandidate(state, stage, at);
  if (candidate.release !== undefined) return ok(candidate.release);
  if (candidate.blocked !== undefined) return ok(candidate.blocked);
  return err({ code: 'nothing_to_promote', detail: candidate.reason });
}

/** Why a person may not have this release here. */
function faultOf(
  state: ActivePipeline,
  stage: StageDefinition,
  { release, force, hotfix }: Asked,
): Decision | undefined {
  const { rollout, releases } = stageState(state, stage.name);
  const name = short(release.commit);
  if (rollout?.release === release.commit) {
    return refuse('rollout_in_progress', `${name} is rolling out already: rollout ${rollout.id}.`);
  }
  if (!force && isSettledOn(state, stage.name, release.commit)) {
    return refuse('already_current', `${stage.name} runs ${name} already. Force assigns it again.`);
  }
  if (!force && release.orphaned) {
    return refuse('release_orphaned', `The branch does not contain ${name} any more.`);
  }
  if (!hotfix?.bypass.includes('order') && !isInOrder(state, stage, release)) {
    const missing = unsatisfiedStages(state, stage, release.commit).join(' and ');
    return refuse('release_not_eligible', `${name} has not succeeded in ${missing} yet.`);
  }
  const newer = newerInStage(state, stage.name, release);
  if (newer !== undefined) {
    return refuse(
      'release_not_eligible',
      `${name} is older than ${short(newer.commit)}, which ${stage.name} has: roll back instead.`,
    );
  }
  const failure = get(releases, release.commit)?.failure;
  if (!force && failure !== undefined) {
    return refuse(
      'release_not_eligible',
      `${name} failed in ${stage.name} (${failure.message}). Force tries it again.`,
    );
  }
  return undefined;
}

function request(
  state: ActivePipeline,
  stage: StageDefinition,
  { release, force, hotfix, override }: Asked,
  command: Extract<PipelineCommand, { type: 'promote' }>,
): Decision {
  const inStage = stageState(state, stage.name);
  const { commit } = release;
  const { by } = command;
  const before = inStage.request;
  const approvals = approvalsAskedAgain(state, stage, release, command);
  const sameGates = JSON.stringify(before?.hotfix?.bypass) === JSON.stringify(hotfix?.bypass);
  const sameWord = override === undefined || before?.override?.reason === override.reason;
  const isSame = before?.release === commit && before.force === force && sameGates && sameWord;
  if (isSame) return ok(approvals);
  const events: PipelineEvent[] = [];
  // A wish for something older takes nobody's place, and what keeps its place here still comes unless the other is first.
  const wished = before && releaseOf(state, before.release);
  const isNewer = wished !== undefined && wished.position < release.position;
  if (before !== undefined && isNewer && before.release !== inStage.pinned) {
    events.push({
      type: 'ReleaseSuperseded',
      stage: stage.name,
      release: before.release,
      by: commit,
    });
  }
  if (inStage.hold?.automatic && coversRollback(state, stage, release)) {
    const reason = `${short(commit)} was promoted`;
    events.push({ type: 'StageResumed', stage: stage.name, reason });
  }
  events.push({
    type: 'PromotionRequested',
    stage: stage.name,
    release: commit,
    force,
    ...(by === undefined ? {} : { by: by.subject }),
    ...(hotfix === undefined ? {} : { hotfix }),
    ...(override === undefined ? {} : { override }),
  });
  return ok([...events, ...approvals]);
}

/** What was rejected or has expired is asked again because a person promotes it, and never by itself. */
function approvalsAskedAgain(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
  { by, newId: requestId, at }: Extract<PipelineCommand, { type: 'promote' }>,
): PipelineEvent[] {
  const last = get(stageState(state, stage.name).approvals, release.commit);
  if (stage.gates.approvals === undefined || last === undefined) return [];
  const why = requestFault(state, stage, last, at)?.why;
  if (requestId === undefined || (why !== 'rejected' && why !== 'expired')) return [];
  const { revision } = state;
  const about = { requestId, revision, at, ...(by === undefined ? {} : { by: by.subject }) };
  const ended = { stage: stage.name, release: release.commit, requestId: last.id, at };
  return [
    ...(last.status === 'open' ? [{ type: 'ApprovalExpired', ...ended } as const] : []),
    openRequest(stage, release, about),
  ];
}

/** Resuming lets what was rolled back come again, so only that release or a newer one may cause it. */
function coversRollback(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
): boolean {
  return [...entries(stageState(state, stage.name).releases)]
    .filter(([, { outcome }]) => outcome === 'rolled-back')
    .every(([commit]) => (releaseOf(state, commit)?.position ?? 0) <= release.position);
}
