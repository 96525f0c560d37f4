import type { PipelineName, ProjectName, RepositoryName, StageName } from '@fairlead/shared/ids';

/** A parsed, checked pipeline: every default is filled in, every duration is in milliseconds. Immutable. */
export type PipelineDefinition = {
  readonly name: PipelineName;
  readonly project: ProjectName;
  readonly repository: RepositoryName;
  /** Glob patterns over paths of changed files; a commit is a release if it changes an included, not excluded file. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly releases: ReleasePolicy;
  /** In the order of the document; `after` names only stages of this list, without cycles. */
  readonly stages: readonly StageDefinition[];
};

export type ReleasePolicy = {
  /** A commit becomes a release when no other has followed it for so long; 0 is at once. */
  readonly quietPeriodMs: number;
  /** Values read from files that must be the same for a commit to be a release: no half of a change is promoted. */
  readonly mustMatch: readonly MatchRule[];
  /** Gates that a release need not pass again in a stage where the same tree has succeeded before. */
  readonly revertBypasses: readonly BypassableGate[];
};

/** The first group of `pattern` (RE2-like, no look-around) in each of `paths`, compared as text. */
export type MatchRule = { readonly paths: readonly string[]; readonly pattern: string };

export type StageDefinition = {
  readonly name: StageName;
  /** Stages that must have the release succeeded before it is admitted here. */
  readonly after: readonly StageName[];
  /** Whether all of `after` must have it, or one. */
  readonly afterMode: 'all' | 'any';
  /** Absent: a control stage, which a release passes by its gates alone. */
  readonly clusters?: ClusterSelector;
  /** May hold `${cluster.name}` and `${cluster.labels.<key>}`. Empty for a control stage. */
  readonly path: string;
  /**
   * Files that this stage's manifests are made of; a release that changes none of them passes without a rollout. Empty:
   * every release concerns the stage.
   */
  readonly concernedBy: readonly string[];
  readonly promote: 'automatic' | 'manual';
  readonly supersede: SupersedePolicy;
  /** What succeeded in the stages after this one, before this stage was inserted, need not pass it. */
  readonly backfill: boolean;
  /** What ends the hold that a rollback leaves: a person, or also a release newer than all that was rolled back. */
  readonly holdAfterRollback: 'until-resumed' | 'until-newer-release';
  readonly gates: GatePolicy;
  /** Gates that a hotfix may name to pass without, and who may ask for one. Absent: no hotfix here. */
  readonly hotfix?: {
    readonly mayBypass: readonly BypassableGate[];
    readonly from: readonly string[];
  };
  readonly rollout: RolloutPolicy;
  readonly render: RenderPolicy;
  readonly apply: ApplyPolicy;
};

/** Every given label must match; the labels are the hub's own, never an agent's claims. */
export type ClusterSelector = { readonly matchLabels: Readonly<Record<string, string>> };

/** What becomes of a release that waits for the stage when a newer one may come. */
export type SupersedePolicy = {
  /**
   * `latest`: the newer takes its place. `finish-current`: the newer waits until it is admitted or has failed.
   * `latest-after`: the newer takes its place until the stage has waited `soaks` times its soak; then what waits stays.
   */
  readonly mode: 'latest' | 'finish-current' | 'latest-after';
  readonly soaks: number;
  /** Whether a newer release that has passed its gates ends a running rollout. */
  readonly interrupt: boolean;
};

/** Gates that a person with the right may name to be passed without. `hold` and `freeze` have commands of their own. */
export type BypassableGate =
  | 'order'
  | 'health'
  | 'soak'
  | 'approval'
  | 'window'
  | 'verification'
  | 'metric'
  | 'status';

export type GatePolicy = {
  /** How long each `after` stage must have been healthy with the release; 0 is none. */
  readonly soakMs: number;
  /** What an unhealthy or unknown time does to the soak: nothing of it ever counts. */
  readonly soakUnhealthy: 'reset' | 'pause';
  readonly soakUnknown: 'reset' | 'pause';
  readonly approvals?: ApprovalPolicy;
  readonly windows: readonly WindowRule[];
  readonly verifications: readonly VerificationRule[];
  readonly metrics: readonly MetricRule[];
  /** Names that CI posts for the commit; each must say success. */
  readonly statuses: readonly string[];
};

export type ApprovalPolicy = {
  /** Distinct people. */
  readonly required: number;
  /** `group:<name>` or `user:<name>`; a vote counts if its voter is one of them. Empty: whoever may approve. */
  readonly from: readonly string[];
  /** People or groups of whom each must have given one of the votes. */
  readonly including: readonly string[];
  readonly excludeAuthor: boolean;
  readonly excludeRequester: boolean;
  /** 0: never. */
  readonly expiresAfterMs: number;
  /** A change of what the stage does with the release voids what was approved before it. */
  readonly strict: boolean;
  /** Whether a vote counts only as long as its voter still has the role that it was given with. */
  readonly recheckVoters: boolean;
};

/** When releases may enter or go on to the next batch. Deny wins; with any allow rule, one of them must be open. */
export type WindowRule = {
  readonly name: string;
  readonly effect: 'allow' | 'deny';
  /** Starts of the window: an RFC 5545 RRULE value (with `startsAt`), or a cron expression. */
  readonly schedule: { readonly kind: 'rrule' | 'cron'; readonly text: string };
  /** Local date and time that a recurrence counts from, `2026-01-01T00:00:00`. */
  readonly startsAt: string;
  readonly durationMs: number;
  /** IANA name. */
  readonly timeZone: string;
  /**
   * What a rollout does that runs when it closes: `drain` starts nothing more, `finish` goes on to its end, `must-fit`
   * starts only what is expected to end before it closes, and then drains.
   */
  readonly running: 'drain' | 'finish' | 'must-fit';
};

export type VerificationRule = {
  readonly name: string;
  /** File of the repository with one Job. */
  readonly job: string;
  readonly timeoutMs: number;
  /** Stages whose clusters run it; empty: those that this stage comes after. */
  readonly in: readonly StageName[];
  readonly clusters: 'one' | 'all';
};

export type MetricRule = {
  readonly name: string;
  readonly source:
    | { readonly kind: 'prometheus'; readonly url: string; readonly query: string }
    | {
        readonly kind: 'http';
        readonly url: string;
        /** RFC 6901, of the number in the answer. */
        readonly jsonPointer: string;
      };
  /** Name of a secret of the hub with a bearer token. */
  readonly credentialsSecretName?: string;
  /** `result <op> <number>`. */
  readonly condition: {
    readonly kind: 'fail-if' | 'pass-if';
    readonly operator: '<' | '<=' | '>' | '>=' | '==' | '!=';
    readonly threshold: number;
  };
  readonly intervalMs: number;
  readonly forMs: number;
  /** Bad samples that are borne. */
  readonly failureLimit: number;
  /** What no data, or something that is no number, means at the end. */
  readonly noData: 'inconclusive' | 'pass' | 'fail';
};

/** A number of targets, or a part of them. */
export type Amount = { readonly count: number } | { readonly percent: number };

export type RolloutPolicy = {
  /** In their order. Empty: one wave with every target. */
  readonly waves: readonly WaveRule[];
  /** Targets that no wave takes: a wave of their own at the end, or a reason not to start. */
  readonly uncovered: 'last-wave' | 'refuse';
  /** Targets under way at once, a rollback excepted. Absent: a whole wave. */
  readonly maxConcurrent?: Amount;
  /** Failed targets that are borne before the rollout fails. */
  readonly maxFailures: Amount;
  /** A target has succeeded when it was healthy for so long without a break. */
  readonly minHealthyMs: number;
  /**
   * From the start of a batch, or from a target's own assignment where that came later; a target that has not succeeded
   * by then has failed.
   */
  readonly progressDeadlineMs: number;
  /**
   * Targets that cannot be reached: `wait` for them past the deadline, `skip-and-catch-up` goes on without them and they
   * follow when they return, `fail` counts them as failed at the deadline.
   */
  readonly offline: 'wait' | 'skip-and-catch-up' | 'fail';
  /** A cluster that joins while a rollout runs gets the stage's last success, or also takes part (`append`). */
  readonly lateJoin: 'current' | 'append';
  /** `pause` leaves everything as it is; the others return failed targets, the wave, or all to what they had. */
  readonly onFailure: 'pause' | 'rollback-failed' | 'rollback-wave' | 'rollback';
  /** Automatic tries after the first, of the same release. */
  readonly retries: { readonly limit: number; readonly backoffMs: number };
  /** What a suspended object counts as. */
  readonly suspended: 'progressing' | 'healthy' | 'failed';
};

/**
 * Targets by their labels, of which none may be named by two waves; or up to so many of those that no wave names by labels
 * and none before has taken.
 */
export type WaveRule =
  | { readonly kind: 'labels'; readonly matchLabels: Readonly<Record<string, string>> }
  | { readonly kind: 'size'; readonly max: Amount };

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
  /** Whether the hub pushes `refs/heads/fairlead/<pipeline>/<stage>`, so that Git alone tells what runs where. */
  readonly stageRefs?: boolean;
  /** What agents are to ask of a commit's signature; absent is nothing. A cluster's own policy may ask for more. */
  readonly verification?: VerificationPolicy;
};

export type VerificationPolicy = {
  readonly mode: 'warn' | 'required';
  /** ConfigMap or Secret in the agents' namespace with the trusted keys; absent is all that each cluster trusts. */
  readonly keysName?: string;
};
