// The agents' gRPC link: enrolment over TLS with a pinned authority, and Renew, WatchAssignments, FetchTree and AnswerPlan over
// mutual TLS, where the certificate alone names the cluster. Also the manifest that installs an agent.
//
// May import `auth/ca`, `auth/nats-accounts`, the domain, `field-values`, `git`'s errors, `limits`, `shared`, @fairlead/proto and
// @grpc/grpc-js; the last two stop here. Commands, read model and mirrors are passed in.
export { type AgentLink, type AgentLinkOptions, createAgentLink } from './agent-link.ts';
export { type InstallManifestOptions, renderInstallManifest } from './install-manifest.ts';
export { type DatedAssignment, type OfferedAssignment, offeredAssignments } from './offered.ts';
export type { PlanOutcome } from './plans.ts';
export type { ClusterCommands, TreeObject, TreeObjects } from './ports.ts';
