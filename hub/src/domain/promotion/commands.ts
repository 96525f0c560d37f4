import type { ClusterId, ClusterName, CommitId, RolloutId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { PipelineDefinition } from '../pipeline/definition.ts';
import type { Release } from './events.ts';

/** A cluster as the hub knows it now. */
export type ClusterSnapshot = {
  readonly id: ClusterId;
  readonly name: ClusterName;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: 'pending' | 'connected' | 'offline' | 'revoked' | 'quarantined';
  readonly lastSeenAt?: Instant;
};

/** The newest report of one target. Counts as evidence only if generation and commit equal the assignment. */
export type TargetReport = {
  readonly stage: StageName;
  readonly cluster: ClusterId;
  readonly agentEpoch: string;
  readonly sequence: number;
  readonly generation: number;
  readonly commit: CommitId;
  readonly phase:
    | 'accepted'
    | 'fetching'
    | 'rendering'
    | 'applying'
    | 'waiting'
    | 'pruning'
    | 'prune-held'
    | 'settled'
    | 'failed'
    | 'orphaned'
    | 'deleted';
  readonly health: 'healthy' | 'progressing' | 'degraded' | 'suspended' | 'missing' | 'unknown';
  readonly message: string;
  /** A failure that the same commit cannot outgrow. */
  readonly terminal: boolean;
  readonly receivedAt: Instant;
  readonly objectsTotal: number;
  /** Of a held prune: how many objects it would delete, and a name for exactly this set. */
  readonly pruneHeldObjects: number;
  readonly pruneHeldDigest: string;
};

/** Everything outside the pipeline's stream that a decision may look at, taken at one moment. */
export type Snapshot = {
  /** Hub time of the snapshot. */
  readonly at: Instant;
  readonly clusters: readonly ClusterSnapshot[];
  /** Of this pipeline only. */
  readonly reports: readonly TargetReport[];
};

/** Commands carry the ids that a decision may need, so that the core makes none: unused ones are dropped. */
export type PipelineCommand =
  | { type: 'define-pipeline'; definition: PipelineDefinition }
  | { type: 'remove-pipeline' }
  /**
   * The releases of the branch in first-parent order, oldest first, as far as the walk went: `releases` are the new
   * ones; `onBranch` are all known or new releases that the branch contains.
   */
  | {
      type: 'record-branch';
      head: CommitId;
      releases: readonly Release[];
      onBranch: readonly CommitId[];
    }
  /** Moves everything that can move: admissions, rollouts, target outcomes, deadlines, late joiners. */
  | { type: 'advance'; snapshot: Snapshot; newRolloutIds: readonly RolloutId[] }
  /** Without a release: the newest one that waits for the stage. */
  | {
      type: 'promote';
      stage: StageName;
      release?: CommitId;
      force: boolean;
      at: Instant;
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
      newRolloutId: RolloutId;
    }
  | { type: 'abort-rollout'; stage: StageName; reason: string }
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
    };

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
    | 'repository_changed';
  readonly detail: string;
};
