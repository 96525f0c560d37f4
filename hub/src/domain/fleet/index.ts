// A cluster's registration: join tokens, enrolment, certificates, quarantine, revocation and removal, as a pure
// decider over one cluster name's stream. Imports `ids`, `result` and `time` only.
export type { ClusterCommand, ClusterRejection } from './commands.ts';
export { decideCluster } from './decide.ts';
export type { AheadUnit, CertificateRecord, ClusterEvent, EnrolmentRefusal } from './events.ts';
export { evolveCluster } from './evolve.ts';
export {
  type ClusterState,
  type Connection,
  type Enrolment,
  initialClusterState,
  type PresentCluster,
} from './state.ts';
export { type ClusterStatus, certificateAllowed, clusterStatus } from './status.ts';
