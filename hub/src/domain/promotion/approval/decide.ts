import type { StageDefinition } from '../../pipeline/definition.ts';
import type { PipelineCommand } from '../commands.ts';
import { type Decision, refuse } from '../decision.ts';
import type { ActivePipeline } from '../state.ts';

/** A person's word about one release in one stage. */
export function decideApproval(
  _state: ActivePipeline,
  stage: StageDefinition,
  _command: Extract<PipelineCommand, { type: 'approve' | 'reject' | 'withdraw-approval' }>,
): Decision {
  return refuse('no_approvals_asked', `${stage.name} asks for no approvals.`);
}
