import type {
  ApprovalRequestId,
  ClusterId,
  ClusterName,
  CommitId,
  NewId,
  StageName,
} from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { Person } from '../hub/index.ts';
import type { BypassableGate, PipelineDefinition } from '../pipeline/definition.ts';
import type { Release } from './events.ts';
import type { Snapshot } from './snapshot.ts';
import type { StageRefOutcome } from './stage-ref/events.ts';

/** A commit that changes what the pipeline includes; with `mixed` its values do not agree, and it is no release. */
export type FoundRelease = Release & { readonly mixed?: string };

/** Commands carry the ids that a decision may need, so that the core makes none: unused ones are dropped. */
export type PipelineCommand =
  /** `by` is absent where the hub itself defines it, from its protected repository. */
  | { type: 'define-pipeline'; definition: PipelineDefinition; by?: Person }
  | { type: 'remove-pipeline' }
  /**
   * The releases of the branch in first-parent order, oldest first, as far as the walk went: `releases` are the new
   * ones, with what does not agree in them; `onBranch` are all known or new releases that the branch contains.
   */
  | {
      type: 'record-branch';
      head: CommitId;
      releases: readonly FoundRelease[];
      onBranch: readonly CommitId[];
      /** When the hub received them: a quiet period counts from it. */
      at: Instant;
    }
  /** Moves everything that can move: admissions, rollouts, target outcomes, deadlines, late joiners. */
  | { type: 'advance'; snapshot: Snapshot; newIds: readonly NewId[] }
  /** Without a release: what the stage would take next, which is what keeps its place or else the newest. */
  | {
      type: 'promote';
      stage: StageName;
      release?: CommitId;
      force: boolean;
      at: Instant;
      by?: Person;
      /** Gates to be passed without, which the stage's hotfix policy must allow. */
      hotfix?: { readonly bypass: readonly BypassableGate[]; readonly reason: string };
      /** Lets the request go on in spite of freezes and closed windows. */
      overrideReason?: string;
      /** For a request for approvals, where the last one has ended without them. */
      newId?: NewId;
    }
  /** Without a request id: the open request of the release, or a new one with `newId`. */
  | {
      type: 'approve';
      stage: StageName;
      release: CommitId;
      requestId?: ApprovalRequestId;
      by: Person;
      comment: string;
      at: Instant;
      newId: NewId;
    }
  | {
      type: 'reject';
      stage: StageName;
      release: CommitId;
      requestId?: ApprovalRequestId;
      by: Person;
      reason: string;
      at: Instant;
      newId: NewId;
    }
  | {
      type: 'withdraw-approval';
      stage: StageName;
      release: CommitId;
      by: Person;
      at: Instant;
    }
  | { type: 'pause-rollout'; stage: StageName; reason: string; at: Instant }
  | { type: 'continue-rollout'; stage: StageName; reason: string; at: Instant }
  /** Runs verifications, or one of them by name, again. Without a release: what waits for the stage. */
  | {
      type: 'verify';
      stage: StageName;
      name?: string;
      release?: CommitId;
      by: Person;
      snapshot: Snapshot;
      newIds: readonly NewId[];
    }
  | { type: 'hold-stage'; stage: StageName; reason: string }
  | { type: 'resume-stage'; stage: StageName; reason: string }
  /** Without a release: the last one that succeeded in the stage before the current one. */
  | {
      type: 'rollback';
      stage: StageName;
      release?: CommitId;
      reason: string;
      snapshot: Snapshot;
      newId: NewId;
      by?: Person;
      overrideReason?: string;
    }
  /** `rollback` returns what it has reached to what each target ran before. */
  | {
      type: 'abort-rollout';
      stage: StageName;
      reason: string;
      rollback?: { readonly snapshot: Snapshot; readonly newId: NewId };
    }
  | {
      type: 'confirm-prune';
      stage: StageName;
      cluster: ClusterId;
      clusterName: ClusterName;
      generation: number;
      /** The held set that the person was shown. */
      digest: string;
      snapshot: Snapshot;
    }
  /** The second order after a removal: what was left in place is deleted. Without a stage or cluster: everywhere. */
  | {
      type: 'delete-objects';
      inStage?: StageName;
      cluster?: ClusterId;
      /** How many objects the person was told. */
      objects: number;
      reason: string;
      snapshot: Snapshot;
    }
  /** `clusters` are the names that the person was shown. */
  | {
      type: 'confirm-withdrawal';
      stage: StageName;
      clusters: readonly string[];
      reason: string;
      at: Instant;
    }
  /** What the hub did or saw at the remote; what is on record already is no event. */
  | {
      type: 'record-stage-ref';
      stage: StageName;
      ref: string;
      commit: CommitId;
      outcome: StageRefOutcome;
      at: Instant;
    }
  /** A person lets the hub push over exactly this commit, which it did not make. */
  | { type: 'overwrite-stage-ref'; stage: StageName; found: CommitId; reason: string };

/** Why a command was refused: data with a closed set of codes; `detail` is for a person. */
export type PipelineRejection = {
  readonly code:
    | 'pipeline_not_defined'
    | 'pipeline_already_removed'
    | 'stage_not_found'
    | 'release_not_found'
    | 'release_orphaned'
    | 'release_not_eligible'
    | 'nothing_to_promote'
    | 'already_current'
    | 'rollout_in_progress'
    | 'stage_already_held'
    | 'stage_not_held'
    | 'no_release_to_roll_back_to'
    | 'no_rollout_to_abort'
    | 'no_prune_to_confirm'
    | 'prune_has_changed'
    | 'nothing_to_delete'
    | 'too_many_targets'
    | 'objects_have_changed'
    | 'no_withdrawal_to_confirm'
    | 'withdrawal_has_changed'
    | 'repository_changed'
    | 'stage_frozen'
    | 'permission_missing'
    | 'gate_not_bypassable'
    | 'no_approvals_asked'
    | 'approval_request_changed'
    | 'approval_request_closed'
    | 'too_many_approval_requests'
    | 'approver_not_allowed'
    | 'already_approved'
    | 'no_vote_to_withdraw'
    | 'rollout_not_running'
    | 'rollout_already_paused'
    | 'rollout_not_paused'
    | 'no_verification'
    | 'verification_running'
    | 'no_stage_ref_to_overwrite';
  readonly detail: string;
};
