import type { ApprovalRequestId, CommitId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';

/** A request is about one release in one stage; a vote names it, so that it can be for nothing else. */
type Of = {
  readonly stage: StageName;
  readonly release: CommitId;
  readonly requestId: ApprovalRequestId;
};

/** A person as the hub knew them when they voted. */
export type Voter = { readonly subject: string; readonly groups: readonly string[] };

export type ApprovalEvent =
  | (Of & {
      type: 'ApprovalRequested';
      /** Of the definition whose words were approved. */
      definitionRevision: number;
      at: Instant;
      /** Absent: never. */
      expiresAt?: Instant;
      /** Subject of the person who asked, where it was not the hub. */
      by?: string;
    })
  | (Of & { type: 'ApprovalGiven'; by: Voter; comment: string; at: Instant })
  | (Of & { type: 'ApprovalWithdrawn'; by: Voter; at: Instant })
  /** One rejection ends the request. */
  | (Of & { type: 'ApprovalRejected'; by: Voter; reason: string; at: Instant })
  | (Of & { type: 'ApprovalExpired'; at: Instant })
  /** The release was superseded, or what was approved has changed. */
  | (Of & { type: 'ApprovalVoided'; reason: string; at: Instant });
