// The health of a Kubernetes object as a pure function of the object, and the worst of many. Imports `manifest` only.
export {
  type Health,
  healthRank,
  healthWorstFirst,
  type ObjectHealth,
  worstHealth,
} from './state.ts';
