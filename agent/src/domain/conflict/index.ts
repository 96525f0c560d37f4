// Whose field is it: conflicts with other field managers, told apart from drift, and the hand-over of an object from the
// tool that deployed it before. Pure; imports `manifest`, and of the domain `drift` and `link`.
export { type DeployTool, deployToolOf, deployTools } from './deploy-tools.ts';
export { type FieldPath, fieldText } from './field-path.ts';
export { type HandOver, handOver, rivalTools } from './hand-over.ts';
export { rememberFields, remembers } from './remembered-fields.ts';
export {
  type Conflict,
  type ConflictInput,
  conflictsText,
  fieldsWithoutManager,
  type Settlement,
  settleConflicts,
  sharedFields,
} from './settle-conflicts.ts';
export { withoutFields } from './without-fields.ts';
