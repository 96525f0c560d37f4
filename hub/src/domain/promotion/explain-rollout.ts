import { formatInstant, type Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../pipeline/definition.ts';
import { listOf } from '../rollout/index.ts';
import { agentFault } from './agent-version.ts';
import { batchGates, closedForAssignments, roomOf } from './batches.ts';
import type { GateResult, PlannedTarget } from './events.ts';
import { type FleetView, listed } from './fleet-view.ts';
import { isOpen } from './gates/index.ts';
import { get } from './persistent-map.ts';
import { assignedIn, batchToStart, startedTargets } from './running.ts';
import {
  type ActivePipeline,
  type ActiveRollout,
  type StageState,
  short,
  stageState,
} from './state.ts';
import { countOutcomes, judge, type Verdict } from './target-outcomes.ts';

/** What a running rollout waits for. */
export type RolloutExplanation = Pick<ActiveRollout, 'id' | 'release' | 'kind' | 'deadlineAt'> & {
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly total: number;
  /** From 1, as people count. */
  readonly batch: number;
  readonly batches: number;
  readonly paused?: { readonly reason: string; readonly at: Instant };
  /** Targets past the deadline that the rollout waits for, because they cannot be reached. */
  readonly waitsForOffline: readonly string[];
  /** Of the next batch, or of assignments of this one: what is not open. */
  readonly closed: readonly GateResult[];
  readonly summary: string;
};

type Context = {
  readonly state: ActivePipeline;
  readonly stage: StageDefinition;
  readonly inStage: StageState;
  readonly rollout: ActiveRollout;
  readonly fleet: FleetView;
};

const contextOf = (
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): Context | undefined => {
  const inStage = stageState(state, stage.name);
  const { rollout } = inStage;
  return rollout && { state, stage, inStage, rollout, fleet };
};

const openTargets = ({ rollout }: Context): readonly PlannedTarget[] =>
  startedTargets(rollout).filter(({ cluster }) => !get(rollout.outcomes, cluster));

/** Gates that keep the next batch, or the targets of this one that have no assignment yet. */
function closedGates(context: Context): readonly GateResult[] {
  const { rollout, inStage } = context;
  if (rollout.paused !== undefined) return [];
  if (batchToStart(rollout) !== undefined) {
    return batchGates(context).filter((gate) => !isOpen(gate));
  }
  const isWaiting = openTargets(context).some((target) => !assignedIn(inStage, rollout, target));
  return isWaiting ? closedForAssignments(context) : [];
}

export function explainRollout(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): RolloutExplanation | undefined {
  const context = contextOf(state, stage, fleet);
  if (context === undefined) return undefined;
  const { rollout } = context;
  const { id, release, kind, deadlineAt, paused } = rollout;
  const tooOld = openTargets(context).flatMap(({ cluster }) => {
    const known = fleet.clusters.get(cluster);
    return (known && agentFault(known)) ?? [];
  });
  const waitsForOffline = openTargets(context)
    .filter(
      (target) =>
        assignedIn(context.inStage, rollout, target) &&
        fleet.clusters.get(target.cluster)?.status !== 'connected' &&
        isPastDeadline(judge(context, target), rollout),
    )
    .map(({ clusterName }) => clusterName);
  const explanation = {
    id,
    release,
    kind,
    deadlineAt,
    ...countOutcomes(rollout),
    total: rollout.targets.length,
    batch: rollout.batch + 1,
    batches: rollout.batches.length,
    ...(paused === undefined ? {} : { paused }),
    waitsForOffline,
    closed: closedGates(context),
  };
  const blocked = tooOld.length === 0 ? '' : ` Blocked: ${listed(tooOld)}.`;
  return { ...explanation, summary: summaryOf(context, explanation) + blocked };
}

/** Open, not paused, and no time ends it: only the cluster's return does. */
const isPastDeadline = (verdict: Verdict, { paused }: ActiveRollout): boolean =>
  verdict.kind === 'open' && verdict.until === undefined && paused === undefined;

function summaryOf(
  context: Context,
  {
    succeeded,
    failed,
    skipped,
    total,
    batch,
    batches,
    waitsForOffline,
    closed,
  }: Omit<RolloutExplanation, 'summary'>,
): string {
  const { state, stage, rollout } = context;
  const name = short(rollout.release);
  const what =
    rollout.undoes === undefined
      ? `${name} is rolling out`
      : 'Targets return to what they ran before';
  const wave = batches > 1 ? ` in wave ${batch} of ${batches}` : '';
  const others = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ].map((part) => `, ${part}`);
  const running = `${what}${wave}: ${succeeded} of ${total} targets are healthy${others.join('')}`;
  const { paused } = rollout;
  if (paused !== undefined) {
    return (
      `${running}. It is paused (${paused.reason}): ` +
      `\`fairlead continue ${state.definition.name}/${stage.name}\` lets it go on.`
    );
  }
  const waits = closed.map(({ detail }) => detail);
  if (batchToStart(rollout) !== undefined) {
    return `${running}. The next wave waits${waits.length > 0 ? `: ${waits.join(' ')}` : ' for the next look.'}`;
  }
  if (waits.length > 0) return `${running}. What is not assigned yet waits: ${waits.join(' ')}`;
  if (waitsForOffline.length > 0) {
    return (
      `${running}. Blocked: offline ${listOf(waitsForOffline)}. It goes on when they return, or ` +
      'when their clusters are removed, or abort it.'
    );
  }
  const deadline = formatInstant(rollout.deadlineAt);
  return total === 1 || batches === 1
    ? `${running}, and it fails at ${deadline} unless all are.`
    : `${running}, and the wave's deadline is ${deadline}.`;
}

/**
 * In words, what keeps a target of the running rollout from its outcome, beyond what it said itself. What all targets
 * share is looked at once: a stage may have thousands.
 */
export function plannedBlockers(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): (cluster: PlannedTarget['cluster']) => string | undefined {
  const context = contextOf(state, stage, fleet);
  if (context === undefined) return () => undefined;
  const { rollout } = context;
  const places = new Map(
    rollout.batches.flatMap((targets, batch) =>
      targets.map((planned) => [planned.cluster, { planned, batch }] as const),
    ),
  );
  const closed = closedForAssignments(context).map(({ detail }) => detail);
  const room = roomOf(context);
  return (cluster) => {
    const place = places.get(cluster);
    return place && plannedBlocker(context, { ...place, closed, ...room });
  };
}

function plannedBlocker(
  context: Context,
  {
    planned,
    batch,
    closed,
    room,
    underWay,
  }: {
    readonly planned: PlannedTarget;
    readonly batch: number;
    readonly closed: readonly string[];
    readonly room: number;
    readonly underWay: number;
  },
): string | undefined {
  const { rollout } = context;
  const { cluster, clusterName } = planned;
  const outcome = get(rollout.outcomes, cluster);
  if (outcome?.outcome === 'skipped') {
    return `${clusterName} was skipped (${outcome.message}) and follows when it returns.`;
  }
  if (outcome !== undefined) return undefined;
  if (batch > rollout.batch) {
    return `${clusterName} waits for wave ${batch + 1} of ${rollout.batches.length}.`;
  }
  const verdict = judge(context, planned);
  if (verdict.kind !== 'open') return undefined;
  if (assignedIn(context.inStage, rollout, planned) !== undefined) {
    return verdict.waitsFor && `${clusterName} ${verdict.waitsFor}.`;
  }
  if (verdict.waitsFor !== undefined) return `${verdict.waitsFor}.`;
  if (rollout.paused !== undefined) return `${clusterName} waits: the rollout is paused.`;
  if (closed.length > 0) return `${clusterName} waits: ${closed.join(' ')}`;
  return room === 0
    ? `${clusterName} waits for one of the ${underWay} targets under way (maxConcurrent).`
    : `${clusterName} is assigned with the next look.`;
}

/** When time alone changes what becomes of a running rollout. */
export function rolloutWakes(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): (Instant | undefined)[] {
  const context = contextOf(state, stage, fleet);
  if (context === undefined) return [];
  return [
    ...openTargets(context).map((target) => {
      const verdict = judge(context, target);
      return verdict.kind === 'open' ? verdict.until : undefined;
    }),
    ...closedGates(context).map(({ clearsAt }) => clearsAt),
  ];
}
