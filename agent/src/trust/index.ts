// The cluster's own say in what its agent does: the policy and the trusted keys, which live in the agent's namespace, and the
// verdict on a commit's signature. Imports the cluster port, the journal's Git objects, the domain and `signature`.
export { createTrust, type TrustDependencies } from './trust.ts';
