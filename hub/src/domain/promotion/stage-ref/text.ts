import type { StageDefinition } from '../../pipeline/definition.ts';
import { type ActivePipeline, short, stageState } from '../state.ts';

/** The branch at the repository's remote that tells what a stage runs. */
export const stageRefName = (pipeline: string, stage: string): string =>
  `refs/heads/fairlead/${pipeline}/${stage}`;

/** How often the hub puts one commit there: once, and once more after somebody deleted the ref. */
export const stageRefPushesMax = 2;

/** What keeps Git from telling what the stage runs, for a person. It never holds a release up. */
export function stageRefText(state: ActivePipeline, stage: StageDefinition): string | undefined {
  const { ref } = stageState(state, stage.name);
  if (ref === undefined) return undefined;
  const { halted, failure, mayOverwrite } = ref;
  const { name } = state.definition;
  const branch = stageRefName(name, stage.name).slice('refs/heads/'.length);
  if (halted !== undefined && halted.found !== mayOverwrite) {
    return (
      `Its branch ${branch} holds ${short(halted.found)}, which the hub did not put there, and is to hold ` +
      `${short(halted.commit)}: keep what is in it elsewhere and delete the branch, or let the hub take it with ` +
      `\`fairlead overwrite-ref ${name}/${stage.name} --found ${halted.found}\`.`
    );
  }
  return failure === undefined
    ? undefined
    : `Its branch ${branch} is not at ${short(failure.commit)}: ${failure.message}`;
}
