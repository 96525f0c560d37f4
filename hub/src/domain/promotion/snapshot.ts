import type { ClusterId, ClusterName, CommitId, RunId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { DeclaredFreeze } from '../freeze/index.ts';
import type { Person } from '../hub/index.ts';
import type { RunOutcome } from './verification/events.ts';

/** A cluster as the hub knows it now. */
export type ClusterSnapshot = {
  readonly id: ClusterId;
  readonly name: ClusterName;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: 'pending' | 'connected' | 'offline' | 'revoked' | 'quarantined';
  readonly lastSeenAt?: Instant;
  /** Hub time since which it has this status. */
  readonly statusSince?: Instant;
  readonly agentVersion?: string;
  /** What its agent can do beyond the protocol's first version; absent: it has not said since the hub started. */
  readonly features?: readonly string[];
};

/** The word of an agent that runs Jobs of verifications. */
export const verificationsFeature = 'verifications';

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
  /** Hub time since which every report of this generation was healthy; absent while it is not. */
  readonly healthySince?: Instant;
  /** How often it has stopped being healthy in this generation. */
  readonly healthBreaks?: number;
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
  /**
   * Milliseconds that hubs have watched, added up: it only grows, survives restarts, and grows by no more than one tick
   * over any gap, whatever the clock does. Soak is counted by it.
   */
  readonly watchedMs: number;
  /** In force at `at`, anywhere on the hub. */
  readonly freezes: readonly DeclaredFreeze[];
  /** When time alone begins or ends the next freeze: a decision on this snapshot must be on record before. */
  readonly freezesChangeAt?: Instant;
  /** Of the stream of freezes when they were read; a decision counts only if nothing was added to it since. */
  readonly freezesVersion?: number;
  /** Who may vote, by what the hub knows of them now. */
  readonly people: readonly Person[];
  /** What CI said of commits that are releases of this pipeline. */
  readonly statuses: readonly CommitStatus[];
  /** Results of verifications that have not ended for the core. */
  readonly verifications: readonly VerificationResult[];
  /** Of metric analyses that have not ended, oldest first. */
  readonly samples: readonly MetricSample[];
};

/** The newest word of one source about one commit. */
export type CommitStatus = {
  readonly commit: CommitId;
  readonly name: string;
  readonly state: 'pending' | 'success' | 'failure';
  readonly description: string;
  readonly receivedAt: Instant;
};

/** What an agent said of a run. */
export type VerificationResult = {
  readonly runId: RunId;
  readonly cluster: ClusterId;
  readonly outcome: RunOutcome;
  readonly message: string;
  readonly receivedAt: Instant;
};

export type MetricSample = {
  readonly runId: RunId;
  readonly at: Instant;
  /** Absent: there was no data, or something that is no number. */
  readonly value?: number;
  readonly message: string;
};

/** For a decision that looks at nothing but clusters and reports. */
export const snapshotOf = (
  part: Pick<Snapshot, 'at' | 'clusters' | 'reports'> & Partial<Snapshot>,
): Snapshot => ({
  watchedMs: part.at,
  freezes: [],
  people: [],
  statuses: [],
  verifications: [],
  samples: [],
  ...part,
});
