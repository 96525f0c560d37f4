// Repositories at the edge: the port `Git` with a native and a JavaScript implementation, what is read from mirrors
// (commits, trees, what a receiver lacks), the discovery of releases, webhooks and the poller.
// Imports the core's types, `shared`, isomorphic-git and picomatch; it starts the `git` binary and reads no environment.
export { readGitCredentials } from './credentials.ts';
export {
  type DiscoverRequest,
  type Discovery,
  type DiscoveryMemory,
  discover,
  type PipelineDiscovery,
  type PipelineToDiscover,
  type ReleaseContent,
} from './discover.ts';
export { type FilesRequest, readFiles } from './files.ts';
export { GitError, type GitErrorCode, isGitError } from './git-error.ts';
export { createIsomorphicGit } from './isomorphic/isomorphic-git.ts';
export { createNativeGit, type NativeGitOptions } from './native/native-git.ts';
export type { Commit, TreeEntry, TreeEntryKind } from './object.ts';
export { openGit } from './open-git.ts';
export { createPathFilter, type PathFilter } from './path-filter.ts';
export { createPathTrees, type PathTrees } from './path-trees.ts';
export { silenceMs } from './poll-schedule.ts';
export {
  createRepositoryPoller,
  type PolledRepository,
  type PollFailure,
  type RepositoryPoller,
  type RepositoryPollerOptions,
} from './poller.ts';
export type {
  FetchRequest,
  Git,
  GitCredentials,
  GitObject,
  GitObjectType,
  PushRequest,
  RemoteRequest,
} from './port.ts';
export { checkBranchName, parseRemoteUrl, type RemoteUrl } from './remote-url.ts';
export { changedPaths, readCommit, readTree, resolvePath } from './tree.ts';
export {
  type TreeLimits,
  type TreeObject,
  type TreeObjectsRequest,
  treeObjects,
} from './tree-objects.ts';
export { firstParentWalk, isAncestor, type WalkOptions } from './walk.ts';
export {
  receiveWebhook,
  type WebhookHint,
  type WebhookRefusal,
  type WebhookRequest,
  type WebhookSource,
} from './webhook.ts';
