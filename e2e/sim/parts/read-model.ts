import type { ClusterId, PipelineName } from '@fairlead/shared/ids';
import type { RecordedEvent } from '../../../hub/src/decision-log/index.ts';
import type { ClusterEvent } from '../../../hub/src/domain/fleet/events.ts';
import {
  type ClusterState,
  evolveCluster,
  initialClusterState,
} from '../../../hub/src/domain/fleet/index.ts';
import type { PipelineDefinition } from '../../../hub/src/domain/pipeline/index.ts';
import type {
  ClusterSnapshot,
  PipelineEvent,
  TargetReport,
} from '../../../hub/src/domain/promotion/index.ts';
import {
  type Assignment,
  composeAssignment,
  withdrawnAssignment,
} from '../../../hub/src/domain/rollout/index.ts';

type Dated = { readonly assignment: Assignment; readonly assignedAt: number };

export type ReceivedReport = TargetReport & { readonly pipeline: string };

/** What the hub's queries would answer, in memory: folded from the log behind it, and from reports as they come. */
export type SimulatedReadModel = ReturnType<typeof createReadModel>;

export function createReadModel() {
  const clusters = new Map<string, ClusterState>();
  const definitions = new Map<string, Map<number, PipelineDefinition>>();
  const pipelines = new Map<string, PipelineDefinition>();
  const assignments = new Map<ClusterId, Map<string, Dated>>();
  const heldWithdrawals = new Map<string, readonly string[]>();
  const reports = new Map<string, { ordinal: number; report: ReceivedReport }>();
  const epochs = new Map<string, string[]>();
  const statusSince = new Map<string, number>();
  let position = 0;

  const ofCluster = (cluster: ClusterId) => {
    const known = assignments.get(cluster) ?? new Map<string, Dated>();
    assignments.set(cluster, known);
    return known;
  };

  const foldPipeline = (pipeline: string, event: PipelineEvent, assignedAt: number) => {
    switch (event.type) {
      case 'PipelineDefined': {
        const revisions = definitions.get(pipeline) ?? new Map();
        definitions.set(pipeline, revisions.set(event.revision, event.definition));
        pipelines.set(pipeline, event.definition);
        return;
      }
      case 'TargetAssigned': {
        const definition = definitions.get(pipeline)?.get(event.definitionRevision);
        const assignment = definition && composeAssignment(definition, event, undefined);
        if (!assignment) throw new Error(`${pipeline}/${event.stage} has no such revision`);
        ofCluster(event.cluster).set(`${pipeline}/${event.stage}`, { assignment, assignedAt });
        return;
      }
      case 'TargetWithdrawn': {
        const held = ofCluster(event.cluster);
        const before = held.get(`${pipeline}/${event.stage}`);
        if (before) {
          const assignment = withdrawnAssignment(before.assignment, event);
          held.set(`${pipeline}/${event.stage}`, { assignment, assignedAt });
        }
        return;
      }
      case 'WithdrawalHeld':
        heldWithdrawals.set(
          event.stage,
          event.targets.map(({ clusterName }) => clusterName),
        );
        return;
      case 'WithdrawalConfirmed':
      case 'WithdrawalReleased':
        heldWithdrawals.delete(event.stage);
        return;
      default:
        return;
    }
  };

  const ordinalOf = ({ cluster, agentEpoch }: ReceivedReport): number => {
    const known = epochs.get(cluster) ?? [];
    epochs.set(cluster, known);
    return known.includes(agentEpoch) ? known.indexOf(agentEpoch) : known.push(agentEpoch) - 1;
  };

  return {
    position: () => position,
    fold: (entry: RecordedEvent): void => {
      position = entry.position;
      const [subject, name = ''] = entry.stream.split('/');
      if (subject === 'pipeline')
        foldPipeline(name, entry.event as PipelineEvent, entry.recordedAt);
      if (subject === 'cluster') {
        const before = clusters.get(name) ?? initialClusterState;
        const after = evolveCluster(before, entry.event as ClusterEvent);
        clusters.set(name, after);
        if (presenceIn(before) !== presenceIn(after)) statusSince.set(name, entry.recordedAt);
      }
    },
    /** The newest of each target counts, whatever the order of arrival; says whether this one is. */
    recordReport: (report: ReceivedReport): boolean => {
      const key = `${report.pipeline}/${report.stage}/${report.cluster}`;
      const ordinal = ordinalOf(report);
      const before = reports.get(key);
      const isNewer =
        before === undefined ||
        ordinal > before.ordinal ||
        (ordinal === before.ordinal && report.sequence > before.report.sequence);
      if (isNewer) reports.set(key, { ordinal, report: withHealthTimes(report, before?.report) });
      return isNewer;
    },
    pipelineNames: (): PipelineName[] => [...pipelines.keys()] as PipelineName[],
    definitionOf: (pipeline: string) => pipelines.get(pipeline),
    clusterSnapshots: (): ClusterSnapshot[] =>
      [...clusters.values()].flatMap((state) => {
        if (state.status !== 'present') return [];
        const { id, name, labels, connection } = state;
        const lastSeenAt =
          connection?.status === 'offline' ? { lastSeenAt: connection.lastSeenAt } : {};
        const since = statusSince.get(name);
        return [
          {
            id,
            name,
            labels,
            status: statusOf(state),
            ...(since === undefined ? {} : { statusSince: since }),
            ...lastSeenAt,
          },
        ];
      }),
    clusterRows: () =>
      [...clusters.values()].flatMap((state) => {
        if (state.status !== 'present') return [];
        const { id, name, enrolment, connection, revoked } = state;
        const status = revoked ? 'revoked' : (connection?.status ?? (enrolment ? 'enrolled' : ''));
        return [{ id, name: name as string, status }];
      }),
    labelsOf: (name: string) => {
      const state = clusters.get(name);
      return state?.status === 'present' ? state.labels : {};
    },
    isMember: (name: string): boolean => {
      const state = clusters.get(name);
      return state?.status === 'present' && !state.revoked;
    },
    assignmentsOf: (cluster: ClusterId): readonly Assignment[] =>
      [...ofCluster(cluster).values()].map(({ assignment }) => assignment),
    datedAssignmentsOf: (cluster: ClusterId) =>
      [...ofCluster(cluster).values()].map((dated) => {
        const { pipeline, stage } = dated.assignment;
        const report = reports.get(`${pipeline}/${stage}/${cluster}`)?.report;
        return { ...dated, reportedGeneration: report?.generation ?? null };
      }),
    reportsOf: (pipeline: string): ReceivedReport[] =>
      [...reports.values()]
        .map(({ report }) => report)
        .filter((report) => report.pipeline === pipeline),
    heldWithdrawals: (): ReadonlyMap<string, readonly string[]> => heldWithdrawals,
  };
}

const presenceIn = (state: ClusterState): string =>
  state.status === 'present' ? statusOf(state) : state.status;

/** Since when every report of the generation was healthy, and how often one was not after that. */
function withHealthTimes(
  report: ReceivedReport,
  before: ReceivedReport | undefined,
): ReceivedReport {
  const same = before?.generation === report.generation ? before : undefined;
  const breaks = same?.healthBreaks ?? 0;
  if (report.health === 'healthy') {
    const healthySince = same?.healthySince ?? report.receivedAt;
    return { ...report, healthySince, healthBreaks: breaks };
  }
  const { healthySince: _, ...rest } = report;
  return { ...rest, healthBreaks: breaks + (same?.healthySince === undefined ? 0 : 1) };
}

function statusOf(state: Extract<ClusterState, { status: 'present' }>): ClusterSnapshot['status'] {
  if (state.revoked) return 'revoked';
  if (state.quarantinedInstanceIds !== undefined) return 'quarantined';
  if (state.enrolment === undefined) return 'pending';
  return state.connection?.status ?? 'offline';
}
