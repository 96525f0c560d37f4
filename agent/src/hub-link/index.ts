// The agent's side of the link to the hub: its identity (enrol, renew, enrol again), the watch of assignments, the fetch
// of trees, and the pumps that bring beats, reports and audit events to the bus. Everything may be gone for any time:
// what was accepted and what is to be said lies in the journal.
//
// Imports the domain's types, `journal`, `reconcile`'s ports, `limits`, `shared`, @fairlead/proto, gRPC and NATS. The wire's
// types stop here.
export { createFetchTree, createLoadTree, type FetchTree } from './fetch-tree.ts';
export { expiresAtMs, type HubIdentity, type StoredIdentity } from './hub-identity.ts';
export {
  createHubLink,
  type HubLink,
  type HubLinkDependencies,
  type HubLinkLimits,
  type HubLinkStatus,
} from './hub-link.ts';
export {
  createIdentity,
  type IdentityDependencies,
  type IdentitySource,
  type IdentityStatus,
} from './identity.ts';
export {
  type IdentityStore,
  identitySecretName,
  type SecretAccess,
  secretIdentityStore,
} from './identity-store.ts';
