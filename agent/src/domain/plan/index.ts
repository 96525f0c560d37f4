// What a unit does to its cluster, decided before anything is done: ownership stamps, order, and what goes at the end.
// Pure; imports `manifest`, `result`, `drift` and `link` types only.
export {
  isPruneDisabled,
  isReconcileDisabled,
  reasonToStay,
  replaceAnnotation,
  replaceConsent,
  replaceLossAnnotation,
} from './annotations.ts';
export { type Hook, hookOf, hookRunAnnotation } from './hooks.ts';
export { comparePositions, type Position, phaseOf, positionOf } from './order.ts';
export {
  type Owner,
  ownerAnnotation,
  ownerText,
  partOfLabel,
  stamp,
  unitOfOwner,
} from './ownership.ts';
export { planText } from './plan-text.ts';
export { type ApplyStep, type Plan, type PlanInput, plan } from './planner.ts';
export {
  containersOf,
  containsOf,
  type Kept,
  type LiveObject,
  type PruneDecision,
  type PrunePlan,
  type PrunePolicy,
  planPrune,
  planRemoval,
  type Removal,
} from './prune-plan.ts';
