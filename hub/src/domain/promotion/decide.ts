import { canonicalText } from '@fairlead/shared/manifest';
import { ok, unreachable } from '@fairlead/shared/result';
import { mayDo } from '../hub/index.ts';
import { stageNamed, widenedPromotions } from '../pipeline/index.ts';
import { advance, advanceEventsMax } from './advance.ts';
import { decideApproval } from './approval/decide.ts';
import type { PipelineCommand } from './commands.ts';
import { type Decision, refuse } from './decision.ts';
import { deleteObjects } from './delete-objects.ts';
import { recordBranch } from './discovery.ts';
import { evidenceFor, fleetView } from './fleet-view.ts';
import { refuseFrozen } from './override.ts';
import { pauseOrContinue } from './pause.ts';
import { get } from './persistent-map.ts';
import { promote } from './promote.ts';
import { abortRollout, rollback } from './rollback.ts';
import { overwriteStageRef, recordStageRef } from './stage-ref/decide.ts';
import type { ActivePipeline, PipelineState } from './state.ts';
import { stageState } from './state.ts';
import { verifyAgain } from './verification/decide.ts';
import { advanceRemoved, confirmWithdrawal } from './withdrawal.ts';

type Command<Type extends PipelineCommand['type']> = Extract<PipelineCommand, { type: Type }>;

export function decidePipeline(state: PipelineState, command: PipelineCommand): Decision {
  if (command.type === 'define-pipeline') return define(state, command);
  if (state.status === 'undefined') {
    return refuse('pipeline_not_defined', 'No pipeline has this name. Define it first.');
  }
  if (command.type === 'delete-objects') return deleteObjects(state, command);
  if (state.status === 'removed') {
    if (command.type === 'advance') {
      return ok(advanceRemoved(state, fleetView(command.snapshot)).slice(0, advanceEventsMax));
    }
    return command.type === 'remove-pipeline'
      ? refuse('pipeline_already_removed', 'The pipeline was removed before.')
      : refuse('pipeline_not_defined', 'The pipeline was removed. Define it again first.');
  }
  // A stage that left the definition may have its withdrawal held as well.
  if (command.type === 'confirm-withdrawal') return confirmWithdrawal(state, command);
  return decideActive(state, command);
}

function decideActive(
  state: ActivePipeline,
  command: Exclude<
    PipelineCommand,
    { type: 'define-pipeline' | 'delete-objects' | 'confirm-withdrawal' }
  >,
): Decision {
  if ('stage' in command) return decideInStage(state, command);
  switch (command.type) {
    case 'remove-pipeline':
      return ok([{ type: 'PipelineRemoved' }]);
    case 'record-branch':
      return ok(recordBranch(state, command));
    case 'advance':
      return ok(advance(state, command));
    default:
      return unreachable(command);
  }
}

function decideInStage(
  state: ActivePipeline,
  command: Exclude<Extract<PipelineCommand, { stage: unknown }>, { type: 'confirm-withdrawal' }>,
): Decision {
  const { stage } = command;
  const definition = stageNamed(state.definition, stage);
  if (definition === undefined) {
    const names = state.definition.stages.map(({ name }) => name).join(', ');
    return refuse('stage_not_found', `${state.definition.name} has no stage ${stage}: ${names}.`);
  }
  const { hold } = stageState(state, stage);
  switch (command.type) {
    case 'promote':
      return promote(state, definition, command);
    case 'rollback':
      return rollback(state, definition, command);
    case 'hold-stage': {
      const { reason } = command;
      return hold && !hold.automatic
        ? refuse('stage_already_held', `${stage} is held already: ${hold.reason}.`)
        : ok([{ type: 'StageHeld', stage, reason, automatic: false }]);
    }
    case 'resume-stage':
      return hold
        ? ok([{ type: 'StageResumed', stage, reason: command.reason }])
        : refuse('stage_not_held', `${stage} is not held.`);
    case 'abort-rollout':
      return abortRollout(state, definition, command);
    case 'confirm-prune':
      return confirmPrune(state, command);
    case 'approve':
    case 'reject':
    case 'withdraw-approval':
      return decideApproval(state, definition, command);
    case 'pause-rollout':
    case 'continue-rollout':
      return pauseOrContinue(state, definition, command);
    case 'verify':
      return verifyAgain(state, definition, command);
    case 'record-stage-ref':
      return recordStageRef(state, definition, command);
    case 'overwrite-stage-ref':
      return overwriteStageRef(state, definition, command);
    default:
      return unreachable(command);
  }
}

function define(state: PipelineState, command: Command<'define-pipeline'>): Decision {
  const { definition, by } = command;
  if (state.status === 'active') {
    if (canonicalText(state.definition) === canonicalText(definition)) return ok([]);
    const { repository } = state.definition;
    if (repository !== definition.repository) {
      return refuse(
        'repository_changed',
        `${definition.name} promotes releases of ${repository}, and its history is about those: ` +
          'define another pipeline, or remove this one first.',
      );
    }
  }
  if (by !== undefined && !mayDo(by, 'allow-automatic-promotion')) {
    const widened = widenedPromotions(
      state.status === 'active' ? state.definition : undefined,
      definition,
    );
    if (widened.length > 0) {
      return refuse(
        'permission_missing',
        `${by.subject} may not let more be promoted by itself, which needs ` +
          `allow-automatic-promotion: ${widened.join('; ')}.`,
      );
    }
  }
  const revision = state.status === 'undefined' ? 1 : state.revision + 1;
  return ok([{ type: 'PipelineDefined', revision, definition }]);
}

function confirmPrune(state: ActivePipeline, command: Command<'confirm-prune'>): Decision {
  const { stage, cluster, clusterName, generation: held, digest } = command;
  const target = get(stageState(state, stage).targets, cluster);
  if (target === undefined || target.generation !== held) {
    const runs = target ? `has generation ${target.generation}` : 'is no target of the stage';
    return refuse('no_prune_to_confirm', `${clusterName} ${runs}: nothing of ${held} is held.`);
  }
  const fleet = fleetView(command.snapshot);
  const report = evidenceFor(fleet, stage, target);
  if (report?.phase !== 'prune-held') {
    return refuse('no_prune_to_confirm', `${clusterName} holds no prune of ${held} now.`);
  }
  const frozen = refuseFrozen(state, { name: stage }, fleet);
  if (frozen !== undefined) return frozen;
  if (report.pruneHeldDigest !== digest) {
    return refuse(
      'prune_has_changed',
      `${clusterName} holds another set of ${report.pruneHeldObjects} objects now: look at it again.`,
    );
  }
  const { release, path, revision, rolloutId } = target;
  return ok([
    {
      type: 'TargetAssigned',
      stage,
      cluster,
      clusterName,
      release,
      generation: state.generation + 1,
      path,
      definitionRevision: revision,
      cause: 'prune-confirmed',
      at: fleet.at,
      ...(rolloutId ? { rolloutId } : {}),
      confirmedPruneGeneration: held,
      confirmedPruneDigest: digest,
      confirmedPruneObjects: report.pruneHeldObjects,
    },
  ]);
}
