import type { ObjectKey } from '@fairlead/shared/manifest';
import type { Clock, Random } from '@fairlead/shared/time';
import type { Cluster } from '../cluster/index.ts';
import type { AuditKind, UnitId, UnitPhase } from '../domain/link/index.ts';
import type { HealthRules } from './live/health-rules.ts';
import type { LiveObjects } from './live/live-objects.ts';
import type { PodLookBudget } from './live/pods.ts';
import type { LoadTree, ReconcileJournal, Render, Trust } from './ports.ts';
import type { RenderedCache } from './prepare/rendered-cache.ts';
import type { Unit } from './unit.ts';

export type AuditMore = {
  readonly object?: ObjectKey;
  readonly details?: Readonly<Record<string, unknown>>;
};

/** The log that the reconciler writes to; pino's shape. */
export type ReconcileLogger = {
  readonly debug: (fields: object, message: string) => void;
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
};

/** What the steps of a unit share. */
export type Context = {
  /** What is asked by the agent's own rights for every unit; a unit's objects are read and written by `requestsOf` only. */
  readonly cluster: Pick<Cluster, 'resourceOf' | 'resources' | 'list'>;
  /** By the agent's own rights, for what is the agent's own. */
  readonly ownCluster: Cluster;
  readonly live: LiveObjects;
  readonly journal: ReconcileJournal;
  readonly clock: Clock;
  readonly random: Random;
  readonly loadTree: LoadTree;
  readonly render: Render;
  readonly trust: Trust;
  /** Where the agent may work; undefined is the whole cluster. */
  readonly watchNamespaces: readonly string[] | undefined;
  readonly agentNamespace: string;
  readonly rendered: RenderedCache;
  /** Which unit of this agent claims an object; decides between two that claim it in the same moment. */
  readonly claims: Map<string, UnitId>;
  readonly units: ReadonlyMap<UnitId, Unit>;
  /** Units that wait for other units; they get a turn whenever any unit has come further. */
  readonly dependants: Set<Unit>;
  /** Which kinds held members of a unit when the agent started, from its parent object in the cluster. */
  readonly parentKinds: ReadonlyMap<UnitId, readonly { group: string; kind: string }[]>;
  readonly healthRules: HealthRules;
  readonly mayLookAtPods: PodLookBudget;
  readonly logger: ReconcileLogger;
  readonly audit: (unit: Unit, kind: AuditKind, message: string, more?: AuditMore) => void;
  readonly setPhase: (unit: Unit, phase: UnitPhase, message?: string) => void;
  /** Gives the unit another turn at the time, or sooner. */
  readonly wakeAt: (unit: Unit, atMs: number) => void;
};
