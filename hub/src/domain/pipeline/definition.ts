import type { PipelineName, ProjectName, RepositoryName, StageName } from '@fairlead/shared/ids';

/** A parsed, checked pipeline: every default is filled in, every duration is in milliseconds. Immutable. */
export type PipelineDefinition = {
  readonly name: PipelineName;
  readonly project: ProjectName;
  readonly repository: RepositoryName;
  /** Glob patterns over paths of changed files; a commit is a release if it changes an included, not excluded file. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** In the order of the document; `after` names only stages of this list, without cycles. */
  readonly stages: readonly StageDefinition[];
};

export type StageDefinition = {
  readonly name: StageName;
  /** Stages that must have the release succeeded before it is admitted here. */
  readonly after: readonly StageName[];
  readonly clusters: ClusterSelector;
  /** May hold `${cluster.name}` and `${cluster.labels.<key>}`. */
  readonly path: string;
  readonly promote: 'automatic' | 'manual';
  readonly gates: GatePolicy;
  readonly rollout: RolloutPolicy;
  readonly render: RenderPolicy;
  readonly apply: ApplyPolicy;
};

/** Every given label must match; the labels are the hub's own, never an agent's claims. */
export type ClusterSelector = { readonly matchLabels: Readonly<Record<string, string>> };

export type GatePolicy = {
  /** How long each `after` stage must have been healthy with the release; 0 is none. */
  readonly soakMs: number;
};

export type RolloutPolicy = {
  /** From the assignment of a batch; a target that is not healthy by then has failed. */
  readonly progressDeadlineMs: number;
};

export type RenderPolicy = {
  readonly helm: {
    readonly releaseName: string;
    readonly valuesFiles: readonly string[];
    readonly values: Readonly<Record<string, unknown>>;
  };
  /** Values for `${name}` in rendered manifests; absent leaves them as they are. */
  readonly substitution?: Readonly<Record<string, string>>;
  /** Secret in the agent's namespace with the keys of SOPS. */
  readonly sopsSecretName?: string;
};

export type ApplyPolicy = {
  /** For namespaced objects that name none. */
  readonly namespace: string;
  readonly createNamespace: boolean;
  readonly prune: boolean;
  readonly drift: 'repair' | 'report';
  readonly adopt: 'if-unowned' | 'if-equal' | 'always';
  /** A prune above both limits is held. */
  readonly deletionBudget: { readonly objectsMax: number; readonly percentMax: number };
  /** In `namespace`; the agent impersonates it. Absent: the agent's own rights. */
  readonly serviceAccountName?: string;
  /** What happens to a field that another manager has set to another value. */
  readonly conflicts: 'fail' | 'take' | 'leave';
  /** Pipelines whose units in the same cluster must be settled and healthy first; without cycles. */
  readonly dependsOn: readonly PipelineName[];
  readonly ignoreDifferences: readonly IgnoreRule[];
  readonly healthChecks: readonly HealthCheck[];
};

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

export type RepositoryDefinition = {
  readonly name: RepositoryName;
  readonly project: ProjectName;
  readonly url: string;
  readonly branch: string;
  /** Name of a secret of the hub, or none for a public repository. */
  readonly credentialsSecretName?: string;
  /** Name of the hub's secret for the HMAC of webhooks; without it a webhook is refused. */
  readonly webhookSecretName?: string;
  readonly pollIntervalMs: number;
  /** What agents are to ask of a commit's signature; absent is nothing. A cluster's own policy may ask for more. */
  readonly verification?: VerificationPolicy;
};

export type VerificationPolicy = {
  readonly mode: 'warn' | 'required';
  /** ConfigMap or Secret in the agents' namespace with the trusted keys; absent is all that each cluster trusts. */
  readonly keysName?: string;
};
