import type { ApprovalRequestId, CommitId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { Voter } from './events.ts';

/** The newest request of one release in one stage. */
export type ApprovalRequest = {
  readonly id: ApprovalRequestId;
  readonly release: CommitId;
  readonly status: 'open' | 'rejected' | 'expired' | 'voided' | 'used';
  readonly definitionRevision: number;
  readonly requestedAt: Instant;
  readonly expiresAt?: Instant;
  /** By subject; a withdrawn vote is gone. */
  readonly votes: ReadonlyMap<string, Vote>;
  /** Of the rejection, expiry or voiding. */
  readonly message?: string;
};

export type Vote = { readonly by: Voter; readonly comment: string; readonly at: Instant };
