// What the agent is told and what it says back, as domain types, and the rule for accepting an assignment (promise 5).
// Pure; imports `ids`, `manifest` and the health states only. The wire's generated types stop at `hub-link`.
export { type Acceptance, acceptAssignment, sameAssignment } from './accept.ts';
export {
  type AdoptPolicy,
  type ApplyOptions,
  type Assignment,
  type ConflictPolicy,
  type DeletionBudget,
  type Disposition,
  type DriftPolicy,
  deletionBudgetDefault,
  type HealthCheck,
  type IgnoreRule,
  type RenderOptions,
  type UnitId,
  unitIdOf,
  unitObjectName,
  type Verification,
} from './assignment.ts';
export type {
  AuditEntry,
  AuditKind,
  DriftReport,
  ObjectReport,
  UnitPhase,
  UnitReport,
} from './report.ts';
export {
  failedPlan,
  type PlanAction,
  type PlannedObject,
  planActions,
  type UnitPlan,
} from './unit-plan.ts';
