// The agent's loop: accept, render, plan, apply, wait for health, prune, report, and then keep it so against drift. One
// turn a unit at a time, woken by assignments, watches and timers; every turn reads state and is safe to repeat.
// Imports the domain, the cluster port and limits; trees, rendering and the journal are passed in.
//
// `reconciler` and `turn` are the loop. What a turn does, in its order: `prepare` (may it, and what is to be), `apply` (with
// hooks), `live` (what the watches and the health rules say), `prune`, `drift`, and `report` to the hub and the unit's object.

export type {
  Inventory,
  InventoryEntry,
  LoadTree,
  OnAudit,
  OnReport,
  ReconcileJournal,
  Refusal,
  Render,
  StepFailure,
  Tree,
  TreeFile,
  Trust,
  Verified,
} from './ports.ts';
export { type Bounds, scopeFault } from './prepare/permission.ts';
export {
  createReconciler,
  type Reconciler,
  type ReconcilerDependencies,
} from './reconciler.ts';
export { applySetIdOf } from './report/parent.ts';
export { accountOf, withRemedy } from './unit-requests.ts';
