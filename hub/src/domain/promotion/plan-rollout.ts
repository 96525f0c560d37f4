import type { ClusterId, CommitId, RolloutId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../pipeline/definition.ts';
import { resolvePath } from '../rollout/index.ts';
import type { PipelineEvent, RolloutKind } from './events.ts';
import { clustersOf, type FleetView, pathFaults } from './fleet-view.ts';
import { get } from './persistent-map.ts';
import type { ClusterSnapshot } from './snapshot.ts';
import { type ActivePipeline, stageState } from './state.ts';

type EventOf<Type extends PipelineEvent['type']> = Extract<PipelineEvent, { type: Type }>;

/** The plan of a rollout names every target, and has to fit into one event of the log. */
const stageTargetsMax = 2_000;

/** The stage's targets now, or in words why a rollout could not start. */
export function plannedTargets(
  stage: StageDefinition,
  fleet: FleetView,
): { clusters: ClusterSnapshot[]; fault?: string } {
  const clusters = clustersOf(stage, fleet);
  const labels = Object.entries(stage.clusters?.matchLabels ?? {}).map((pair) => pair.join('='));
  if (clusters.length === 0) {
    return {
      clusters,
      fault: `Awaiting clusters: none that is enrolled has ${labels.join(', ')}.`,
    };
  }
  if (clusters.length > stageTargetsMax) {
    const fault = `${clusters.length} clusters match, a stage takes ${stageTargetsMax}: split it.`;
    return { clusters, fault };
  }
  const faults = pathFaults(stage, clusters);
  return faults.length === 0
    ? { clusters }
    : { clusters, fault: `${faults.join('; ')}: set the labels of the clusters.` };
}

/** One batch with every target; all its assignments carry the rollout's generation. */
export function startRollout(
  state: ActivePipeline,
  stage: StageDefinition,
  plan: {
    rolloutId: RolloutId;
    release: CommitId;
    kind: RolloutKind;
    clusters: readonly ClusterSnapshot[];
    at: Instant;
    watchedMs?: number;
  },
): EventOf<'RolloutStarted'> {
  const { rolloutId, release, kind, clusters, at, watchedMs } = plan;
  return {
    type: 'RolloutStarted',
    stage: stage.name,
    release,
    rolloutId,
    kind,
    generation: state.generation + 1,
    batches: [clusters.map(({ id, name }) => ({ cluster: id, clusterName: name }))],
    at,
    deadlineAt: at + stage.rollout.progressDeadlineMs,
    definitionRevision: state.revision,
    ...(watchedMs === undefined ? {} : { watchedMs }),
  };
}

/** Assignments of the running rollout that are not given yet: by the definition that it started with. */
export function rolloutAssignments(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const { rollout, targets } = stageState(state, stage.name);
  if (rollout === undefined) return [];
  const planned = state.definitions
    .get(rollout.revision)
    ?.stages.find(({ name }) => name === stage.name);
  return rollout.targets.flatMap(({ cluster }) => {
    const known = fleet.clusters.get(cluster);
    if (known === undefined || get(targets, cluster)?.rolloutId === rollout.id) return [];
    return assign(planned ?? stage, known, {
      release: rollout.release,
      generation: rollout.generation,
      definitionRevision: rollout.revision,
      cause: 'rollout',
      rolloutId: rollout.id,
      at: fleet.at,
    });
  });
}

type AssignmentPlan = Pick<
  EventOf<'TargetAssigned'>,
  'release' | 'generation' | 'definitionRevision' | 'cause' | 'rolloutId' | 'at'
>;

/** Nothing for a cluster whose labels do not give the path a value: a folder is never guessed. */
export function assign(
  stage: StageDefinition,
  cluster: { id: ClusterId } & Pick<ClusterSnapshot, 'name' | 'labels'>,
  plan: AssignmentPlan,
): PipelineEvent[] {
  const { path, missing } = resolvePath(stage.path, cluster);
  if (missing.length > 0) return [];
  const { id, name } = cluster;
  const event = { type: 'TargetAssigned', stage: stage.name, cluster: id, clusterName: name, path };
  return [{ ...event, ...plan } as EventOf<'TargetAssigned'>];
}
