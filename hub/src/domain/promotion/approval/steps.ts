import { bypassOf } from '../bypass.ts';
import { nextCandidate, requestedRelease } from '../candidate.ts';
import type { PipelineEvent } from '../events.ts';
import { get, values } from '../persistent-map.ts';
import { type KnownRelease, releaseOf, short, stageState } from '../state.ts';
import type { Step } from '../step.ts';
import { requestsOpenMax } from './limits.ts';
import { openRequest } from './open.ts';
import type { ApprovalRequest } from './state.ts';
import { changesSince, requestFault } from './validity.ts';

type Of = {
  state: Parameters<Step>[0];
  stage: Parameters<Step>[1];
  waiting: readonly KnownRelease[];
};

/**
 * Ends requests that have expired or whose release or stage is not what was asked about, and opens one for what waits:
 * what a person asked for, and what comes by itself. What expired or was rejected is not asked again by itself, or a stage would ask for ever: a person does.
 */
export const approvalSteps: Step = (state, stage, { fleet, newIds }) => {
  const { approvals } = stageState(state, stage.name);
  const waiting = [requestedRelease(state, stage), nextCandidate(state, stage, fleet.at).release];
  const of = { state, stage, waiting: waiting.filter((release) => release !== undefined) };
  for (const request of values(approvals)) {
    if (request.status !== 'open') continue;
    const { release, id: requestId, expiresAt } = request;
    const common = { stage: stage.name, release, requestId, at: fleet.at };
    const reason = voidReason(of, request);
    if (reason !== undefined) return [{ type: 'ApprovalVoided', ...common, reason }];
    if (expiresAt !== undefined && fleet.at >= expiresAt) {
      return [{ type: 'ApprovalExpired', ...common }];
    }
  }
  const [requestId] = newIds;
  const release = of.waiting.find((one) => asksNow(of, one, fleet.at));
  if (release === undefined || requestId === undefined) return [];
  const about = { requestId, revision: state.revision, at: fleet.at };
  const event: PipelineEvent = openRequest(stage, release, about);
  return [event];
};

/** Why an open request is about nothing any more. */
function voidReason({ state, stage, waiting }: Of, request: ApprovalRequest): string | undefined {
  if (stage.gates.approvals === undefined) return `${stage.name} asks for no approvals any more`;
  const changes = changesSince(state, stage, request);
  if (changes.length > 0) return `${changes.join(', ')} of ${stage.name} changed`;
  const { release } = request;
  // What a person asks for comes, whatever took its place before.
  if (waiting.some(({ commit }) => commit === release)) return undefined;
  const mark = get(stageState(state, stage.name).releases, release);
  if (mark?.outcome === 'superseded') {
    return `superseded by ${mark.supersededBy ? short(mark.supersededBy) : 'another release'}`;
  }
  return releaseOf(state, release)?.orphaned
    ? `the branch does not contain ${short(release)} any more`
    : undefined;
}

function asksNow({ state, stage }: Of, release: KnownRelease, at: number): boolean {
  const inStage = stageState(state, stage.name);
  const { approvals, request: promotion } = inStage;
  if (stage.gates.approvals === undefined) return false;
  // Until somebody wants it, a release does not wait for a stage that is promoted by hand.
  if (stage.promote === 'manual' && promotion?.release !== release.commit) return false;
  if (bypassOf({ state, stage, inStage, release }, 'approval') !== undefined) return false;
  const open = [...values(approvals)].filter(({ status }) => status === 'open');
  if (open.length >= requestsOpenMax) return false;
  const last = get(approvals, release.commit);
  if (last === undefined || last.status === 'voided') return true;
  return last.status === 'used' && requestFault(state, stage, last, at) !== undefined;
}
