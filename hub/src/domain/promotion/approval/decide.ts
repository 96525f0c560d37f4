import type { NewId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import { isOneOf, mayDo, type Person } from '../../hub/index.ts';
import type { ApprovalPolicy, StageDefinition } from '../../pipeline/definition.ts';
import { isSettledOn, newerInStage } from '../candidate.ts';
import type { PipelineCommand } from '../commands.ts';
import { type Decision, refuse } from '../decision.ts';
import type { PipelineEvent } from '../events.ts';
import { get, values } from '../persistent-map.ts';
import { type ActivePipeline, type KnownRelease, releaseOf, short, stageState } from '../state.ts';
import { requestsOpenMax, votesMax } from './limits.ts';
import { openRequest } from './open.ts';
import type { ApprovalRequest } from './state.ts';
import { type RequestFault, requestFault } from './validity.ts';
import { mayVote, voterFault } from './votes.ts';

type ApprovalCommand = Extract<
  PipelineCommand,
  { type: 'approve' | 'reject' | 'withdraw-approval' }
>;
type Voting = Exclude<ApprovalCommand, { type: 'withdraw-approval' }>;

/** A person's word about one release in one stage: it counts for nothing else. */
export function decideApproval(
  state: ActivePipeline,
  stage: StageDefinition,
  command: ApprovalCommand,
): Decision {
  const policy = stage.gates.approvals;
  if (policy === undefined) {
    return refuse('no_approvals_asked', `${stage.name} asks for no approvals.`);
  }
  const { by } = command;
  if (!mayDo(by, 'approve')) {
    return refuse('permission_missing', `${by.subject} lacks the permission to approve.`);
  }
  const release = releaseOf(state, command.release);
  if (release === undefined) {
    const detail = `${short(command.release)} is no release of ${state.definition.name}.`;
    return refuse('release_not_found', detail);
  }
  if (command.type === 'withdraw-approval') return withdraw(state, stage, command);
  const fault =
    command.type === 'approve'
      ? approverFault(state, stage, { policy, release, by })
      : rejecterFault(policy, by);
  if (fault !== undefined) return refuse('approver_not_allowed', `${by.subject} ${fault}.`);
  return vote(state, stage, { command, release });
}

function approverFault(
  state: ActivePipeline,
  stage: StageDefinition,
  { policy, release, by }: { policy: ApprovalPolicy; release: KnownRelease; by: Person },
): string | undefined {
  const { request } = stageState(state, stage.name);
  const requester = request?.release === release.commit ? request.by : undefined;
  return voterFault(by, { policy, release, requester });
}

/** Whoever may vote may stop a release, its author and its requester too. */
function rejecterFault(policy: ApprovalPolicy, by: Person): string | undefined {
  const wanted = mayVote(policy);
  return wanted.length > 0 && !isOneOf(by, wanted) ? `is none of ${wanted.join(', ')}` : undefined;
}

function vote(
  state: ActivePipeline,
  stage: StageDefinition,
  { command, release }: { command: Voting; release: KnownRelease },
): Decision {
  const { at, by, requestId } = command;
  const { commit } = release;
  const last = get(stageState(state, stage.name).approvals, commit);
  if (requestId !== undefined && last?.id !== requestId) {
    return refuse(
      'approval_request_changed',
      `${requestId} is not the request of ${short(commit)} in ${stage.name}` +
        `${last === undefined ? '' : `, which is ${last.id}`}: look at it again.`,
    );
  }
  const fault = last && requestFault(state, stage, last, at);
  if (last?.status !== 'open' || fault !== undefined) {
    return voteOnNew(state, stage, { command, release, last, fault });
  }
  if (command.type === 'approve' && last.votes.has(by.subject)) {
    return refuse('already_approved', `${by.subject} has approved ${short(commit)} already.`);
  }
  if (command.type === 'approve' && last.votes.size >= votesMax) {
    return refuse('approval_request_closed', `A request takes ${votesMax} votes, and has them.`);
  }
  return { ok: true, value: [voteEvent(stage, command, last.id)] };
}

/** Nobody named a request that is over: the word opens one of its own, where the release may still come. */
function voteOnNew(
  state: ActivePipeline,
  stage: StageDefinition,
  about: {
    command: Voting;
    release: KnownRelease;
    last: ApprovalRequest | undefined;
    fault: RequestFault | undefined;
  },
): Decision {
  const { command, release, last, fault } = about;
  const { requestId, at, by, newId } = command;
  const triedAgain = last?.status === 'used' && fault === undefined;
  if (requestId !== undefined || fault?.why === 'rejected' || triedAgain) {
    const code = fault?.why === 'changed' ? 'approval_request_changed' : 'approval_request_closed';
    const text = fault?.text ?? 'Its release was admitted.';
    return refuse(code, `${text} Promote ${short(release.commit)} to ask again.`);
  }
  const refusal = cannotCome(state, stage, release);
  if (refusal !== undefined) return refusal;
  const events: PipelineEvent[] = [];
  if (last?.status === 'open') {
    const common = { stage: stage.name, release: release.commit, requestId: last.id, at };
    events.push(
      fault?.why === 'expired'
        ? { type: 'ApprovalExpired', ...common }
        : { type: 'ApprovalVoided', ...common, reason: fault?.text ?? '' },
    );
  }
  const { revision } = state;
  events.push(openRequest(stage, release, { requestId: newId, revision, at, by: by.subject }));
  events.push(voteEvent(stage, command, newId));
  return { ok: true, value: events };
}

/** Why a release will not enter the stage without somebody promoting it. */
function cannotCome(
  state: ActivePipeline,
  stage: StageDefinition,
  release: KnownRelease,
): Decision | undefined {
  const { commit } = release;
  const name = short(commit);
  const { rollout, releases, request, approvals } = stageState(state, stage.name);
  if (rollout?.release === commit) {
    return refuse('rollout_in_progress', `${name} is rolling out already: rollout ${rollout.id}.`);
  }
  const wanted = request?.release === commit;
  if (isSettledOn(state, stage.name, commit) && !wanted) {
    return refuse('already_current', `${stage.name} runs ${name} already.`);
  }
  if (release.orphaned && !wanted) {
    return refuse('release_orphaned', `The branch does not contain ${name} any more.`);
  }
  const by = get(releases, commit)?.supersededBy;
  if (by !== undefined && !wanted) {
    const detail = `${name} was superseded by ${short(by)}: promote it by name to bring it back.`;
    return refuse('approval_request_closed', detail);
  }
  const newer = newerInStage(state, stage.name, release);
  if (newer !== undefined) {
    const detail = `${name} is older than ${short(newer.commit)}, which ${stage.name} has.`;
    return refuse('release_not_eligible', detail);
  }
  const open = [...values(approvals)].filter(({ status }) => status === 'open').length;
  return open >= requestsOpenMax
    ? refuse('too_many_approval_requests', `${open} requests of ${stage.name} wait for votes.`)
    : undefined;
}

function voteEvent(
  stage: StageDefinition,
  command: Voting,
  requestId: NewId | ApprovalRequest['id'],
) {
  const { at, release } = command;
  const by = voterOf(command.by);
  const common = { stage: stage.name, release, requestId, by, at };
  return command.type === 'approve'
    ? ({ type: 'ApprovalGiven', ...common, comment: command.comment } as const)
    : ({ type: 'ApprovalRejected', ...common, reason: command.reason } as const);
}

const voterOf = ({ subject, groups }: Person) => ({ subject, groups });

function withdraw(
  state: ActivePipeline,
  stage: StageDefinition,
  { release, by, at }: { release: KnownRelease['commit']; by: Person; at: Instant },
): Decision {
  const last = get(stageState(state, stage.name).approvals, release);
  if (last?.status === 'used') {
    return refuse('approval_request_closed', `${short(release)} was admitted to ${stage.name}.`);
  }
  if (last?.status !== 'open' || !last.votes.has(by.subject)) {
    const detail = `${by.subject} has no approval of ${short(release)} in ${stage.name}.`;
    return refuse('no_vote_to_withdraw', detail);
  }
  const common = { stage: stage.name, release, requestId: last.id };
  return { ok: true, value: [{ type: 'ApprovalWithdrawn', ...common, by: voterOf(by), at }] };
}
