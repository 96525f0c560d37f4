// Finds the real programs that tests, the demo and benchmarks run: Kubernetes' control plane, etcd,
// NATS, kwok, kustomize, helm, sops and the render host. Each is looked for in the environment, on the PATH and in a cache of
// earlier builds; what is still missing is built with Go from the versions pinned in go.mod here.
//
// Imports only Node built-ins, because it runs before and without the workspace's packages.

export { type ToolName, toolNames } from './catalogue.ts';
export {
  type FindOptions,
  type FoundTool,
  findTool,
  findTools,
  locateTool,
  ToolError,
} from './find.ts';
export { kwokStages } from './kwok-stages.ts';
