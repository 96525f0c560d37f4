// The agent's loop: accept, render, plan, apply, wait for health, prune, report, and then keep it so against drift. One
// turn a unit at a time, woken by assignments, watches and timers; every turn reads state and is safe to repeat.
// Imports the domain, the cluster port and limits; trees, rendering and the journal are passed in.
export { applySetIdOf } from './parent.ts';
export { type Bounds, scopeFault } from './permission.ts';
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
export {
  createReconciler,
  type Reconciler,
  type ReconcilerDependencies,
} from './reconciler.ts';
export { accountOf, withRemedy } from './unit-requests.ts';
