import type { PipelineDefinition, StageDefinition } from './definition.ts';

/** Nothing for a stage that the definition does not have, or without a definition. */
export const stageNamed = (
  definition: PipelineDefinition | undefined,
  name: string,
): StageDefinition | undefined => definition?.stages.find((stage) => stage.name === name);
