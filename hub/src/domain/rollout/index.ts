// What a target must run: assignments composed from recorded decisions and the definition that they name.
// Pure; imports `ids` and the types of its sibling subjects.
export {
  type Assignment,
  composeAssignment,
  deletionOrderAgeMsMax,
  type Hypothesis,
  isStaleDeletion,
  resolvePath,
  supposeAssignment,
  treeRoot,
  withdrawnAssignment,
} from './assignment.ts';
