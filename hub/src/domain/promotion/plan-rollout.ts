import type { ClusterId, CommitId, RolloutId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../pipeline/definition.ts';
import { planWaves, resolvePath } from '../rollout/index.ts';
import type { FreezeOverride, PipelineEvent, PlannedTarget, RolloutKind } from './events.ts';
import { clustersOf, type FleetView, pathFaults } from './fleet-view.ts';
import { get } from './persistent-map.ts';
import type { ClusterSnapshot } from './snapshot.ts';
import { type ActivePipeline, type StageState, stageState } from './state.ts';

type EventOf<Type extends PipelineEvent['type']> = Extract<PipelineEvent, { type: Type }>;

/** A plan of this many is seven events of one append, and its assignments follow in five appends. */
export const stageTargetsMax = 5_000;

/** Of the plan, what fits into one event of the log with the longest names and ids there are. */
const planTargetsPerEventMax = 750;

/** The stage's targets now, or in words why a rollout could not start. */
export function plannedTargets(
  stage: StageDefinition,
  fleet: FleetView,
): { clusters: readonly ClusterSnapshot[]; fault?: string } {
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
  const unresolved = pathFaults(stage, clusters);
  if (unresolved.length > 0) {
    return { clusters, fault: `${unresolved.join('; ')}: set the labels of the clusters.` };
  }
  const { faults } = planWaves(stage.rollout, clusters);
  return faults.length === 0
    ? { clusters }
    : { clusters, fault: `${faults.join('; ')}: change the waves or the labels of the clusters.` };
}

type RolloutPlan = {
  readonly rolloutId: RolloutId;
  readonly release: CommitId;
  readonly kind: RolloutKind;
  readonly at: Instant;
  readonly watchedMs?: number;
  readonly undoes?: RolloutId;
  readonly override?: FreezeOverride;
};

/**
 * The plan, complete: every target in exactly one batch, in the order of their names. A rollback has one batch, because
 * nobody wants to wait for it. All assignments carry the rollout's generation.
 */
export function startRollout(
  state: ActivePipeline,
  stage: StageDefinition,
  plan: RolloutPlan & { readonly clusters: readonly ClusterSnapshot[] },
): PipelineEvent[] {
  const { clusters, ...rest } = plan;
  const batches =
    plan.kind === 'rollback' ? [clusters] : planWaves(stage.rollout, clusters).batches;
  const planned = planTargets(stageState(state, stage.name), plan.release);
  return startPlan(state, stage, { ...rest, batches: batches.map((batch) => batch.map(planned)) });
}

/** What a target ran before is, of a release that is tried again, what it ran before the first try. */
export function planTargets({ targets, lastRollout }: StageState, release: CommitId) {
  const isRetry = lastRollout?.release === release && lastRollout.outcome !== 'succeeded';
  const before = new Map(
    isRetry ? lastRollout.targets.map(({ cluster, previous }) => [cluster, previous]) : [],
  );
  return ({ id, name }: Pick<ClusterSnapshot, 'id' | 'name'>): PlannedTarget => {
    const present = get(targets, id)?.release;
    const previous = present === release ? (before.get(id) ?? present) : present;
    return { cluster: id, clusterName: name, ...(previous === undefined ? {} : { previous }) };
  };
}

/** What does not fit into the first event follows in the same append, as extensions of their batches. */
export function startPlan(
  state: ActivePipeline,
  stage: StageDefinition,
  plan: RolloutPlan & { readonly batches: readonly (readonly PlannedTarget[])[] },
): PipelineEvent[] {
  const { batches, rolloutId, at, ...rest } = plan;
  const parts = partsOf(batches);
  const first = parts.shift() ?? [];
  const started: EventOf<'RolloutStarted'> = {
    type: 'RolloutStarted',
    stage: stage.name,
    rolloutId,
    ...rest,
    generation: state.generation + 1,
    batches: Array.from({ length: batches.length }, (_, batch) =>
      first.flatMap((part) => (part.batch === batch ? part.targets : [])),
    ),
    at,
    deadlineAt: at + stage.rollout.progressDeadlineMs,
    definitionRevision: state.revision,
  };
  const extensions = parts.flat().map(
    ({ batch, targets }): PipelineEvent => ({
      type: 'RolloutExtended',
      stage: stage.name,
      rolloutId,
      targets,
      batch,
    }),
  );
  return [started, ...extensions];
}

type PlanPart = { readonly batch: number; readonly targets: readonly PlannedTarget[] };

/** In the order of the plan; each part holds what one event takes. */
function partsOf(batches: readonly (readonly PlannedTarget[])[]): PlanPart[][] {
  const parts: PlanPart[][] = [[]];
  let room = planTargetsPerEventMax;
  for (const [batch, targets] of batches.entries()) {
    for (let start = 0; start < targets.length; ) {
      if (room === 0) {
        parts.push([]);
        room = planTargetsPerEventMax;
      }
      const taken = targets.slice(start, start + room);
      parts.at(-1)?.push({ batch, targets: taken });
      start += taken.length;
      room -= taken.length;
    }
  }
  return parts;
}

export type AssignmentPlan = Pick<
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
