// Real parts in a process tree, for scenario tests, the demo and benchmarks: Kubernetes control planes,
// Git servers, NATS, and any other program as a supervised child. Everything is AsyncDisposable, listens
// on loopback only, and is gone when the process that started it is gone, however that ended.
//
// May import Node built-ins, yaml and deploy/tools; knows nothing of the hub or the agent.

export { type Agent, installAgent, startAgent } from './agent.ts';
export { type CommandOptions, runCommand } from './command.ts';
export {
  type AuditEvent,
  type ControlPlane,
  type ControlPlaneOptions,
  startControlPlane,
} from './control-plane.ts';
export { freePort } from './free-port.ts';
export {
  type GitRepository,
  type GitRequestCounts,
  type GitServer,
  type GitServerOptions,
  startGitServer,
} from './git-server.ts';
export type { WebhookDelivery } from './git-webhook.ts';
export { type Hub, startHub } from './hub.ts';
export {
  type KubeObject,
  type KubeRequest,
  KubeRequestError,
  type KubeRequestOptions,
} from './kube-request.ts';
export { type NatsOptions, type NatsServer, startNats } from './nats.ts';
export {
  type ProcessExit,
  type ProcessOptions,
  type SupervisedProcess,
  startProcess,
} from './process.ts';
export {
  type ClusterPlan,
  type System,
  type SystemCluster,
  type SystemOptions,
  startSystem,
} from './system.ts';
export { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.ts';
export { type See, type WaitOptions, WaitTimeoutError, waitFor } from './wait-for.ts';
export {
  type CommitOptions,
  type PushOptions,
  type WorkingCopy,
  workingCopy,
} from './working-copy.ts';
