// Where the agent's identity is kept: a Secret of its own namespace, reached by the cluster port.
// Imports `cluster`, `hub-link`'s types and `manifest`.
export { secretAccess } from './identity-secret.ts';
