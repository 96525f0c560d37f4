import {
  type ClusterId,
  type ClusterName,
  type CommitId,
  type NewId,
  type ProjectName,
  parseNewId,
  type StageName,
} from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import type { AppendRequest } from '../../hub/src/decision-log/index.ts';
import { type DomainEvent, streams } from '../../hub/src/domain/events.ts';
import { type PipelineDefinition, parseResources } from '../../hub/src/domain/pipeline/index.ts';
import {
  type ClusterSnapshot,
  decidePipeline,
  evolvePipeline,
  initialPipelineState,
  type PipelineCommand,
  type PipelineEvent,
  type Release,
  snapshotOf,
  type TargetReport,
} from '../../hub/src/domain/promotion/index.ts';

// The life of a fleet as the hub's own deciders write it: clusters that come, go offline and renew, and pipelines of five
// stages whose releases are rolled out from stage to stage, now and then with a target that fails. One history a plan,
// always the same.

export const stageNames = ['development', 'test', 'staging', 'canary', 'production'] as const;
const project = 'default' as ProjectName;
const startAt = Date.UTC(2026, 0, 1);

export const fleetOf = (clustersPerStage: number): ClusterSnapshot[] =>
  stageNames.flatMap((environment) =>
    Array.from({ length: clustersPerStage }, (_, index): ClusterSnapshot => {
      const name = `${environment}-${String(index).padStart(4, '0')}`;
      return {
        id: name.replace('-', '') as ClusterId,
        name: name as ClusterName,
        labels: { environment },
        status: 'connected',
      };
    }),
  );

export function pipelineDefinition(name: string): PipelineDefinition {
  const stages = stageNames.map(
    (stage, index) => `
  - name: ${stage}
    ${index === 0 ? '' : `after: [${stageNames[index - 1]}]`}
    path: apps/${name}/${stage}
    clusters: {matchLabels: {environment: ${stage}}}`,
  );
  const text = `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: ${name}}
spec:
  repository: environments
  include: ["apps/${name}/**"]
  stages:${stages.join('')}
`;
  const parsed = parseResources(text);
  const resource = parsed.ok ? parsed.value[0] : undefined;
  if (resource?.kind !== 'Pipeline') throw new Error(JSON.stringify(parsed));
  return resource.definition;
}

/** One pipeline with the reports of its targets, moved by the core alone. */
export function createPipelineLife(name: string, clusters: readonly ClusterSnapshot[]) {
  let state = initialPipelineState;
  let at = startAt;
  let releasesTotal = 0;
  let idsTotal = 0;
  let sequence = 0;
  const reports = new Map<string, TargetReport>();

  const newIds = (): NewId[] =>
    Array.from({ length: 8 }, () =>
      expectOk(parseNewId(`${name.replaceAll('-', '')}${++idsTotal}`.padEnd(12, '0')), 'an id'),
    );
  const commitOf = (position: number) =>
    Buffer.from(`${name} ${position}`).toString('hex').padStart(40, '0').slice(-40) as CommitId;
  const decide = (command: PipelineCommand): PipelineEvent[] => {
    at += 1_000;
    return expectOk(decidePipeline(state, command), `${command.type} of ${name}`);
  };
  const keep = (events: PipelineEvent[]): PipelineEvent[] => {
    state = events.reduce(evolvePipeline, state);
    return events;
  };
  const advanceCommand = (): PipelineCommand => ({
    type: 'advance',
    snapshot: snapshotOf({ at: at + 1_000, clusters, reports: [...reports.values()] }),
    newIds: newIds(),
  });

  return {
    name,
    now: () => at,
    decide,
    keep,
    advanceCommand,
    define: () => keep(decide({ type: 'define-pipeline', definition: pipelineDefinition(name) })),
    push: (): PipelineEvent[] => {
      const position = ++releasesTotal;
      const release: Release = {
        commit: commitOf(position),
        position,
        subject: `Change ${position} of ${name}`,
        authorName: 'A Developer',
        authorEmail: 'developer@example.com',
        committedAt: at,
      };
      const onBranch = Array.from({ length: position }, (_, index) => commitOf(index + 1));
      const head = release.commit;
      return keep(decide({ type: 'record-branch', head, releases: [release], onBranch, at }));
    },
    /** What these assignments' agents say next. */
    report: (
      assigned: readonly Extract<PipelineEvent, { type: 'TargetAssigned' }>[],
      change: Partial<TargetReport> = {},
    ): void => {
      for (const { stage, cluster, generation, release } of assigned) {
        reports.set(`${stage}/${cluster}`, {
          stage,
          cluster,
          agentEpoch: 'journal1',
          sequence: ++sequence,
          generation,
          commit: release,
          phase: 'settled',
          health: 'healthy',
          message: '',
          terminal: false,
          receivedAt: at + 500,
          healthySince: at + 500,
          healthBreaks: 0,
          objectsTotal: 4,
          pruneHeldObjects: 0,
          pruneHeldDigest: '',
          ...change,
        });
      }
    },
    /** Every newest report again, as new ones. */
    reportAll: (change: Partial<TargetReport>): void => {
      for (const [key, report] of reports) {
        reports.set(key, { ...report, sequence: ++sequence, receivedAt: at + 500, ...change });
      }
    },
  };
}

export type PipelineLife = ReturnType<typeof createPipelineLife>;
type Assigned = Extract<PipelineEvent, { type: 'TargetAssigned' }>;

export const assignedOf = (events: readonly PipelineEvent[]): Assigned[] =>
  events.filter((event): event is Assigned => event.type === 'TargetAssigned');

export type HistoryPlan = { readonly pipelinesTotal: number; readonly clustersPerStage: number };

const auditKinds = ['AssignmentAccepted', 'ObjectsApplied', 'UnitHealthy'];
const hub = { kind: 'hub', name: 'bench' } as const;

/** Appends in the order in which hubs would make them, without an end. */
export function* createHistory(plan: HistoryPlan): Generator<AppendRequest> {
  const versions = new Map<string, number>();
  const append = (stream: string, events: readonly DomainEvent[], at: number): AppendRequest => {
    const expectedVersion = versions.get(stream) ?? 0;
    versions.set(stream, expectedVersion + events.length);
    return { stream, expectedVersion, events, actor: hub, at };
  };
  const clusters = fleetOf(plan.clustersPerStage);
  const sequences = new Map<ClusterId, number>();

  const audits = (life: PipelineLife, { cluster, stage, generation, release }: Assigned) =>
    append(
      streams.agentAudit(cluster),
      auditKinds.map((kind): DomainEvent => {
        const sequence = (sequences.get(cluster) ?? 0) + 1;
        sequences.set(cluster, sequence);
        return {
          type: 'AgentAudited',
          cluster,
          agentEpoch: 'journal1',
          sequence,
          occurredAt: life.now(),
          pipeline: life.name,
          stage,
          generation,
          commit: release,
          kind,
          message: kind === 'ObjectsApplied' ? '1 created, 3 configured, 0 unchanged' : 'as wanted',
          details: { epoch: 1, objects: [`apps/Deployment/${life.name}/${life.name}`] },
        };
      }),
      life.now(),
    );

  yield append('hub', [{ type: 'HubInitialised', hubId: 'hub00001', epoch: 1 }], startAt);
  for (const cluster of clusters) {
    yield append(streams.cluster(cluster.name), clusterEvents(cluster), startAt);
  }
  const lives = Array.from({ length: plan.pipelinesTotal }, (_, index) =>
    createPipelineLife(`pipeline-${String(index).padStart(3, '0')}`, clusters),
  );
  for (const life of lives) {
    yield append(streams.pipeline(life.name), life.define(), life.now());
  }
  for (let round = 1; ; round++) {
    for (const [index, life] of lives.entries()) {
      const stream = streams.pipeline(life.name);
      yield append(stream, life.push(), life.now());
      const isBad = (round + index) % 20 === 0;
      for (;;) {
        const events = life.keep(life.decide(life.advanceCommand()));
        if (events.length === 0) break;
        yield append(stream, events, life.now());
        const assigned = assignedOf(events);
        for (const one of assigned) yield audits(life, one);
        life.report(assigned);
        const last = isBad
          ? assigned.filter(({ stage }) => stage === 'production').at(-1)
          : undefined;
        if (last) life.report([last], badReport);
      }
      const cluster = clusters[(round * lives.length + index) % clusters.length] as ClusterSnapshot;
      yield append(streams.cluster(cluster.name), comeAndGo(round), life.now());
    }
    const refused = { command: 'promote', subject: 'pipeline/pipeline-000', code: 'forbidden' };
    yield append('refusals', [{ type: 'CommandRefused', ...refused, detail: '' }], startAt + round);
  }
}

const badReport: Partial<TargetReport> = {
  phase: 'failed',
  health: 'degraded',
  message: 'Deployment main: the image cannot be pulled',
  terminal: true,
};

const certificateOf = (round: number) => ({
  serial: round.toString(16).padStart(16, '0'),
  issuedAt: startAt + round,
  expiresAt: startAt + round + 86_400_000,
});

const clusterEvents = ({ id, name, labels }: ClusterSnapshot): DomainEvent[] => [
  { type: 'ClusterAdded', id, name, project, labels },
  { type: 'JoinTokenIssued', hash: 'ab'.repeat(32), expiresAt: startAt + 600_000 },
  {
    type: 'ClusterEnrolled',
    id,
    clusterKeyHash: 'cd'.repeat(32),
    clusterUid: `uid of ${name}`,
    natsPublicKey: 'U',
    certificate: certificateOf(0),
    agentVersion: '0.1.0',
    claims: { kubernetes: '1.37.2' },
    means: 'join-token',
  },
  { type: 'ClusterConnected', instanceId: 'first', agentVersion: '0.1.0' },
];

const comeAndGo = (round: number): DomainEvent[] => [
  { type: 'ClusterOffline', lastSeenAt: startAt + round },
  {
    type: 'CertificateRenewed',
    natsPublicKey: 'U',
    certificate: certificateOf(round),
    agentVersion: '0.1.0',
  },
  { type: 'ClusterConnected', instanceId: `instance${round}`, agentVersion: '0.1.0' },
];

export const production = 'production' as StageName;
