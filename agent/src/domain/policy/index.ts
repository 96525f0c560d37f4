// What a cluster lets its agent do, whatever its hub asks for: the policy's document and the verdict on an assignment.
// Pure; imports the assignment and `result`.
export {
  type ClusterPolicy,
  openPolicy,
  parseClusterPolicy,
  policyEntry,
  policyName,
  trustedKeysName,
} from './cluster-policy.ts';
export { judgeAssignment, type Permit } from './judge.ts';
