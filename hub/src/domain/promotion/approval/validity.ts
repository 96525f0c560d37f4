import type { CommitId } from '@fairlead/shared/ids';
import { formatInstant, type Instant } from '@fairlead/shared/time';
import type { PipelineDefinition, StageDefinition } from '../../pipeline/definition.ts';
import { stageNamed } from '../../pipeline/index.ts';
import { get } from '../persistent-map.ts';
import { type ActivePipeline, type StageState, stageState } from '../state.ts';
import type { ApprovalRequest } from './state.ts';

/** Why a request admits nothing, whatever its votes are. `text` is a sentence. */
export type RequestFault = {
  readonly why: 'rejected' | 'expired' | 'voided' | 'used' | 'changed';
  readonly text: string;
};

/** Nothing for a request that may be voted on and counts. */
export function requestFault(
  state: ActivePipeline,
  stage: StageDefinition,
  request: ApprovalRequest,
  at: Instant,
): RequestFault | undefined {
  const { status, message = '', expiresAt } = request;
  switch (status) {
    case 'rejected':
      return { why: 'rejected', text: `It was rejected by ${message}.` };
    case 'voided':
      return { why: 'voided', text: `The request became void: ${message}.` };
    case 'expired':
      return { why: 'expired', text: expiryText(expiresAt) };
    case 'used':
      if (!isTriedAgain(stageState(state, stage.name), request.release)) {
        return { why: 'used', text: 'Its approvals were for an earlier admission.' };
      }
      break;
    case 'open':
      break;
  }
  if (expiresAt !== undefined && at >= expiresAt) {
    return { why: 'expired', text: expiryText(expiresAt) };
  }
  const changes = changesSince(state, stage, request);
  if (changes.length === 0) return undefined;
  return {
    why: 'changed',
    text: `What was approved has changed since: ${changes.join(', ')} of ${stage.name}.`,
  };
}

const expiryText = (expiresAt: Instant | undefined): string =>
  `The request for approvals expired${expiresAt === undefined ? '' : ` at ${formatInstant(expiresAt)}`}.`;

/** The hub tries a failed release again by itself: people approved that release, and nothing else has happened. */
const isTriedAgain = (inStage: StageState, release: CommitId): boolean =>
  inStage.request?.release !== release && get(inStage.releases, release)?.outcome === 'failed';

/**
 * What the stage does with a release, and who has to approve it, as far as it differs from what the request was opened
 * with. A change that turns `strict` off is a change as well, so that it cannot hide another.
 */
export function changesSince(
  state: ActivePipeline,
  stage: StageDefinition,
  request: ApprovalRequest,
): string[] {
  const { definitionRevision: revision } = request;
  if (revision === state.revision) return [];
  const before = state.definitions.get(revision);
  const former = stageNamed(before, stage.name);
  if (before === undefined || former === undefined) return ['the definition'];
  if (!former.gates.approvals?.strict && !stage.gates.approvals?.strict) return [];
  const [then, now] = [bound(before, former), bound(state.definition, stage)];
  return Object.keys(now).filter((key) => then[key] !== now[key]);
}

const bound = (
  { repository }: PipelineDefinition,
  { path, render, apply, clusters, gates }: StageDefinition,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ path, render, apply, clusters, approvals: gates.approvals, repository }).map(
      ([key, value]) => [key, JSON.stringify(value) ?? ''],
    ),
  );

/** When open requests of the stage expire: time alone changes them. */
export const expiries = (open: Iterable<ApprovalRequest>): Instant[] =>
  [...open].flatMap(({ status, expiresAt }) => (status === 'open' ? (expiresAt ?? []) : []));
