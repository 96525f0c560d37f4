import type {
  ClusterId,
  ClusterName,
  CommitId,
  PipelineName,
  ProjectName,
  RepositoryName,
  RolloutId,
  StageName,
} from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import type { DecisionLog } from '../../decision-log/index.ts';
import type { DomainEvent } from '../../domain/events.ts';
import type { PipelineDefinition, StageDefinition } from '../../domain/pipeline/definition.ts';
import { completeStage, releasePolicyDefault } from '../../domain/pipeline/index.ts';
import type { ReceivedReport } from '../reports.ts';

// Events as the core writes them, for tests that drive the read model without it.

export const clusterId = (name: string) => `id00000-${name}`.replaceAll('-', '') as ClusterId;
export const commitId = (number: number) => number.toString(16).padStart(40, 'a') as CommitId;
export const rolloutId = (number: number) => `rollout${number}`.padEnd(10, '0') as RolloutId;
const project = 'default' as ProjectName;
const actor = { kind: 'hub', name: 'test' } as const;

const stageDefinition = (name: string, after: string[]): StageDefinition =>
  completeStage({
    name: name as StageName,
    after: after as StageName[],
    clusters: { matchLabels: { environment: name } },
    path: `apps/${name}`,
    promote: 'automatic',
    gates: { soakMs: 0 },
    rollout: { progressDeadlineMs: 60_000 },
    render: { helm: { releaseName: '', valuesFiles: [], values: {} } },
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
  });

export const definition = (name: string): PipelineDefinition => ({
  name: name as PipelineName,
  project,
  repository: 'environments' as RepositoryName,
  include: ['apps/**'],
  exclude: [],
  releases: releasePolicyDefault,
  stages: [stageDefinition('staging', []), stageDefinition('production', ['staging'])],
});

export const repositoryDefined: Extract<DomainEvent, { type: 'RepositoryDefined' }> = {
  type: 'RepositoryDefined',
  definition: {
    name: 'environments' as RepositoryName,
    project,
    url: 'https://git.example.com/environments.git',
    branch: 'main',
    pollIntervalMs: 60_000,
  },
};

export const clusterAdded = (
  name: string,
  labels: Readonly<Record<string, string>> = {},
): DomainEvent => ({
  type: 'ClusterAdded',
  id: clusterId(name),
  name: name as ClusterName,
  project,
  labels,
});

export const clusterEnrolled = (name: string): DomainEvent => ({
  type: 'ClusterEnrolled',
  id: clusterId(name),
  clusterKeyHash: 'k',
  clusterUid: 'u',
  natsPublicKey: 'U',
  certificate: { serial: '01', issuedAt: 0, expiresAt: 86_400_000 },
  agentVersion: '0.1.0',
  claims: { nodes: '3' },
  means: 'join-token',
});

export const clusterConnected: DomainEvent = {
  type: 'ClusterConnected',
  instanceId: 'i',
  agentVersion: '0.1.0',
};

export const pipelineDefined = (name: string, revision = 1): DomainEvent => ({
  type: 'PipelineDefined',
  revision,
  definition: definition(name),
});

export const releasesDiscovered = (...numbers: number[]): DomainEvent => ({
  type: 'ReleasesDiscovered',
  releases: numbers.map((number) => ({
    commit: commitId(number),
    position: number,
    subject: `release ${number}`,
    authorName: 'A Developer',
    authorEmail: 'developer@example.com',
    committedAt: number,
  })),
});

export type RolloutOf = {
  readonly stage: string;
  readonly release: number;
  readonly rollout: number;
  readonly generation: number;
  readonly clusters: readonly string[];
};

/** An admission, a rollout in one batch, and its assignments. */
export function rolloutStarted({ stage, release, rollout, generation, clusters }: RolloutOf) {
  const common = { stage: stage as StageName, release: commitId(release) };
  const targets = clusters.map((name) => ({
    cluster: clusterId(name),
    clusterName: name as ClusterName,
  }));
  const events: DomainEvent[] = [
    {
      type: 'ReleaseAdmitted',
      ...common,
      rolloutId: rolloutId(rollout),
      definitionRevision: 1,
      gates: [{ gate: 'order', passed: true, detail: 'first stage', evidence: { position: 1 } }],
    },
    {
      type: 'RolloutStarted',
      ...common,
      rolloutId: rolloutId(rollout),
      kind: 'promotion',
      generation,
      batches: [targets],
      at: 1_000,
      deadlineAt: 61_000,
    },
    ...targets.map(
      (target): DomainEvent => ({
        type: 'TargetAssigned',
        ...common,
        ...target,
        generation,
        path: `apps/${stage}`,
        definitionRevision: 1,
        cause: 'rollout',
        at: 1_000,
        rolloutId: rolloutId(rollout),
      }),
    ),
  ];
  return events;
}

export const rolloutSucceeded = ({ stage, release, rollout, clusters }: RolloutOf) =>
  ({
    type: 'RolloutSucceeded',
    stage: stage as StageName,
    release: commitId(release),
    rolloutId: rolloutId(rollout),
    targetsSucceeded: clusters.length,
    targetsTotal: clusters.length,
  }) satisfies DomainEvent;

export const report = (
  cluster: string,
  pipeline: string,
  change: Partial<ReceivedReport> = {},
): ReceivedReport => ({
  pipeline: pipeline as PipelineName,
  stage: 'staging' as StageName,
  cluster: clusterId(cluster),
  agentEpoch: 'epoch1',
  sequence: 1,
  generation: 1,
  commit: commitId(1),
  phase: 'settled',
  health: 'healthy',
  message: '',
  terminal: false,
  receivedAt: 5_000,
  objectsTotal: 2,
  objectsHealthy: 2,
  objects: [],
  objectsTruncated: 0,
  pruneHeldObjects: 0,
  pruneHeld: [],
  pruneHeldDigest: '',
  drifts: [],
  driftsTotal: 0,
  ignoredTotal: 0,
  ...change,
});

/** Appends at the stream's end; returns the position of the last event. */
export async function append(
  log: DecisionLog,
  stream: string,
  ...events: readonly DomainEvent[]
): Promise<number> {
  const last = await log.lastOfStream(stream);
  const recorded = expectOk(
    await log.append({ stream, expectedVersion: last?.version ?? 0, events, actor, at: 1_000 }),
    `append to ${stream}`,
  );
  return recorded.at(-1)?.position ?? 0;
}
