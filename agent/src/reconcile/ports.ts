import type { KubernetesObject, ObjectKey } from '@fairlead/shared/manifest';
import type { Result } from '@fairlead/shared/result';
import type { FieldPath } from '../domain/conflict/index.ts';
import type { Assignment, AuditEntry, UnitId, UnitReport } from '../domain/link/index.ts';
import type { Permit } from '../domain/policy/index.ts';

/**
 * One object of a unit as the journal remembers it. `uid` and `ownedHash` are empty between the intent to apply and the
 * API server's answer; an object in this list is ours to prune only when the live object carries our stamps as well.
 */
export type InventoryEntry = {
  readonly key: ObjectKey;
  readonly apiVersion: string;
  readonly uid: string;
  /** Digest of the object as rendered and stamped. */
  readonly desiredHash: string;
  /** Digest of the field set that the API server recorded for us after our last apply. */
  readonly ownedHash: string;
  /** The fields that we owned after our last apply, as `rememberFields` writes them. */
  readonly fields?: string;
  /** Fields of the commit that are left to another manager; our applies say nothing of them. */
  readonly left?: readonly FieldPath[];
  /** How a hook ended; its object may be gone by then. */
  readonly ended?: HookEnd;
  /** How many places and managers of it rules left as they are; absent means none. */
  readonly ignored?: number;
};

/** A hook runs once a generation, however often the agent starts. */
export type HookEnd = {
  readonly epoch: number;
  readonly generation: number;
  readonly outcome: 'succeeded' | 'failed';
  readonly message: string;
  /** The hook's policy wants its object gone. */
  readonly remove: boolean;
};

/** What the unit owns. Written before the first apply of a generation and once after the last; a crash between is safe. */
export type Inventory = {
  readonly epoch: number;
  readonly generation: number;
  readonly commit: string;
  /** Digest over all rendered objects and the options that shape them; an equal digest needs no writes. */
  readonly renderedHash: string;
  readonly state: 'applying' | 'settled';
  /** Some generation was settled before, so this one is no first install. */
  readonly wasSettled?: boolean;
  readonly entries: readonly InventoryEntry[];
};

/** The durable memory of the reconciler. Calls are synchronous, and what they wrote outlives the process. */
export type ReconcileJournal = {
  /** Resolves when all that was written before outlives a power cut as well; the cluster is changed after that only. */
  readonly durable: () => Promise<void>;
  readonly acceptedEpoch: () => number;
  readonly saveAssignment: (assignment: Assignment) => void;
  readonly loadAssignments: () => readonly Assignment[];
  readonly saveInventory: (unit: UnitId, inventory: Inventory) => void;
  readonly loadInventory: (unit: UnitId) => Inventory | undefined;
  /** The unit is gone from the cluster by an explicit order; its inventory goes, its assignment stays. */
  readonly removeInventory: (unit: UnitId) => void;
};

/** `terminal`: the same commit cannot outgrow the failure, so only a new assignment starts another try. */
export type StepFailure = { readonly message: string; readonly terminal: boolean };

/** What the cluster does not let its agent do. */
export type Refusal = StepFailure & { readonly audit: 'PolicyRefused' | 'SignatureRefused' };

/** Who signed the commit, or why it is worked on although nobody trusted did; both empty where nobody asks. */
export type Verified = { readonly signer: string; readonly warning: string };

/** The cluster's own say, in which the hub has no part. */
export type Trust = {
  /** Asked before anything is fetched or changed for an assignment. */
  readonly permit: (assignment: Assignment) => Promise<Result<Permit, Refusal>>;
  /** Asked of a commit that is here, before anything of it is rendered. */
  readonly verify: (assignment: Assignment, permit: Permit) => Promise<Result<Verified, Refusal>>;
};

/** The verified content of an assignment's root. */
export type Tree = {
  /** The id of the Git tree, so equal content has one name. */
  readonly id: string;
  readonly files: readonly TreeFile[];
  /** Undefined where the content is gone from the store; it is fetched again then. */
  readonly read: (file: TreeFile) => Promise<Buffer | undefined>;
  /** Writes all of it to a folder that is named by the id, once, for tools that read folders. */
  readonly folder: () => Promise<Result<string, StepFailure>>;
};

export type TreeFile = {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly mode: 'file' | 'executable' | 'symlink';
  readonly id: string;
};

/** Gives the verified tree of the assignment, fetched or from the local store. */
export type LoadTree = (
  assignment: Assignment,
  signal: AbortSignal,
) => Promise<Result<Tree, StepFailure>>;

/** Renders a tree. An empty list is a failure of the caller's plan, never a wish to remove everything. */
export type Render = (
  assignment: Assignment,
  tree: Tree,
  signal: AbortSignal,
) => Promise<Result<KubernetesObject[], StepFailure>>;

export type OnReport = (report: UnitReport) => void;
export type OnAudit = (entry: AuditEntry) => void;
