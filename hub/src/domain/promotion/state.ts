import type { ClusterId, ClusterName, CommitId, RolloutId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { PipelineDefinition } from '../pipeline/definition.ts';
import type { ApprovalRequest } from './approval/state.ts';
import type {
  AssignmentCause,
  FreezeOverride,
  Hotfix,
  PlannedTarget,
  Release,
  ReportEvidence,
  RolloutFailure,
  RolloutKind,
  RolloutTarget,
  TargetFailureCause,
  WithdrawalCause,
} from './events.ts';
import type { MetricAnalysis } from './metric/state.ts';
import { emptyMap, type PersistentMap } from './persistent-map.ts';
import type { StageRef } from './stage-ref/state.ts';
import type { SoakTotals } from './stay.ts';
import type { VerificationRun } from './verification/state.ts';

/** Everything that the decisions of one pipeline look at, folded from its stream. */
export type PipelineState = UndefinedPipeline | ActivePipeline | RemovedPipeline;

export type UndefinedPipeline = { readonly status: 'undefined' };

export type ActivePipeline = PipelineHistory & {
  readonly status: 'active';
  readonly definition: PipelineDefinition;
};

/** Its targets leave one by one; nothing else happens to it. */
export type RemovedPipeline = PipelineHistory & { readonly status: 'removed' };

export type PipelineHistory = {
  readonly revision: number;
  /** Each revision of the definition that was ever in force, for what still runs by an older one. */
  readonly definitions: ReadonlyMap<number, PipelineDefinition>;
  /** The newest generation that any target of the pipeline was given; it only grows. */
  readonly generation: number;
  /** By position, oldest first. */
  readonly releases: readonly KnownRelease[];
  /** The newest commit that would be a release, and why it is none yet. */
  readonly awaited?: AwaitedRelease;
  /** Stages that the definition names or named, in the order of their appearance. */
  readonly stages: ReadonlyMap<StageName, StageState>;
};

export type AwaitedRelease = {
  readonly release: Release;
  /** When the hub received it. */
  readonly at: Instant;
  /** Which values of it do not agree, in words: only a newer commit can bring them together. */
  readonly mixed?: string;
};

export type KnownRelease = Release & { readonly orphaned: boolean };

export type StageState = {
  /** The last release that succeeded here: what a late joiner gets and a rollback goes back to. */
  readonly current?: SucceededRelease;
  /** Successes in their order, newest last. */
  readonly history: readonly SucceededRelease[];
  readonly rollout?: ActiveRollout;
  readonly lastRollout?: EndedRollout;
  /** What became of each release that came to this stage. */
  readonly releases: PersistentMap<CommitId, StageRelease>;
  /** What a person asked for and has not been admitted yet. */
  readonly request?: PromotionRequest;
  /** What waits here since the stage had nothing more to take. */
  readonly waiting?: {
    readonly release: CommitId;
    readonly since: Instant;
    readonly sinceWatchedMs: number;
  };
  /** What keeps its place until it is admitted or cannot come any more. */
  readonly pinned?: CommitId;
  /** The newest request for approvals of each release. */
  readonly approvals: PersistentMap<CommitId, ApprovalRequest>;
  /** Oldest first; the newest of a name, release and cluster counts. */
  readonly verifications: readonly VerificationRun[];
  /** Oldest first; the newest of a name and release counts. */
  readonly analyses: readonly MetricAnalysis[];
  readonly hold?: { readonly reason: string; readonly automatic: boolean };
  /** The stay of the current release, from its success until another rollout starts. */
  readonly stay?: Stay;
  readonly targets: PersistentMap<ClusterId, TargetState>;
  /** Former targets whose objects are left in place, or are being deleted by an order. */
  readonly withdrawn: PersistentMap<ClusterId, WithdrawnTarget>;
  /** Targets that would leave and wait for a person. */
  readonly heldWithdrawal?: HeldWithdrawal;
  /** What Git tells of the stage; absent before the first push. */
  readonly ref?: StageRef;
};

export type WithdrawnTarget = RolloutTarget & {
  readonly generation: number;
  readonly disposition: 'orphan' | 'delete';
  /** Of the order to delete that is out, or of the one that expired. */
  readonly orderedAt?: Instant;
};

export type HeldWithdrawal = {
  readonly targets: readonly RolloutTarget[];
  readonly targetsTotal: number;
  readonly cause: WithdrawalCause;
};

export type PromotionRequest = {
  readonly release: CommitId;
  readonly force: boolean;
  readonly by?: string;
  readonly hotfix?: Hotfix;
  readonly override?: FreezeOverride;
};

export type SucceededRelease = {
  readonly release: CommitId;
  /** Absent when it passed without a rollout. */
  readonly rolloutId?: RolloutId;
  /** What the targets run, where that is another release with the same content for this stage. */
  readonly runs?: CommitId;
  /** From the start of its rollout to its success, where the log tells both. */
  readonly durationMs?: number;
};

export type StageRelease = {
  readonly outcome: 'running' | 'succeeded' | 'failed' | 'aborted' | 'rolled-back' | 'superseded';
  readonly supersededBy?: CommitId;
  readonly failure?: RolloutFailure;
  /** Of the longest healthy stay that is over and ended healthy: stays are never added up. */
  readonly soaked?: SoakTotals;
  /** How the last stay ended, if it has. */
  readonly leftHealthy: boolean;
  /** Set where it was unhealthy then: not healthy may also be that nobody could see it. */
  readonly leftUnhealthy?: boolean;
  /** Rollouts of it that failed here without a person having asked for them. */
  readonly failures?: number;
  readonly failedAt?: Instant;
  /** Later stages had it before this stage was put in between: their gates look at the stages before this one. */
  readonly backfilled?: boolean;
  /** It was undone by itself once, and is not again. */
  readonly automaticallyRolledBack?: boolean;
};

export type Stay = {
  readonly release: CommitId;
  /** Absent until the first look after the success. */
  readonly health?: 'healthy' | 'unhealthy' | 'unknown';
  readonly message: string;
  /** Healthy time before `healthySince`. */
  readonly soaked: SoakTotals;
  /** Of watched time, see the snapshot. */
  readonly healthySince?: number;
  /** Hub time: when the release entered the stage, and since when it is healthy there without a break. For people. */
  readonly enteredAt?: Instant;
  readonly healthyAt?: Instant;
};

export type ActiveRollout = {
  readonly id: RolloutId;
  readonly release: CommitId;
  readonly kind: RolloutKind;
  /** Of the definition, for as long as the rollout runs. */
  readonly revision: number;
  readonly generation: number;
  readonly startedAt: Instant;
  /** Of the batch that runs. */
  readonly deadlineAt: Instant;
  /** In the order of the plan; a target that leaves the stage leaves the plan. */
  readonly targets: readonly PlannedTarget[];
  /** The same by batches, of which those up to `batch` have started. */
  readonly batches: readonly (readonly PlannedTarget[])[];
  readonly batch: number;
  readonly outcomes: PersistentMap<ClusterId, TargetOutcome>;
  readonly paused?: { readonly reason: string; readonly at: Instant };
  /** Pauses that are over, oldest first: no deadline runs in them. */
  readonly pauses: readonly { readonly from: Instant; readonly to: Instant }[];
  readonly undoes?: RolloutId;
  readonly override?: FreezeOverride;
};

export type TargetOutcome =
  | { readonly outcome: 'succeeded'; readonly evidence: ReportEvidence }
  | { readonly outcome: 'failed'; readonly message: string; readonly cause: TargetFailureCause }
  | { readonly outcome: 'skipped'; readonly message: string };

export type EndedRollout = {
  readonly id: RolloutId;
  readonly release: CommitId;
  readonly kind: RolloutKind;
  readonly outcome: 'succeeded' | 'failed' | 'aborted';
  readonly message: string;
  /** Of the definition that it ran with. */
  readonly revision: number;
  readonly startedAt: Instant;
  readonly targets: readonly PlannedTarget[];
  readonly batches: readonly (readonly PlannedTarget[])[];
  readonly batch: number;
  readonly outcomes: PersistentMap<ClusterId, TargetOutcome>;
  /** Why its failure led to no automatic rollback. */
  readonly rollbackDeclined?: string;
  readonly undoes?: RolloutId;
};

/** What a cluster was last told to run in a stage. */
export type TargetState = {
  readonly cluster: ClusterId;
  readonly clusterName: ClusterName;
  readonly release: CommitId;
  readonly generation: number;
  readonly path: string;
  readonly revision: number;
  readonly cause: AssignmentCause;
  readonly assignedAt: Instant;
  readonly rolloutId?: RolloutId;
  readonly confirmedPruneGeneration?: number;
  readonly confirmedPruneDigest?: string;
};

export const initialPipelineState: PipelineState = { status: 'undefined' };

export const emptyStage: StageState = {
  history: [],
  releases: emptyMap(),
  approvals: emptyMap(),
  verifications: [],
  analyses: [],
  targets: emptyMap(),
  withdrawn: emptyMap(),
};

export const stageState = (state: PipelineHistory, stage: StageName): StageState =>
  state.stages.get(stage) ?? emptyStage;

export const releaseOf = (state: PipelineHistory, commit: CommitId): KnownRelease | undefined =>
  state.releases.find((release) => release.commit === commit);

/** A commit id as people write it. */
export const short = (commit: CommitId): string => commit.slice(0, 8);
