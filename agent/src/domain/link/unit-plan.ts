import type { ObjectKey } from '@fairlead/shared/manifest';
import type { DriftReport } from './report.ts';

export const planActions = ['create', 'configure', 'prune', 'keep', 'refuse'] as const;
/** `keep`: the commit does not have it, and it stays. `refuse`: the API server would refuse it. */
export type PlanAction = (typeof planActions)[number];

export type PlannedObject = {
  readonly object: ObjectKey;
  readonly action: PlanAction;
  readonly differences: DriftReport['differences'];
  readonly differencesTotal: number;
  /** Why it is kept or refused, or what cannot be foreseen of it; else empty. */
  readonly message: string;
};

/** What an assignment would change, in order of applying and then of removal. */
export type UnitPlan = {
  /** Why there is no plan; empty when there is one. */
  readonly error: string;
  /** Those that would not stay as they are; at most `planObjectsMax`, and `totals` counts all. */
  readonly objects: readonly PlannedObject[];
  readonly totals: Readonly<Record<PlanAction | 'unchanged', number>>;
  /** Why the prune would be held; empty when it would not. */
  readonly pruneHeld: string;
};

export const failedPlan = (error: string): UnitPlan => ({
  error,
  objects: [],
  totals: { create: 0, configure: 0, prune: 0, keep: 0, refuse: 0, unchanged: 0 },
  pruneHeld: '',
});
