// What a target must run: assignments composed from recorded decisions and the definition that they name, and how a
// stage's clusters are shared out to waves.
// Pure; imports `ids` and the types of its sibling subjects.
export {
  type Assignment,
  composeAssignment,
  contentRoot,
  deletionOrderAgeMsMax,
  type Hypothesis,
  isStaleDeletion,
  resolvePath,
  supposeAssignment,
  treeRoot,
  withdrawnAssignment,
} from './assignment.ts';
export { composeVerificationOrder, type VerificationOrder } from './verification-order.ts';
export { amountAtLeastOne, amountOf, listOf, planWaves, type WavePlan } from './waves.ts';
