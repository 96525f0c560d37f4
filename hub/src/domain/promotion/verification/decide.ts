import type { StageDefinition } from '../../pipeline/definition.ts';
import type { PipelineCommand } from '../commands.ts';
import { type Decision, refuse } from '../decision.ts';
import type { ActivePipeline } from '../state.ts';

/** Runs verifications again; the newest run counts. */
export function verifyAgain(
  _state: ActivePipeline,
  stage: StageDefinition,
  _command: Extract<PipelineCommand, { type: 'verify' }>,
): Decision {
  return refuse('no_verification', `${stage.name} asks for no verification.`);
}
