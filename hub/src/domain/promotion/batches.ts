import type { StageDefinition } from '../pipeline/definition.ts';
import { amountAtLeastOne } from '../rollout/index.ts';
import { agentFault } from './agent-version.ts';
import type { GateName, GateResult, PipelineEvent } from './events.ts';
import { clustersOf, type FleetView, pathFaults } from './fleet-view.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { get } from './persistent-map.ts';
import { assign, planTargets, stageTargetsMax } from './plan-rollout.ts';
import { assignedIn, batchToStart, isRollback, stageOfRollout, startedTargets } from './running.ts';
import type { ClusterSnapshot } from './snapshot.ts';
import {
  type ActivePipeline,
  type ActiveRollout,
  releaseOf,
  type StageState,
  stageState,
} from './state.ts';
import type { Step } from './step.ts';
import { isRevoked } from './verification/needs.ts';

/** Lets joined clusters take part, and starts the next batch of the running rollout. */
export const batchSteps: Step = (state, stage, { fleet }) => {
  const inStage = stageState(state, stage.name);
  const { rollout } = inStage;
  if (rollout === undefined) return [];
  const extension = joined(state, stage, fleet);
  if (extension.length > 0) return extension;
  const batch = batchToStart(rollout);
  if (batch === undefined || rollout.paused !== undefined) return [];
  const gates = batchGates({ state, stage, inStage, rollout, fleet });
  if (!gates.every(isOpen)) return [];
  const { progressDeadlineMs } = stageOfRollout(state, stage, rollout).rollout;
  return [
    {
      type: 'BatchStarted',
      stage: stage.name,
      rolloutId: rollout.id,
      batch,
      definitionRevision: state.revision,
      gates,
      at: fleet.at,
      deadlineAt: fleet.at + progressDeadlineMs,
    },
  ];
};

/** A rollback returns what it returns, and takes nobody along. */
function joined(state: ActivePipeline, stage: StageDefinition, fleet: FleetView): PipelineEvent[] {
  const inStage = stageState(state, stage.name);
  const { rollout, heldWithdrawal } = inStage;
  if (rollout === undefined || isRollback(rollout)) return [];
  if (stageOfRollout(state, stage, rollout).rollout.lateJoin !== 'append') return [];
  const known = new Set([
    ...rollout.targets.map(({ cluster }) => cluster),
    ...(heldWithdrawal?.targets ?? []).map(({ cluster }) => cluster),
  ]);
  const joining = clustersOf(stage, fleet)
    .filter((cluster) => !known.has(cluster.id) && pathFaults(stage, [cluster]).length === 0)
    .slice(0, Math.min(joinedAtOnceMax, stageTargetsMax - rollout.targets.length))
    .map(planTargets(inStage, rollout.release));
  if (joining.length === 0) return [];
  return [{ type: 'RolloutExtended', stage: stage.name, rolloutId: rollout.id, targets: joining }];
}

/** Keeps the event within the size that the log takes; the rest joins with the next step. */
const joinedAtOnceMax = 500;

type BatchContext = {
  readonly state: ActivePipeline;
  readonly stage: StageDefinition;
  readonly inStage: StageState;
  readonly rollout: ActiveRollout;
  readonly fleet: FleetView;
};

/** What is asked again for each batch: windows and freezes, and what the definition asks for since the admission. */
export const batchGates = (context: BatchContext): GateResult[] =>
  gatesOf(context, [
    ...(isRollback(context.rollout) ? [] : [...changedGates(context), ...revokedGates(context)]),
    ...assignmentGates(context.rollout),
  ]);

/** Asked for every single assignment: none is given in a freeze or while the windows are closed. */
const assignmentGates = (rollout: ActiveRollout): GateName[] =>
  isRollback(rollout) ? ['freeze'] : ['window', 'freeze'];

function gatesOf(
  { state, stage, inStage, rollout, fleet }: BatchContext,
  names: readonly GateName[],
): GateResult[] {
  const release = releaseOf(state, rollout.release);
  if (release === undefined) return [];
  return evaluateGates({ state, stage, inStage, release, at: fleet.at, fleet }, names);
}

/** A verification that has failed since the admission stops the batches that have not started (GATE-09). */
const revokedGates = ({ state, stage, inStage, rollout }: BatchContext): GateName[] =>
  isRevoked(inStage, rollout.release) &&
  !changedGates({ state, stage, rollout }).includes('verification')
    ? ['verification']
    : [];

/** Gates of which the definition in force asks otherwise than the one that the rollout was admitted by. */
function changedGates({
  state,
  stage,
  rollout,
}: Pick<BatchContext, 'state' | 'stage' | 'rollout'>): GateName[] {
  if (rollout.revision === state.revision) return [];
  const admitted = stageOfRollout(state, stage, rollout).gates;
  const { gates } = stage;
  const parts: readonly [GateName, (policy: typeof gates) => unknown][] = [
    ['soak', ({ soakMs, soakUnhealthy, soakUnknown }) => [soakMs, soakUnhealthy, soakUnknown]],
    ['verification', ({ verifications }) => verifications],
    ['metric', ({ metrics }) => metrics],
    ['status', ({ statuses }) => statuses],
    ['approval', ({ approvals }) => approvals],
  ];
  return parts
    .filter(([, part]) => JSON.stringify(part(gates)) !== JSON.stringify(part(admitted)))
    .map(([name]) => name);
}

/** Why the targets of the started batches that wait for their assignment have to wait, beyond the room there is. */
export const closedForAssignments = (context: BatchContext): GateResult[] =>
  gatesOf(context, assignmentGates(context.rollout)).filter((gate) => !isOpen(gate));

/** How many more targets may be under way, and how many are. */
export function roomOf({ state, stage, inStage, rollout }: BatchContext): {
  readonly room: number;
  readonly underWay: number;
} {
  const { maxConcurrent } = stageOfRollout(state, stage, rollout).rollout;
  const underWay = startedTargets(rollout).filter(
    (planned) => assignedIn(inStage, rollout, planned) && !get(rollout.outcomes, planned.cluster),
  ).length;
  if (maxConcurrent === undefined || isRollback(rollout)) return { room: Infinity, underWay };
  const most = amountAtLeastOne(maxConcurrent, rollout.targets.length);
  return { room: Math.max(0, most - underWay), underWay };
}

/**
 * Assignments of the started batches that are not given yet, as many as may be under way: by the definition that the
 * rollout started with, and to clusters that can be reached first.
 */
export function rolloutAssignments(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const inStage = stageState(state, stage.name);
  const { rollout } = inStage;
  if (rollout === undefined || rollout.paused !== undefined) return [];
  const waiting = startedTargets(rollout).filter(
    (planned) => !get(rollout.outcomes, planned.cluster) && !assignedIn(inStage, rollout, planned),
  );
  if (waiting.length === 0) return [];
  const context = { state, stage, inStage, rollout, fleet };
  const { room } = roomOf(context);
  if (room === 0 || closedForAssignments(context).length > 0) return [];
  const planned = stageOfRollout(state, stage, rollout);
  const isReachable = ({ status }: ClusterSnapshot) => status === 'connected';
  const clusters = waiting.flatMap(({ cluster, release = rollout.release }) => {
    const known = fleet.clusters.get(cluster);
    return known === undefined || agentFault(known) ? [] : [{ known, release }];
  });
  const inOrder = [
    ...clusters.filter(({ known }) => isReachable(known)),
    ...clusters.filter(({ known }) => !isReachable(known)),
  ];
  let { generation } = state;
  const assignments: PipelineEvent[] = [];
  for (const { known, release } of inOrder) {
    if (assignments.length >= room) break;
    const { targets, withdrawn } = inStage;
    const held = get(targets, known.id) ?? get(withdrawn, known.id);
    // Something newer was said to it since the plan was made, and an agent refuses what is older.
    const isBehind = held !== undefined && held.generation >= rollout.generation;
    const events = assign(planned, known, {
      release,
      generation: isBehind ? generation + 1 : rollout.generation,
      definitionRevision: rollout.revision,
      cause: 'rollout',
      rolloutId: rollout.id,
      at: fleet.at,
    });
    if (isBehind) generation += events.length;
    assignments.push(...events);
  }
  return assignments;
}
