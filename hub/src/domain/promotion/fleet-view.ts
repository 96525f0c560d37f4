import type { ClusterId, CommitId, StageName } from '@fairlead/shared/ids';
import { formatInstant } from '@fairlead/shared/time';
import type { StageDefinition } from '../pipeline/definition.ts';
import { resolvePath } from '../rollout/index.ts';
import {
  type ClusterSnapshot,
  type CommitStatus,
  type Snapshot,
  snapshotOf,
  type TargetReport,
} from './snapshot.ts';
import type { TargetState } from './state.ts';

/** A snapshot by what the planner asks it for. */
export type FleetView = Omit<Snapshot, 'clusters' | 'reports'> & {
  readonly clusters: ReadonlyMap<ClusterId, ClusterSnapshot>;
  readonly reportOf: (stage: StageName, cluster: ClusterId) => TargetReport | undefined;
  readonly statusOf: (commit: CommitId, name: string) => CommitStatus | undefined;
  readonly membersOf: (stage: StageDefinition) => StageMembers;
};

type StageMembers = {
  /** By name, so that plans do not depend on the order of a query. */
  readonly clusters: readonly ClusterSnapshot[];
  readonly ids: ReadonlySet<ClusterId>;
};

export function fleetView(snapshot: Snapshot): FleetView {
  const reports = new Map<StageName, Map<ClusterId, TargetReport>>();
  for (const report of snapshot.reports) {
    const ofStage = reports.get(report.stage) ?? new Map<ClusterId, TargetReport>();
    reports.set(report.stage, ofStage.set(report.cluster, report));
  }
  const byName = [...snapshot.clusters].sort((left, right) =>
    left.name < right.name ? -1 : left.name > right.name ? 1 : 0,
  );
  const statuses = new Map(
    snapshot.statuses.map((status) => [`${status.commit} ${status.name}`, status]),
  );
  // One look asks for the same clusters many times.
  const known = new Map<StageDefinition, StageMembers>();
  const membersOf = (stage: StageDefinition): StageMembers => {
    const found = known.get(stage);
    if (found !== undefined) return found;
    const clusters = byName.filter((cluster) => belongs(stage, cluster));
    const members = { clusters, ids: new Set(clusters.map(({ id }) => id)) };
    known.set(stage, members);
    return members;
  };
  return {
    ...snapshot,
    clusters: new Map(snapshot.clusters.map((cluster) => [cluster.id, cluster])),
    statusOf: (commit, name) => statuses.get(`${commit} ${name}`),
    reportOf: (stage, cluster) => reports.get(stage)?.get(cluster),
    membersOf,
  };
}

/**
 * Whether a cluster belongs to a stage. One that never enrolled joins when it does; a revoked one has left. Offline and
 * quarantined ones belong to it: that they cannot report is what a rollout has to wait for.
 */
export function belongs(stage: StageDefinition, cluster: ClusterSnapshot): boolean {
  if (cluster.status === 'pending' || cluster.status === 'revoked') return false;
  return selects(stage, cluster.labels);
}

/** A control stage selects nothing. */
export const selects = (
  { clusters }: StageDefinition,
  labels: Readonly<Record<string, string>>,
): boolean =>
  clusters !== undefined &&
  Object.entries(clusters.matchLabels).every(([key, value]) => labels[key] === value);

/** In the order of their names. */
export const clustersOf = (stage: StageDefinition, fleet: FleetView): readonly ClusterSnapshot[] =>
  fleet.membersOf(stage).clusters;

/** Whether the cluster is known and belongs to the stage. */
export const isMember = (stage: StageDefinition, fleet: FleetView, cluster: ClusterId): boolean =>
  fleet.membersOf(stage).ids.has(cluster);

/** The same, of a list as queries give it. */
export const clustersOfStage = (
  stage: StageDefinition,
  clusters: readonly ClusterSnapshot[],
): readonly ClusterSnapshot[] =>
  clustersOf(stage, fleetView(snapshotOf({ at: 0, clusters, reports: [] })));

/** Clusters of the stage whose labels do not give the stage's path a value, in words. */
export const pathFaults = (
  stage: StageDefinition,
  clusters: readonly ClusterSnapshot[],
): string[] =>
  clusters.flatMap((cluster) => {
    const { missing } = resolvePath(stage.path, cluster);
    return missing.length === 0
      ? []
      : [`${cluster.name} has no usable value for ${missing.join(', ')} of the stage's path`];
  });

/** The report that tells about exactly what the target was told, or nothing: anything else is no evidence. */
export function evidenceFor(
  fleet: FleetView,
  stage: StageName,
  target: TargetState,
): TargetReport | undefined {
  const report = fleet.reportOf(stage, target.cluster);
  if (report === undefined || report.generation !== target.generation) return undefined;
  if (report.commit !== target.release || report.receivedAt < target.assignedAt) return undefined;
  return report;
}

/** What a target said last about what it was told, for a person. */
export function lastSaid(fleet: FleetView, stage: StageName, target: TargetState): string {
  const cluster = fleet.clusters.get(target.cluster);
  const report = evidenceFor(fleet, stage, target);
  const presence =
    cluster === undefined || cluster.status === 'connected' ? '' : `${cluster.status}`;
  const since =
    cluster?.status === 'offline' && cluster.lastSeenAt
      ? ` since ${formatInstant(cluster.lastSeenAt)}`
      : '';
  const said =
    report === undefined
      ? 'has not reported on it yet'
      : `said ${report.phase}, ${report.health}${report.message ? `: ${report.message}` : ''}`;
  return `${target.clusterName} ${presence ? `is ${presence}${since} and ` : ''}${said}`;
}

const listedMax = 20;
/** A failure is read by a person: of a thousand clusters it names the first few and counts the rest. */
export const listed = (items: readonly string[]): string =>
  items.slice(0, listedMax).join('; ') +
  (items.length > listedMax ? `; and ${items.length - listedMax} more` : '');
