import { ok } from '@fairlead/shared/result';
import type { StageDefinition } from '../../pipeline/definition.ts';
import type { PipelineCommand } from '../commands.ts';
import { type Decision, refuse } from '../decision.ts';
import { type ActivePipeline, short, stageState } from '../state.ts';

type Command<Type extends PipelineCommand['type']> = Extract<PipelineCommand, { type: Type }>;

export function recordStageRef(
  state: ActivePipeline,
  stage: StageDefinition,
  command: Command<'record-stage-ref'>,
): Decision {
  const { ref, commit, outcome, at } = command;
  const of = { stage: stage.name, ref, commit };
  const known = stageState(state, stage.name).ref;
  switch (outcome.kind) {
    case 'pushed':
      return ok([{ type: 'StageRefPushed', ...of, at }]);
    case 'found': {
      const isKnown = known?.commit === commit && !known.halted && !known.failure;
      return ok(isKnown ? [] : [{ type: 'StageRefPushed', ...of, at, found: true }]);
    }
    case 'halted': {
      const { found } = outcome;
      if (known?.halted?.found === found && known.halted.commit === commit) return ok([]);
      return ok([{ type: 'StageRefHalted', ...of, found, at }]);
    }
    case 'failed': {
      const { message } = outcome;
      if (known?.failure?.message === message && known.failure.commit === commit) return ok([]);
      return ok([{ type: 'StageRefFailed', ...of, message, at }]);
    }
  }
}

export function overwriteStageRef(
  state: ActivePipeline,
  stage: StageDefinition,
  { found, reason }: Command<'overwrite-stage-ref'>,
): Decision {
  const halted = stageState(state, stage.name).ref?.halted;
  if (halted?.found !== found) {
    const now = halted ? `it holds ${short(halted.found)}` : 'nothing halts it';
    return refuse(
      'no_stage_ref_to_overwrite',
      `The ref of ${stage.name} is not halted by ${short(found)}: ${now}.`,
    );
  }
  return ok([{ type: 'StageRefOverwriteAllowed', stage: stage.name, found, reason }]);
}
