import type { StageDefinition } from '../pipeline/definition.ts';
import type { PipelineCommand } from './commands.ts';
import { type Decision, refuse } from './decision.ts';
import { type ActivePipeline, stageState } from './state.ts';

/** While a rollout is paused nothing more is assigned; what was assigned goes on. */
export function pauseOrContinue(
  state: ActivePipeline,
  stage: StageDefinition,
  command: Extract<PipelineCommand, { type: 'pause-rollout' | 'continue-rollout' }>,
): Decision {
  const { rollout } = stageState(state, stage.name);
  if (rollout === undefined) {
    return refuse('rollout_not_running', `No rollout is running in ${stage.name}.`);
  }
  const { reason, at } = command;
  const event = { stage: stage.name, rolloutId: rollout.id, reason, at };
  if (command.type === 'pause-rollout') {
    return rollout.paused
      ? refuse('rollout_already_paused', `It is paused already: ${rollout.paused.reason}.`)
      : { ok: true, value: [{ type: 'RolloutPaused', ...event }] };
  }
  return rollout.paused
    ? { ok: true, value: [{ type: 'RolloutContinued', ...event }] }
    : refuse('rollout_not_paused', `The rollout in ${stage.name} is not paused.`);
}
