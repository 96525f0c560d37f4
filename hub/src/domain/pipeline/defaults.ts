import type {
  ApprovalPolicy,
  GatePolicy,
  PipelineDefinition,
  ReleasePolicy,
  RolloutPolicy,
  StageDefinition,
  SupersedePolicy,
} from './definition.ts';

/** What a document that says nothing means. Definitions in old logs are completed with the same values. */
export const releasePolicyDefault: ReleasePolicy = {
  quietPeriodMs: 0,
  mustMatch: [],
  revertBypasses: [],
};

export const supersedePolicyDefault: SupersedePolicy = {
  mode: 'latest',
  soaks: 0,
  interrupt: false,
};

/** Of an `approvals` block; a stage without the block asks for none. */
export const approvalPolicyDefault: ApprovalPolicy = {
  required: 1,
  from: [],
  including: [],
  excludeAuthor: false,
  excludeRequester: false,
  expiresAfterMs: 0,
  strict: false,
  recheckVoters: true,
};

export const gatePolicyDefault: GatePolicy = {
  soakMs: 0,
  soakUnhealthy: 'reset',
  soakUnknown: 'pause',
  windows: [],
  verifications: [],
  metrics: [],
  statuses: [],
};

export const rolloutPolicyDefault: RolloutPolicy = {
  waves: [],
  uncovered: 'last-wave',
  maxFailures: { count: 0 },
  minHealthyMs: 0,
  progressDeadlineMs: 600_000,
  offline: 'wait',
  lateJoin: 'current',
  onFailure: 'pause',
  retries: { limit: 0, backoffMs: 60_000 },
  suspended: 'progressing',
};

const stageDefault = {
  after: [],
  afterMode: 'all',
  concernedBy: [],
  promote: 'automatic',
  supersede: supersedePolicyDefault,
  backfill: false,
  holdAfterRollback: 'until-resumed',
} as const satisfies Partial<StageDefinition>;

/** A stage of which some fields were not written, as in definitions that an older version recorded. */
export type PartialStage = Omit<StageDefinition, keyof typeof stageDefault | 'gates' | 'rollout'> &
  Partial<Pick<StageDefinition, keyof typeof stageDefault>> & {
    readonly gates?: Partial<GatePolicy>;
    readonly rollout?: Partial<RolloutPolicy>;
  };

export const completeStage = (stage: PartialStage): StageDefinition => ({
  ...stageDefault,
  ...stage,
  gates: { ...gatePolicyDefault, ...stage.gates },
  rollout: { ...rolloutPolicyDefault, ...stage.rollout },
});

type PartialPipeline = Omit<PipelineDefinition, 'releases' | 'stages'> & {
  readonly releases?: Partial<ReleasePolicy>;
  readonly stages: readonly PartialStage[];
};

/** Reads a definition of any version: what it does not know has the value that it had by its absence. */
export const completeDefinition = (definition: PartialPipeline): PipelineDefinition => ({
  ...definition,
  releases: { ...releasePolicyDefault, ...definition.releases },
  stages: definition.stages.map(completeStage),
});
