// The health of a Kubernetes object as a pure function of the object, and the worst of many. One file an API group, one
// table. Rules follow kstatus and the API's documentation, with their holes closed. Imports `manifest` only.

export { explain } from './explain.ts';
export { type HealthOptions, type HealthRule, hasOwnRule, healthOf } from './health.ts';
export { podTrouble } from './pod.ts';
export { mappingAt } from './read.ts';
export {
  type Health,
  healthRank,
  healthWorstFirst,
  type ObjectHealth,
  progressing,
  unknown,
  worstHealth,
} from './state.ts';
export { toneOf, toneOfCondition, toneOfPhase } from './words.ts';
