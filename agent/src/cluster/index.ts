// The agent's own cluster behind one port, `Cluster`: the Kubernetes API over HTTPS, and a cluster in memory with the same
// behaviour for tests that need thousands of runs. Only here is @kubernetes/client-node imported, for the rarer credentials:
// requests go over Node's HTTPS with keep-alive, because the agent must stay small and fast.
export type { KubernetesAccess } from './credentials.ts';
export { createKubernetesCluster } from './kubernetes.ts';
export {
  createMemoryCluster,
  type MemoryCluster,
  type MemoryOptions,
  type MemoryRequest,
} from './memory.ts';
export {
  type ApplyOptions,
  addressOf,
  addressOfKey,
  type Capabilities,
  type Cluster,
  ClusterError,
  type ClusterErrorCode,
  type FieldConflict,
  type FieldFault,
  fieldManager,
  type ListOptions,
  type ObjectAddress,
  type PodLogOptions,
  type RemoveOptions,
  type Resource,
  type ServiceAccount,
  userOf,
  type WatchEvent,
  type WatchOptions,
} from './port.ts';
