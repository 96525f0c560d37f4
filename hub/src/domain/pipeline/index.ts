// Pipelines and repositories as people define them: the parsed form, reading it from YAML with every fault at once and
// its place, and the checks against what is defined around it. Pure; imports `ids`, `result`, `time`, yaml and picomatch.
export { widenedPromotions } from './automatic-promotion.ts';
export { checkDefinition, type Surroundings } from './check-definition.ts';
export { completeDefinition, completeStage, releasePolicyDefault } from './defaults.ts';
export type {
  ApplyPolicy,
  ClusterSelector,
  GatePolicy,
  PipelineDefinition,
  RenderPolicy,
  RepositoryDefinition,
  RolloutPolicy,
  StageDefinition,
} from './definition.ts';
export { resourceDocument } from './document.ts';
export { bypassableGates } from './names.ts';
export type { Fault } from './reader.ts';
export { repositoryIdentity } from './repository-identity.ts';
export {
  type PlacedResource,
  parseResourceFiles,
  type ResourceFile,
  titleOfResource,
} from './resource-files.ts';
export { apiVersion, parseResources, type Resource, removeAnnotation } from './resources.ts';
export { stageNamed } from './stage-named.ts';
