import type { ApprovalRequestId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../../pipeline/definition.ts';
import type { KnownRelease } from '../state.ts';
import type { ApprovalEvent } from './events.ts';

/** A request about one release by the definition that is in force. `by` is the person who asked again. */
export function openRequest(
  stage: StageDefinition,
  release: KnownRelease,
  about: { requestId: ApprovalRequestId; revision: number; at: Instant; by?: string },
): ApprovalEvent {
  const { requestId, revision: definitionRevision, at, by } = about;
  const expiresAfterMs = stage.gates.approvals?.expiresAfterMs ?? 0;
  return {
    type: 'ApprovalRequested',
    stage: stage.name,
    release: release.commit,
    requestId,
    definitionRevision,
    at,
    ...(expiresAfterMs === 0 ? {} : { expiresAt: at + expiresAfterMs }),
    ...(by === undefined ? {} : { by }),
  };
}
