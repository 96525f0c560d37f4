// Drift without noise: our owned field set in `managedFields` tells whether anybody touched what we applied, which fields,
// and who. Also when a repeated repair is a fight to slow down. Pure; imports `manifest` only.
export { type Drift, type DriftOptions, type FieldDifference, fieldDiff } from './field-diff.ts';
export {
  type FightLimits,
  nextRepair,
  peaceful,
  type RepairHistory,
  recordRepair,
} from './fight.ts';
export {
  type FieldSet,
  type ManagedFieldsEntry,
  managedFieldsOf,
  ownedFields,
  ownedFieldsText,
} from './managed-fields.ts';
