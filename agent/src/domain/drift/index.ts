// Drift without noise: our owned field set in `managedFields` tells whether anybody touched what we applied, which fields,
// and who. What of an object is left to others on purpose, and when a repeated repair is a fight to slow down. Pure; imports
// `manifest` and the types of `link` only.
export {
  changeDiff,
  type Drift,
  type DriftOptions,
  type FieldDifference,
  fieldDiff,
} from './field-diff.ts';
export {
  type FightLimits,
  fightEndsAtMs,
  nextRepair,
  peaceful,
  type RepairHistory,
  recordRepair,
} from './fight.ts';
export { type Ignored, ignoredOf, ignoreFaults } from './ignore.ts';
export {
  type FieldSet,
  type ManagedFieldsEntry,
  managedFieldsOf,
  ownedFields,
  ownedFieldsText,
} from './managed-fields.ts';
export { withoutIgnored, type Yielding } from './without-ignored.ts';
