import type { ClusterId, ClusterName, CommitId, RolloutId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { BypassableGate, PipelineDefinition } from '../pipeline/definition.ts';
import type { ApprovalEvent } from './approval/events.ts';
import type { MetricEvent } from './metric/events.ts';
import type { StageRefEvent } from './stage-ref/events.ts';
import type { VerificationEvent } from './verification/events.ts';

/** A commit that changes something the pipeline includes. `position` is its first-parent distance from the root. */
export type Release = {
  readonly commit: CommitId;
  readonly position: number;
  readonly subject: string;
  readonly authorName: string;
  readonly authorEmail: string;
  /** The commit's own date, shown and never compared. */
  readonly committedAt: Instant;
  /** Git's id of the folder that everything of the pipeline is in: equal trees are equal content. */
  readonly tree?: string;
  /** What the message says that it reverts; believed for display only. */
  readonly reverts?: CommitId;
  /** Stages, by the revision of the definition that it was discovered with, of whose files it changes none. */
  readonly unconcerned?: { readonly revision: number; readonly stages: readonly StageName[] };
};

/** In the order in which they are told. */
export const gateNames = [
  'order',
  'health',
  'soak',
  'verification',
  'metric',
  'status',
  'approval',
  'manual',
  'hold',
  'turn',
  'window',
  'freeze',
] as const;
export type GateName = (typeof gateNames)[number];

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
  /** It did not pass, and a person with the right, or the pipeline's own rule for reverts, let the release by. */
  readonly bypassed?: { readonly by: string; readonly reason: string };
};

/** The report that made a target count as healthy or failed: its identity, and the hub's receive time. */
export type ReportEvidence = {
  readonly agentEpoch: string;
  readonly sequence: number;
  readonly generation: number;
  readonly commit: CommitId;
  readonly receivedAt: Instant;
};

export const rolloutKinds = [
  'promotion',
  'rollback',
  'forced',
  'hotfix',
  'automatic-rollback',
] as const;
export type RolloutKind = (typeof rolloutKinds)[number];

export type RolloutFailure = {
  readonly code:
    | 'progress_deadline_exceeded'
    | 'target_failed'
    | 'no_targets'
    | 'too_many_failures'
    /** Nobody could be reached, and an offline target is never a success. */
    | 'all_targets_skipped';
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
  /**
   * The newest commit that would be a release, and is none yet: another one may follow it within the quiet period, or its
   * values do not agree (`mixed`). It takes the place of the one that was awaited before, whose changes it contains.
   */
  | { type: 'ReleaseAwaited'; release: Release; at: Instant; mixed?: string }
  /** A force-push dropped them from the branch: not promotable, still good for a rollback. */
  | { type: 'ReleasesOrphaned'; commits: readonly CommitId[]; head: CommitId }
  /** The branch contains them again. */
  | { type: 'ReleasesRestored'; commits: readonly CommitId[]; head: CommitId }
  | {
      type: 'PromotionRequested';
      stage: StageName;
      release: CommitId;
      force: boolean;
      /** Subject of the person who asked. */
      by?: string;
      hotfix?: Hotfix;
      override?: FreezeOverride;
    }
  /** A release began to wait for the stage, and nothing waited there before. */
  | {
      type: 'ReleaseWaiting';
      stage: StageName;
      release: CommitId;
      at: Instant;
      /** See the snapshot: how long it waits is counted by it. */
      watchedMs: number;
    }
  /** It keeps its place until it is admitted, has failed or cannot come any more: newer ones wait. */
  | { type: 'ReleasePinned'; stage: StageName; release: CommitId; at: Instant }
  | { type: 'ReleaseUnpinned'; stage: StageName; release: CommitId; reason: string }
  | {
      type: 'ReleaseAdmitted';
      stage: StageName;
      release: CommitId;
      rolloutId: RolloutId;
      definitionRevision: number;
      gates: readonly GateResult[];
      at?: Instant;
    }
  /** It came through the stage without a rollout: nothing is to be done there, or nothing of it changes. */
  | {
      type: 'StagePassed';
      stage: StageName;
      release: CommitId;
      reason: 'control' | 'unconcerned' | 'backfill';
      /** What the stage's targets run and go on running: the same content. Absent for a control stage. */
      sameAs?: CommitId;
      definitionRevision: number;
      gates: readonly GateResult[];
      at: Instant;
      /** See the snapshot: what the soak of the release before is counted to. */
      watchedMs: number;
    }
  | {
      type: 'RolloutStarted';
      stage: StageName;
      release: CommitId;
      rolloutId: RolloutId;
      kind: RolloutKind;
      generation: number;
      /**
       * Each batch starts when the one before has an outcome for each of its targets; together they hold every target
       * once. A plan too large for one event goes on in `RolloutExtended` events of the same append.
       */
      batches: readonly (readonly PlannedTarget[])[];
      /** Hub time. */
      at: Instant;
      /** Of the first batch, which starts with the rollout. */
      deadlineAt: Instant;
      /** Absent on logs of the first version. */
      definitionRevision?: number;
      watchedMs?: number;
      /**
       * The rollout whose targets return to what each ran before. The stage's current release stays what it was: it is
       * what `release` says, and each target's own is in the plan.
       */
      undoes?: RolloutId;
      override?: FreezeOverride;
    }
  /** The next batch may be assigned from now on. `gates` are those that are asked again for each batch. */
  | {
      type: 'BatchStarted';
      stage: StageName;
      rolloutId: RolloutId;
      /** From 1: the first one starts with the rollout. */
      batch: number;
      definitionRevision: number;
      gates: readonly GateResult[];
      at: Instant;
      deadlineAt: Instant;
    }
  /** Nothing more is assigned until it goes on; the deadline moves by as long as the pause was. */
  | { type: 'RolloutPaused'; stage: StageName; rolloutId: RolloutId; reason: string; at: Instant }
  | {
      type: 'RolloutContinued';
      stage: StageName;
      rolloutId: RolloutId;
      reason: string;
      at: Instant;
    }
  /** More targets: the rest of a large plan, or a cluster that joined while the rollout ran and takes part. */
  | {
      type: 'RolloutExtended';
      stage: StageName;
      rolloutId: RolloutId;
      targets: readonly PlannedTarget[];
      /** Absent: the last one. */
      batch?: number;
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
      cause: AssignmentCause;
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
      /** Absent on logs of the first version, and then what the target said of itself. */
      cause?: TargetFailureCause;
      evidence?: ReportEvidence;
    }
  /** It could not be reached: it counts neither as succeeded nor as failed, and follows when it returns. */
  | {
      type: 'TargetSkipped';
      stage: StageName;
      rolloutId: RolloutId;
      cluster: ClusterId;
      clusterName: ClusterName;
      message: string;
    }
  | {
      type: 'RolloutSucceeded';
      stage: StageName;
      rolloutId: RolloutId;
      release: CommitId;
      targetsSucceeded: number;
      targetsTotal: number;
      /** Those that it succeeded without, by what happened to them. */
      without?: readonly (RolloutTarget & { readonly why: 'failed' | 'skipped' })[];
      at?: Instant;
    }
  | {
      type: 'RolloutFailed';
      stage: StageName;
      rolloutId: RolloutId;
      release: CommitId;
      failure: RolloutFailure;
      at?: Instant;
    }
  /** The failure asked for an automatic rollback, and this is why there is none. */
  | {
      type: 'AutomaticRollbackDeclined';
      stage: StageName;
      rolloutId: RolloutId;
      release: CommitId;
      reason: string;
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
      /** The watched time then, see the snapshot: what soak is counted by. Absent on logs of the first version. */
      watchedMs?: number;
    }
  | { type: 'StageHeld'; stage: StageName; reason: string; automatic: boolean }
  | {
      type: 'StageResumed';
      stage: StageName;
      reason: string;
      /** A newer release came past the hold of a rollback by its policy; what was rolled back does not come again. */
      automatic?: boolean;
    }
  | ApprovalEvent
  | VerificationEvent
  | MetricEvent
  | StageRefEvent;

/** Gates that a person with the right named, for one release and stage. */
export type Hotfix = {
  readonly bypass: readonly BypassableGate[];
  readonly by: string;
  readonly reason: string;
};

/** Lets one request go on in spite of the freezes and closed windows of its moment. */
export type FreezeOverride = {
  readonly by: string;
  readonly reason: string;
  /** Freezes that were declared later are not meant. */
  readonly at?: Instant;
};

/** `not-reached`: the rollout that assigned it ended badly before its agent could be reached, so it keeps what it runs. */
export type AssignmentCause =
  | 'rollout'
  | 'late-join'
  | 'definition-changed'
  | 'prune-confirmed'
  | 'not-reached';

/** What the target said, or that it said nothing good until the deadline, or that it could not be reached until then. */
export type TargetFailureCause = 'reported' | 'deadline' | 'offline';

export type WithdrawalCause =
  | 'unmatched'
  | 'cluster-removed'
  | 'pipeline-removed'
  | 'stage-removed';

export type RolloutTarget = { readonly cluster: ClusterId; readonly clusterName: ClusterName };

export type PlannedTarget = RolloutTarget & {
  /** What it ran before, and what a rollback of this rollout returns it to. */
  readonly previous?: CommitId;
  /** What it is to run, where that is not the rollout's release: in a rollback each goes back to its own. */
  readonly release?: CommitId;
};
