import type {
  CommitId,
  PipelineName,
  ProjectName,
  RepositoryName,
  StageName,
} from '@fairlead/shared/ids';

/** What one target must run: state, not an event. The comments of assignment.proto are the specification. */
export type Assignment = {
  readonly pipeline: PipelineName;
  readonly stage: StageName;
  readonly project: ProjectName;
  readonly epoch: number;
  readonly generation: number;
  readonly disposition: Disposition;
  readonly repository: RepositoryName;
  readonly commit: CommitId;
  /** Folder to render, relative to the tree's top, without leading or trailing slash; empty is the top. */
  readonly path: string;
  /** Folder whose content is fetched; `path` is at or below it. */
  readonly root: string;
  readonly render: RenderOptions;
  readonly apply: ApplyOptions;
  readonly clusterName: string;
  readonly clusterLabels: Readonly<Record<string, string>>;
  readonly verification: Verification;
};

/** The least that the hub asks of the commit's signature; the cluster's own policy may ask for more. */
export type Verification = {
  readonly mode: 'none' | 'warn' | 'required';
  /** ConfigMap or Secret in the agent's namespace with the trusted keys; empty means all that the cluster trusts. */
  readonly keysName: string;
};

/** `orphan` stops and leaves every object in place; `delete` is an explicit order of a person. */
export type Disposition = 'run' | 'orphan' | 'delete';

export type RenderOptions = {
  /** Empty means the pipeline's name. */
  readonly helmReleaseName: string;
  /** Relative to `Assignment.path`, in rising precedence. */
  readonly helmValuesFiles: readonly string[];
  /** They win over the files. */
  readonly helmValues: Readonly<Record<string, unknown>>;
  /** Values for `${name}` in rendered manifests; undefined leaves them as they are. */
  readonly substitution: Readonly<Record<string, string>> | undefined;
  /** Secret in the agent's namespace with the keys of SOPS; empty decrypts nothing. */
  readonly sopsSecret: string;
};

export type DriftPolicy = 'repair' | 'report';
export type AdoptPolicy = 'if-unowned' | 'if-equal' | 'always';
/** What happens to a field that another manager has set to another value. */
export type ConflictPolicy = 'fail' | 'take' | 'leave';

/** Differences that are neither drift nor written over; an empty field matches every object. */
export type IgnoreRule = {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** RFC 6901. */
  readonly jsonPointers: readonly string[];
  readonly managers: readonly string[];
};

/** CEL expressions that judge a custom kind; an empty one is not asked. */
export type HealthCheck = {
  /** A whole `apiVersion`, or a group alone. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly current: string;
  readonly inProgress: string;
  readonly failed: string;
};

/** A prune above both limits is held until a person confirms it. */
export type DeletionBudget = { readonly objectsMax: number; readonly percentMax: number };

export const deletionBudgetDefault: DeletionBudget = { objectsMax: 10, percentMax: 30 };

export type ApplyOptions = {
  /** Namespace for namespaced objects that name none; empty means `default`. */
  readonly namespace: string;
  readonly createNamespace: boolean;
  readonly prune: boolean;
  readonly drift: DriftPolicy;
  readonly adopt: AdoptPolicy;
  readonly deletionBudget: DeletionBudget;
  /** The generation whose held prune a person confirmed; 0 means none. */
  readonly confirmedPruneGeneration: number;
  /** The held set that was confirmed, as the report named it; another set is held again. */
  readonly confirmedPruneDigest: string;
  /** In `namespace`; impersonated for the unit's objects. Empty means the agent's own rights. */
  readonly serviceAccount: string;
  readonly conflicts: ConflictPolicy;
  /** Pipelines whose units in this cluster must be settled and healthy first. */
  readonly dependsOn: readonly string[];
  readonly ignoreDifferences: readonly IgnoreRule[];
  readonly healthChecks: readonly HealthCheck[];
};

declare const brand: unique symbol;
/** `<pipeline>/<stage>`: unique within one agent, and stable over generations. */
export type UnitId = string & { readonly [brand]: 'UnitId' };

export const unitIdOf = (assignment: Pick<Assignment, 'pipeline' | 'stage'>): UnitId =>
  `${assignment.pipeline}/${assignment.stage}` as UnitId;

/** The unit's status object: names hold no dots, so `<pipeline>.<stage>` is unique, and at most 127 characters long. */
export const unitObjectName = (unit: UnitId): string => unit.replace('/', '.');
