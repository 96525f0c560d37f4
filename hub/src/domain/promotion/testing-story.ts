import type {
  ClusterId,
  ClusterName,
  CommitId,
  FreezeId,
  NewId,
  PipelineName,
  ProjectName,
  RepositoryName,
  StageName,
} from '@fairlead/shared/ids';
import type { DeclaredFreeze } from '../freeze/index.ts';
import type {
  GatePolicy,
  PipelineDefinition,
  RolloutPolicy,
  StageDefinition,
} from '../pipeline/definition.ts';
import { completeStage, releasePolicyDefault } from '../pipeline/index.ts';
import type { PipelineCommand } from './commands.ts';
import { decidePipeline } from './decide.ts';
import type { PipelineEvent, Release } from './events.ts';
import { evolvePipeline } from './evolve.ts';
import { get } from './persistent-map.ts';
import { type ClusterSnapshot, type Snapshot, snapshotOf, type TargetReport } from './snapshot.ts';
import { initialPipelineState, type PipelineState, stageState } from './state.ts';

export const minuteMs = 60_000;
export const staging = 'staging' as StageName;
export const production = 'production' as StageName;

/** `commit(3)` is c3: the number is its position. */
export const commit = (number: number, variant = '0'): CommitId =>
  `c${number}`.padEnd(39, '0').concat(variant) as CommitId;

export const release = (number: number, variant?: string): Release => ({
  commit: commit(number, variant),
  position: number,
  subject: `change ${number}`,
  authorName: 'Ada',
  authorEmail: 'ada@example.com',
  // Later commits carry earlier dates: nothing may depend on them.
  committedAt: 1_000_000 - number,
});

export type StageChange = Partial<Omit<StageDefinition, 'gates' | 'rollout' | 'clusters'>> & {
  soakMs?: number;
  gates?: Partial<GatePolicy>;
  rollout?: Partial<RolloutPolicy>;
  matchLabels?: Record<string, string>;
};

export function stageOf(name: string, change: StageChange = {}): StageDefinition {
  const { soakMs = 0, matchLabels = { environment: name }, gates, rollout, ...rest } = change;
  return completeStage({
    name: name as StageName,
    after: [],
    clusters: { matchLabels },
    path: `apps/${name}`,
    promote: 'automatic',
    gates: { soakMs, ...gates },
    rollout: { progressDeadlineMs: 10 * minuteMs, ...rollout },
    render: { helm: { releaseName: 'app', valuesFiles: [], values: {} } },
    apply: {
      namespace: 'default',
      createNamespace: false,
      prune: true,
      drift: 'repair',
      adopt: 'if-unowned',
      deletionBudget: { objectsMax: 10, percentMax: 30 },
      conflicts: 'fail',
      dependsOn: [],
      ignoreDifferences: [],
      healthChecks: [],
    },
    ...rest,
  });
}

export const definitionOf = (...stages: StageDefinition[]): PipelineDefinition => ({
  name: 'checkout' as PipelineName,
  project: 'default' as ProjectName,
  repository: 'environments' as RepositoryName,
  include: ['apps/**'],
  exclude: [],
  releases: releasePolicyDefault,
  stages,
});

export const twoStages = (change: StageChange = {}): PipelineDefinition =>
  definitionOf(stageOf('staging'), stageOf('production', { after: [staging], ...change }));

/** A pipeline with its surroundings on a clock that only the test moves. */
export function createStory(definition: PipelineDefinition = twoStages()) {
  let state: PipelineState = initialPipelineState;
  let now = 1_000_000;
  let rolloutCount = 0;
  let sequence = 0;
  const events: PipelineEvent[] = [];
  const known: Release[] = [];
  const clusters = new Map<string, ClusterSnapshot>();
  const reports = new Map<string, TargetReport>();

  const newIds = () =>
    Array.from({ length: 8 }, () => `rollout-${++rolloutCount}`.replace('-', '0000') as NewId);

  const execute = (command: PipelineCommand): PipelineEvent[] => {
    const decision = decidePipeline(state, command);
    if (!decision.ok) throw new Error(`${decision.error.code}: ${decision.error.detail}`);
    events.push(...decision.value);
    state = decision.value.reduce(evolvePipeline, state);
    return decision.value;
  };
  const refusalOf = (command: PipelineCommand): string => {
    const decision = decidePipeline(state, command);
    return decision.ok ? 'accepted' : decision.error.code;
  };
  const surroundings: Partial<Snapshot> = {};
  const snapshot = (): Snapshot =>
    snapshotOf({
      at: now,
      clusters: [...clusters.values()],
      reports: [...reports.values()],
      ...surroundings,
    });
  const advance = () => execute({ type: 'advance', snapshot: snapshot(), newIds: newIds() });

  const report = (stage: StageName, cluster: string, change: Partial<TargetReport> = {}): void => {
    if (state.status === 'undefined') throw new Error('there is no pipeline');
    const { targets, withdrawn } = stageState(state, stage);
    const id = cluster as ClusterId;
    const target = get(targets, id) ?? get(withdrawn, id);
    if (target === undefined) throw new Error(`${cluster} is no target of ${stage}`);
    const { generation } = target;
    const assigned = 'release' in target ? target.release : commit(1);
    const phase = change.phase ?? 'settled';
    reports.set(`${stage}/${cluster}`, {
      stage,
      cluster: cluster as ClusterId,
      agentEpoch: 'epoch',
      sequence: ++sequence,
      generation,
      commit: assigned,
      phase,
      health: 'healthy',
      message: '',
      terminal: phase === 'failed',
      receivedAt: now,
      objectsTotal: 3,
      pruneHeldObjects: phase === 'prune-held' ? 12 : 0,
      pruneHeldDigest: phase === 'prune-held' ? 'digest' : '',
      ...change,
    });
  };

  const story = {
    events,
    get state() {
      if (state.status !== 'active') throw new Error(`the pipeline is ${state.status}`);
      return state;
    },
    get anyState() {
      return state;
    },
    get now() {
      return now;
    },
    stage: (name: StageName) => stageState(story.state, name),
    target: (stage: StageName, cluster: string) =>
      get(stageState(story.state, stage).targets, cluster as ClusterId),
    outcome: (stage: StageName, of: CommitId) =>
      get(stageState(story.state, stage).releases, of)?.outcome,
    types: (name?: StageName) =>
      events
        .filter((event) => name === undefined || ('stage' in event && event.stage === name))
        .map(({ type }) => type),
    eventsOf: <Type extends PipelineEvent['type']>(type: Type) =>
      events.filter((event) => event.type === type) as Extract<PipelineEvent, { type: Type }>[],
    execute,
    refusalOf,
    snapshot,
    /** Freezes, people, statuses and results as the next snapshots show them. */
    surround: (change: Partial<Snapshot>) => {
      Object.assign(surroundings, change);
      return story;
    },
    newIds,
    advance,
    report,
    pass: (durationMs: number) => {
      now += durationMs;
      return story;
    },
    cluster: (id: string, environment: string, change: Partial<ClusterSnapshot> = {}) => {
      clusters.set(id, {
        id: id as ClusterId,
        name: id as ClusterName,
        labels: { environment },
        status: 'connected',
        ...change,
      });
      return story;
    },
    removeCluster: (id: string) => {
      clusters.delete(id);
      return story;
    },
    /** The branch now consists of these releases; new ones are discovered, missing ones were dropped. */
    branch: (...releases: Release[]) => {
      known.push(...releases);
      const onBranch = releases.map((one) => one.commit);
      const head = onBranch.at(-1) ?? commit(0);
      execute({ type: 'record-branch', head, releases, onBranch, at: now });
      return story;
    },
    push: (...numbers: number[]) => {
      const releases = numbers.map((number) => release(number));
      known.push(...releases);
      const onBranch = known.map((one) => one.commit);
      const head = commit(numbers.at(-1) ?? 0);
      execute({ type: 'record-branch', head, releases, onBranch, at: now });
      return story;
    },
    /** Every target of the stage says that it is settled and healthy. */
    settle: (stage: StageName, change: Partial<TargetReport> = {}) => {
      for (const bucket of stageState(story.state, stage).targets.buckets) {
        for (const cluster of bucket?.keys() ?? []) report(stage, cluster, change);
      }
      story.advance();
      return story;
    },
    /** Advances, lets the stage settle, and advances again. */
    rollOut: (stage: StageName) => {
      story.advance();
      return story.settle(stage);
    },
    promote: (stage: StageName, of?: CommitId, force = false): PipelineCommand => ({
      type: 'promote',
      stage,
      force,
      at: now,
      ...(of ? { release: of } : {}),
    }),
    rollback: (stage: StageName, to?: CommitId): PipelineCommand => ({
      type: 'rollback',
      stage,
      reason: 'errors',
      snapshot: snapshot(),
      newId: newIds()[0] as NewId,
      ...(to ? { release: to } : {}),
    }),
  };
  execute({ type: 'define-pipeline', definition });
  return story;
}

export type Story = ReturnType<typeof createStory>;

/** One cluster a stage, everything healthy with c1. */
export function settledStory(definition?: PipelineDefinition): Story {
  const story = createStory(definition).cluster('stg', 'staging').cluster('prd', 'production');
  return story.push(1).rollOut(staging).rollOut(production);
}

/** A freeze of the whole hub, declared at once, that lasts until it is lifted. */
export const freezeOf = (at: number, change: Partial<DeclaredFreeze> = {}): DeclaredFreeze => ({
  id: 'freeze-1' as FreezeId,
  scope: { kind: 'hub' },
  reason: 'the last week of the year',
  by: 'ada',
  from: at,
  declaredAt: at,
  running: 'drain',
  ...change,
});
