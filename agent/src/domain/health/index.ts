// The health of a Kubernetes object as a pure function of the object, and the worst of many. One file an API group, one
// table. Rules follow kstatus and the API's documentation, with their holes closed. Imports `manifest` only.
export { type HealthOptions, type HealthRule, hasOwnRule, healthOf } from './health.ts';
export { podTrouble } from './pod.ts';
export {
  type Health,
  healthRank,
  healthWorstFirst,
  type ObjectHealth,
  worstHealth,
} from './state.ts';
