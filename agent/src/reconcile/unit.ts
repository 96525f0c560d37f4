import type { KubernetesObject, ObjectKey } from '@fairlead/shared/manifest';
import type { RepairHistory } from '../domain/drift/index.ts';
import type { HealthRule } from '../domain/health/index.ts';
import {
  type Assignment,
  type DriftReport,
  type HealthCheck,
  type UnitId,
  type UnitPhase,
  unitIdOf,
} from '../domain/link/index.ts';
import type { ApplyStep, Hook, Owner, Removal } from '../domain/plan/index.ts';
import type { Permit } from '../domain/policy/index.ts';
import type { Inventory, InventoryEntry } from './ports.ts';
import type { PruneHeld } from './prune/prune.ts';
import { applySetIdOf } from './report/parent.ts';

/** How far the held assignment has come. */
export type Stage = 'apply' | 'wait' | 'prune' | 'held' | 'done';

/** What the unit is brought to: made once a generation, and forgotten with it. */
export type Target = {
  readonly assignment: Assignment;
  /** By key text; an entry with an owned hash has been applied (or found unchanged) in this generation. */
  readonly entries: Map<string, InventoryEntry>;
  stage: Stage;
  /** Released once applied: from then on only the entries are kept. */
  steps: readonly ApplyStep[];
  stepIndex: number;
  readonly applied: AppliedCounts;
  /** Hooks that run to an end, by key text. */
  readonly hooks: ReadonlyMap<string, Hook>;
  /** Hooks whose end is not audited yet. */
  readonly hooksEnded: Set<string>;
  /** Hooks that have ended and whose objects are to go. */
  readonly hooksToRemove: Set<string>;
  /** Applied once if the unit fails for good. */
  readonly onFailure: KubernetesObject[];
  pruneSteps: readonly (readonly Removal[])[];
  pruneIndex: number;
  /** When the removals of the current prune step were asked for; 0 before. */
  pruneStepAtMs: number;
};

export type AppliedCounts = {
  readonly created: ObjectKey[];
  readonly configured: ObjectKey[];
  unchanged: number;
  /** Objects that another tool deployed before, with its field managers. */
  readonly takenOver: { readonly key: ObjectKey; readonly from: readonly string[] }[];
};

/** A target that asks for nothing yet. */
export const emptyTarget = (assignment: Assignment, stage: Stage): Target => ({
  assignment,
  entries: new Map(),
  stage,
  steps: [],
  stepIndex: 0,
  applied: { created: [], configured: [], unchanged: 0, takenOver: [] },
  hooks: new Map(),
  hooksEnded: new Set(),
  hooksToRemove: new Set(),
  onFailure: [],
  pruneSteps: [],
  pruneIndex: 0,
  pruneStepAtMs: 0,
});

export type PodLook = {
  readonly lookedAtMs: number;
  /** Looks in a row since the workload began to be on its way. */
  readonly looks: number;
  readonly message: string;
  /** A pod cannot start or keeps crashing, and does not only wait. */
  readonly isBroken: boolean;
};

/** The mutable state of one unit; only the unit's own turn changes it, but for `drifts` and `isDirty`. */
export type Unit = {
  readonly id: UnitId;
  readonly owner: Owner;
  assignment: Assignment;
  /** Accepted and durable; it takes the place of `assignment` when the unit's next turn begins. */
  next: Assignment | undefined;
  /** Aborted when `next` comes, so that the turn under way ends at its next step. */
  work: AbortController;
  inventory: Inventory | undefined;
  target: Target | undefined;
  /** What the assignment before had reached; it is kept against drift until the new one has a target. */
  previous: Target | undefined;
  /** The terms of the cluster, once they were asked for `assignment`. */
  permit: Permit | undefined;
  /** Why the unit is worked on although nobody trusted signed its commit; empty otherwise. */
  signatureWarning: string;
  /** The cluster itself refuses the assignment, so a change of its policy or keys is worth another try. */
  isRefused: boolean;
  phase: UnitPhase;
  message: string;
  terminal: boolean;
  pruneHeld: PruneHeld | undefined;
  /** Objects that stay though they are not rendered any more, by key text, with why. */
  readonly keptReasons: Map<string, string>;
  /** Failed tries in a row. */
  failures: number;
  /** No new try before this time, whatever wakes the unit. */
  retryAtMs: number;
  lastFailure: string;
  /** Objects whose owned fields are not as we left them, with the state in which they were found. */
  readonly drifts: Map<string, KubernetesObject | undefined>;
  /** Drift that is reported and not repaired, with the owned hash that was looked at. */
  readonly driftsReported: Map<string, { readonly seen: string; readonly report: DriftReport }>;
  /** Keys of our own writes under way, whose watch events may come before the answer. */
  readonly inFlight: Set<string>;
  /** The last states that the watches told of them meanwhile. */
  readonly seenInFlight: Map<string, KubernetesObject>;
  readonly repairs: Map<string, RepairHistory>;
  /** Objects whose repairs are slowed down, with the words for people. */
  readonly fights: Map<string, { readonly message: string; readonly report: DriftReport }>;
  /** Who made the last change to an object that was repaired. */
  readonly rivals: Map<string, string>;
  readonly podLooks: Map<string, PodLook>;
  /** The entries that the unit's objects are judged by now, and the rule made of them. */
  healthChecks: readonly HealthCheck[];
  healthRule: HealthRule | undefined;
  /** The last write of the unit's own object; never rejects. */
  parentWrite: Promise<void>;
  /** What the last health audit said; `undefined` before the first. */
  wasHealthy: boolean | undefined;
};

export const createUnit = (
  assignment: Assignment,
  agentNamespace: string,
  inventory: Inventory | undefined,
): Unit => {
  const id = unitIdOf(assignment);
  return {
    id,
    owner: { unit: id, applySetId: applySetIdOf(id, agentNamespace) },
    assignment,
    next: undefined,
    work: new AbortController(),
    inventory,
    target: undefined,
    previous: undefined,
    permit: undefined,
    signatureWarning: '',
    isRefused: false,
    phase: 'accepted',
    message: '',
    terminal: false,
    pruneHeld: undefined,
    keptReasons: new Map(),
    failures: 0,
    retryAtMs: 0,
    lastFailure: '',
    drifts: new Map(),
    driftsReported: new Map(),
    inFlight: new Set(),
    seenInFlight: new Map(),
    repairs: new Map(),
    fights: new Map(),
    rivals: new Map(),
    podLooks: new Map(),
    healthChecks: [],
    healthRule: undefined,
    parentWrite: Promise.resolve(),
    wasHealthy: undefined,
  };
};

/** Begins a turn under the newest assignment; nothing of an older one is under way then. */
export function takeUpNext(unit: Unit): void {
  if (!unit.next) return;
  unit.previous = unit.next.disposition === 'run' ? (unit.target ?? unit.previous) : undefined;
  unit.assignment = unit.next;
  unit.next = undefined;
  unit.work = new AbortController();
  unit.retryAtMs = 0;
  unit.target = undefined;
  unit.permit = undefined;
  unit.signatureWarning = '';
  unit.isRefused = false;
  unit.phase = 'accepted';
  unit.message = '';
  unit.terminal = false;
  unit.pruneHeld = undefined;
  unit.keptReasons.clear();
  unit.failures = 0;
  unit.lastFailure = '';
  unit.drifts.clear();
  unit.driftsReported.clear();
  unit.podLooks.clear();
}
