import { ok } from '@fairlead/shared/result';
import type { StageDefinition } from '../pipeline/definition.ts';
import { deletionOrderAgeMsMax } from '../rollout/index.ts';
import type { PipelineCommand } from './commands.ts';
import { type Decision, refuse } from './decision.ts';
import type { PipelineEvent, RolloutTarget, WithdrawalCause } from './events.ts';
import { type FleetView, isMember } from './fleet-view.ts';
import { get, values } from './persistent-map.ts';
import {
  type ActivePipeline,
  type HeldWithdrawal,
  type RemovedPipeline,
  type StageState,
  stageState,
} from './state.ts';

/** More targets than this, and more than this part of the stage, leave it at once only when a person confirms it. */
export const withdrawalTargetsMax = 1;
export const withdrawalPercentMax = 30;

/**
 * Clusters that left a stage stop being its targets; what runs in them stays. A label or a selector that was mistyped
 * takes many clusters out at once: such a withdrawal waits for a person, and its targets keep what they were assigned.
 */
export function withdrawals(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const inStage = stageState(state, stage.name);
  const leaving = [...values(inStage.targets)].filter(
    ({ cluster }) => !isMember(stage, fleet, cluster),
  );
  const isGone = ({ cluster }: RolloutTarget): boolean => {
    const known = fleet.clusters.get(cluster);
    return known === undefined || known.status === 'revoked';
  };
  const gone = leaving.filter(isGone);
  if (gone.length > 0)
    return withdrawn(state, stage.name, gone, { cause: 'cluster-removed', fleet });
  const planned = plannedOnly(inStage, stage, fleet);
  if (planned.length > 0) {
    return withdrawn(state, stage.name, planned, { cause: 'unmatched', fleet });
  }
  return orHold(state, { name: stage.name, inStage, fleet, leaving, cause: 'unmatched' });
}

/** Targets of the running rollout that left before they were assigned anything: nobody needs to be asked. */
function plannedOnly(
  { rollout, targets }: StageState,
  stage: StageDefinition,
  fleet: FleetView,
): RolloutTarget[] {
  return (rollout?.targets ?? []).filter(
    ({ cluster }) => !isMember(stage, fleet, cluster) && !get(targets, cluster),
  );
}

/** Stages that the definition does not name any more: their rollouts end and their targets leave. */
export function removedStages(
  state: ActivePipeline,
  remaining: readonly StageDefinition[],
  fleet: FleetView,
): PipelineEvent[] {
  const names = new Set<string>(remaining.map(({ name }) => name));
  for (const [name, inStage] of state.stages) {
    if (names.has(name)) continue;
    const events = [
      ...abortion(name, inStage, 'the stage was removed'),
      ...orHold(state, {
        name,
        inStage,
        fleet,
        leaving: [...values(inStage.targets)],
        cause: 'stage-removed',
      }),
    ];
    if (events.length > 0) return events;
  }
  return [];
}

/** A pipeline is removed by its name, so nobody is asked again: its targets leave, and deletions that were ordered go on. */
export function advanceRemoved(state: RemovedPipeline, fleet: FleetView): PipelineEvent[] {
  let { generation } = state;
  const events = [...state.stages].flatMap(([name, inStage]): PipelineEvent[] => {
    const leaving = withdrawn({ generation }, name, [...values(inStage.targets)], {
      cause: 'pipeline-removed',
      fleet,
    });
    generation += leaving.length;
    return [...abortion(name, inStage, 'the pipeline was removed'), ...leaving];
  });
  return events.length > 0 ? events : deletionProgress(state, fleet);
}

type StageName = StageDefinition['name'];

function abortion(stage: StageName, { rollout }: StageState, reason: string): PipelineEvent[] {
  if (rollout === undefined) return [];
  const { id: rolloutId, release } = rollout;
  return [{ type: 'RolloutAborted', stage, rolloutId, release, reason }];
}

function withdrawn(
  state: { readonly generation: number },
  stage: StageName,
  targets: readonly RolloutTarget[],
  { cause, fleet }: { cause: WithdrawalCause; fleet: Pick<FleetView, 'at'> },
): PipelineEvent[] {
  return targets.map(({ cluster, clusterName }, index) => ({
    type: 'TargetWithdrawn',
    stage,
    cluster,
    clusterName,
    generation: state.generation + 1 + index,
    disposition: 'orphan',
    cause,
    at: fleet.at,
  }));
}

function orHold(
  state: ActivePipeline,
  withdrawal: {
    name: StageName;
    inStage: StageState;
    fleet: FleetView;
    leaving: readonly RolloutTarget[];
    cause: WithdrawalCause;
  },
): PipelineEvent[] {
  const { name: stage, inStage, fleet, leaving, cause } = withdrawal;
  const { heldWithdrawal } = inStage;
  const targetsTotal = inStage.targets.size;
  if (!needsConfirmation(leaving.length, targetsTotal)) {
    const released: PipelineEvent[] = heldWithdrawal ? [{ type: 'WithdrawalReleased', stage }] : [];
    return [...released, ...withdrawn(state, stage, leaving, { cause, fleet })];
  }
  const targets = leaving
    .map(({ cluster, clusterName }) => ({ cluster, clusterName }))
    .sort((left, right) => (left.clusterName < right.clusterName ? -1 : 1));
  if (heldWithdrawal?.cause === cause && sameTargets(heldWithdrawal.targets, targets)) return [];
  return [{ type: 'WithdrawalHeld', stage, targets, targetsTotal, cause }];
}

const needsConfirmation = (leaving: number, total: number): boolean =>
  leaving > withdrawalTargetsMax && 100 * leaving > withdrawalPercentMax * total;

const sameTargets = (left: readonly RolloutTarget[], right: readonly RolloutTarget[]): boolean =>
  left.length === right.length &&
  left.every(({ cluster }, index) => cluster === right[index]?.cluster);

/** Withdrawals of one decision; with more, what remains is held again under its own names. */
const withdrawalsAtOnceMax = 900;

/** Lets exactly those targets leave that the person was shown. */
export function confirmWithdrawal(
  state: ActivePipeline,
  command: Extract<PipelineCommand, { type: 'confirm-withdrawal' }>,
): Decision {
  const { stage, at } = command;
  const { heldWithdrawal } = stageState(state, stage);
  if (heldWithdrawal === undefined) {
    return refuse('no_withdrawal_to_confirm', `No withdrawal from ${stage} waits for anybody.`);
  }
  const { targets, cause } = heldWithdrawal;
  const held = targets.map(({ clusterName }) => clusterName);
  const named = new Set<string>(command.clusters);
  if (named.size !== held.length || held.some((name) => !named.has(name))) {
    return refuse('withdrawal_has_changed', `${heldText(heldWithdrawal)} Look at it again.`);
  }
  const leaving = withdrawn(state, stage, targets.slice(0, withdrawalsAtOnceMax), {
    cause,
    fleet: { at },
  });
  const { reason } = command;
  return ok([
    { type: 'WithdrawalConfirmed', stage, targets },
    ...leaving.map(
      (event) => ({ ...event, ...(reason === '' ? {} : { reason }) }) as PipelineEvent,
    ),
  ]);
}

const namedMax = 20;
export function heldText({ targets, targetsTotal, cause }: HeldWithdrawal): string {
  const names = targets.slice(0, namedMax).map(({ clusterName }) => clusterName);
  const more = targets.length > namedMax ? ` and ${targets.length - namedMax} more` : '';
  const why =
    cause === 'stage-removed' ? 'the stage was removed' : 'they do not match the stage any more';
  return (
    `${targets.length} of ${targetsTotal} targets would leave at once, because ${why}: ` +
    `${names.join(', ')}${more}.`
  );
}

/**
 * Orders to delete, on their way: done when the agent says so of exactly this order. One that no agent has taken up in
 * time is taken back, so that a cluster that returns after a week does not carry out what nobody remembers.
 */
export function deletionProgress(
  state: ActivePipeline | RemovedPipeline,
  fleet: FleetView,
): PipelineEvent[] {
  let { generation } = state;
  return [...state.stages].flatMap(([stage, inStage]) =>
    [...values(inStage.withdrawn)].flatMap((target): PipelineEvent[] => {
      const { cluster, clusterName, disposition, orderedAt } = target;
      if (disposition !== 'delete' || orderedAt === undefined) return [];
      const report = fleet.reportOf(stage, cluster);
      const isTakenUp = report?.generation === target.generation && report.receivedAt >= orderedAt;
      if (isTakenUp && report.phase === 'deleted') {
        const { message } = report;
        const deleted = { stage, cluster, clusterName, generation: target.generation, message };
        return [{ type: 'TargetDeleted', ...deleted }];
      }
      if (isTakenUp || fleet.at - orderedAt <= deletionOrderAgeMsMax) return [];
      return [
        {
          type: 'TargetWithdrawn',
          stage,
          cluster,
          clusterName,
          generation: ++generation,
          disposition: 'orphan',
          cause: 'deletion-expired',
          at: fleet.at,
        },
      ];
    }),
  );
}
