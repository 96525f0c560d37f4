import type { ClusterId, ClusterName, CommitId, RolloutId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { PipelineDefinition } from '../pipeline/definition.ts';

/** A commit that changes something the pipeline includes. `position` is its first-parent distance from the root. */
export type Release = {
  readonly commit: CommitId;
  readonly position: number;
  readonly subject: string;
  readonly authorName: string;
  readonly authorEmail: string;
  /** The commit's own date, shown and never compared. */
  readonly committedAt: Instant;
};

export type GateName = 'order' | 'health' | 'soak' | 'manual' | 'hold';

/** What a gate said for one release and stage, on the snapshot of an admission. */
export type GateResult = {
  readonly gate: GateName;
  readonly passed: boolean;
  /** In words: what was seen, or what is missing and who or what clears it. */
  readonly detail: string;
  /** When the gate is expected to pass by itself. */
  readonly clearsAt?: Instant;
  /** What the gate looked at: rollout ids, report positions, times, the person who promoted. */
  readonly evidence: Readonly<Record<string, string | number | boolean>>;
};

/** The report that made a target count as healthy or failed: its identity, and the hub's receive time. */
export type ReportEvidence = {
  readonly agentEpoch: string;
  readonly sequence: number;
  readonly generation: number;
  readonly commit: CommitId;
  readonly receivedAt: Instant;
};

export type RolloutKind = 'promotion' | 'rollback' | 'forced';

export type RolloutFailure = {
  readonly code: 'progress_deadline_exceeded' | 'target_failed' | 'no_targets';
  /** For a person: names the clusters and what each said last. */
  readonly message: string;
};

/**
 * Everything that happens to one pipeline, in one stream (`pipeline/<name>`), so that one conditional append
 * decides between any two writers.
 */
export type PipelineEvent =
  | { type: 'PipelineDefined'; revision: number; definition: PipelineDefinition }
  | { type: 'PipelineRemoved' }
  /** Newest last. */
  | { type: 'ReleasesDiscovered'; releases: readonly Release[] }
  /** A force-push dropped them from the branch: not promotable, still good for a rollback. */
  | { type: 'ReleasesOrphaned'; commits: readonly CommitId[]; head: CommitId }
  /** The branch contains them again. */
  | { type: 'ReleasesRestored'; commits: readonly CommitId[]; head: CommitId }
  | { type: 'PromotionRequested'; stage: StageName; release: CommitId; force: boolean }
  | {
      type: 'ReleaseAdmitted';
      stage: StageName;
      release: CommitId;
      rolloutId: RolloutId;
      definitionRevision: number;
      gates: readonly GateResult[];
    }
  | {
      type: 'RolloutStarted';
      stage: StageName;
      release: CommitId;
      rolloutId: RolloutId;
      kind: RolloutKind;
      generation: number;
      /** Each batch starts when the one before has succeeded; together they hold every target once. */
      batches: readonly (readonly RolloutTarget[])[];
      /** Hub time. */
      at: Instant;
      deadlineAt: Instant;
    }
  | {
      /** State that the target must reach, outside (late join, withdrawal) or inside a rollout. */
      type: 'TargetAssigned';
      stage: StageName;
      cluster: ClusterId;
      clusterName: ClusterName;
      release: CommitId;
      generation: number;
      /** Resolved for this cluster. */
      path: string;
      definitionRevision: number;
      cause: 'rollout' | 'late-join' | 'definition-changed' | 'prune-confirmed';
      /** Hub time: only a report received later is evidence. */
      at: Instant;
      rolloutId?: RolloutId;
      /** The generation whose held prune a person confirmed, and exactly which set of objects. */
      confirmedPruneGeneration?: number;
      confirmedPruneDigest?: string;
      confirmedPruneObjects?: number;
    }
  /** The target leaves the stage: its objects stay (`orphan`), or are deleted by an explicit order (`delete`). */
  | {
      type: 'TargetWithdrawn';
      stage: StageName;
      cluster: ClusterId;
      clusterName: ClusterName;
      generation: number;
      disposition: 'orphan' | 'delete';
      cause: WithdrawalCause | 'deletion-ordered' | 'deletion-expired';
      /** Hub time; the age of an order to delete is counted from it. */
      at?: Instant;
      /** How many objects the person was told who ordered the deletion: a unit with more is held. */
      objectsMax?: number;
      reason?: string;
    }
  /** The agent has carried out the order to delete; `message` says what stayed behind, if anything did. */
  | {
      type: 'TargetDeleted';
      stage: StageName;
      cluster: ClusterId;
      clusterName: ClusterName;
      generation: number;
      message: string;
    }
  /** So many targets would leave the stage at once that a person must say that it is meant; they stay until then. */
  | {
      type: 'WithdrawalHeld';
      stage: StageName;
      targets: readonly RolloutTarget[];
      /** Of the stage, the held ones included. */
      targetsTotal: number;
      cause: WithdrawalCause;
    }
  | { type: 'WithdrawalConfirmed'; stage: StageName; targets: readonly RolloutTarget[] }
  /** The targets belong to the stage again, or so few would leave that nobody needs to be asked. */
  | { type: 'WithdrawalReleased'; stage: StageName }
  | {
      type: 'TargetSucceeded';
      stage: StageName;
      rolloutId: RolloutId;
      cluster: ClusterId;
      clusterName: ClusterName;
      evidence: ReportEvidence;
    }
  | {
      type: 'TargetFailed';
      stage: StageName;
      rolloutId: RolloutId;
      cluster: ClusterId;
      clusterName: ClusterName;
      message: string;
      evidence?: ReportEvidence;
    }
  | {
      type: 'RolloutSucceeded';
      stage: StageName;
      rolloutId: RolloutId;
      release: CommitId;
      targetsSucceeded: number;
      targetsTotal: number;
    }
  | {
      type: 'RolloutFailed';
      stage: StageName;
      rolloutId: RolloutId;
      release: CommitId;
      failure: RolloutFailure;
    }
  /** A person or a rollback ended it before its end; targets keep what they were assigned. */
  | {
      type: 'RolloutAborted';
      stage: StageName;
      rolloutId: RolloutId;
      release: CommitId;
      reason: string;
    }
  /** A newer release took its place before it was admitted to the stage. */
  | { type: 'ReleaseSuperseded'; stage: StageName; release: CommitId; by: CommitId }
  /** Whether the stage's current release is healthy on all targets, for soak: written on each change only. */
  | {
      type: 'StageHealthChanged';
      stage: StageName;
      release: CommitId;
      health: 'healthy' | 'unhealthy' | 'unknown';
      message: string;
      /** Hub time, from which soak is counted. */
      at: Instant;
    }
  | { type: 'StageHeld'; stage: StageName; reason: string; automatic: boolean }
  | { type: 'StageResumed'; stage: StageName; reason: string };

export type WithdrawalCause =
  | 'unmatched'
  | 'cluster-removed'
  | 'pipeline-removed'
  | 'stage-removed';

export type RolloutTarget = { readonly cluster: ClusterId; readonly clusterName: ClusterName };
