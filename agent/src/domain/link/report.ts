import type { CommitId } from '@fairlead/shared/ids';
import type { ObjectKey } from '@fairlead/shared/manifest';
import type { Health } from '../health/index.ts';
import type { UnitId } from './assignment.ts';

export type UnitPhase =
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

export type ObjectReport = {
  readonly object: ObjectKey;
  readonly health: Health;
  readonly message: string;
};

/** An object that is not as the commit wants it and is not repaired at once. */
export type DriftReport = {
  readonly object: ObjectKey;
  /** Why it stays: the unit's policy, or another writer that keeps coming back. */
  readonly state: 'reported' | 'fight';
  /** `released`: its ApplySet label is gone. */
  readonly change: 'changed' | 'deleted' | 'released';
  /** Who holds the fields now; empty when the API server does not say. */
  readonly managers: readonly string[];
  /** At most `driftDifferencesMax`; secret values are masked. */
  readonly differences: readonly {
    readonly path: string;
    readonly live: unknown;
    readonly desired: unknown;
  }[];
  readonly differencesTotal: number;
};

/** What the agent says about one assignment. The link adds the agent's epoch, the sequence and the time. */
export type UnitReport = {
  readonly unit: UnitId;
  readonly epoch: number;
  readonly generation: number;
  readonly commit: CommitId;
  readonly phase: UnitPhase;
  readonly health: Health;
  /** Why the unit is in this phase or health, in words for a person. */
  readonly message: string;
  /** A failure that the same commit cannot outgrow. */
  readonly terminal: boolean;
  readonly objectsTotal: number;
  readonly objectsHealthy: number;
  /** The objects that are not healthy, worst first; at most `reportObjectsMax`, the rest is counted. */
  readonly objects: readonly ObjectReport[];
  readonly objectsTruncated: number;
  /** How many objects a held prune would delete; 0 when none is held. */
  readonly pruneHeldObjects: number;
  /** The first of them, in the order in which they would go. */
  readonly pruneHeld: readonly ObjectKey[];
  /** Names exactly the held set: a confirmation carries it back. */
  readonly pruneHeldDigest: string;
  /** At most `reportDriftsMax`, by key; `driftsTotal` counts all. */
  readonly drifts: readonly DriftReport[];
  readonly driftsTotal: number;
  /** Places and managers of objects that ignore rules leave as they are. */
  readonly ignoredTotal: number;
};

export type AuditKind =
  | 'AssignmentAccepted'
  | 'AssignmentRefused'
  | 'PolicyRefused'
  | 'SignatureVerified'
  | 'SignatureWarned'
  | 'SignatureRefused'
  | 'RenderFailed'
  | 'ApplyFailed'
  | 'ObjectsApplied'
  | 'ObjectPruned'
  | 'ObjectKept'
  | 'ObjectLeaving'
  | 'PruneHeld'
  | 'DriftDetected'
  | 'DriftRepaired'
  | 'DriftFight'
  | 'DriftFightEnded'
  | 'OwnershipRefused'
  | 'FieldConflictRefused'
  | 'ObjectReplaced'
  | 'HookFinished'
  | 'UnitHealthy'
  | 'UnitDegraded'
  | 'VerificationStarted'
  | 'VerificationEnded';

/** A durable fact about the unit. The link adds the sequence and the time. `details` hold no secret value. */
export type AuditEntry = {
  readonly unit: UnitId;
  readonly generation: number;
  readonly commit: CommitId;
  readonly kind: AuditKind;
  readonly message: string;
  readonly object?: ObjectKey;
  readonly details?: Readonly<Record<string, unknown>>;
};
