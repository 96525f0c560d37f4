import type { CommitId, RepositoryName } from '@fairlead/shared/ids';
import type { Result } from '@fairlead/shared/result';
import type { Actor } from '../decision-log/index.ts';
import type { ClusterCommand, ClusterState } from '../domain/fleet/index.ts';

/** What the link needs of `commands`: fold–decide–append on one cluster's stream, and its present. */
export type ClusterCommands = {
  readonly cluster: (
    name: string,
    command: ClusterCommand,
    actor: Actor,
  ) => Promise<
    Result<{ readonly state: ClusterState }, { readonly code: string; readonly detail?: string }>
  >;
  readonly clusterState: (name: string) => Promise<ClusterState>;
};

export type TreeObject = {
  readonly oid: string;
  readonly type: 'commit' | 'tree' | 'blob';
  readonly data: Uint8Array;
};

/** What a receiver lacks of `root` at `commit`; `git` has it, for a repository's mirror. */
export type TreeObjects = (request: {
  repository: RepositoryName;
  commit: CommitId;
  root: string;
  haveCommits: readonly CommitId[];
  /** Of the commit itself and the trees above `root`. */
  haveObjects: ReadonlySet<string>;
  /** Sent before in the same answer; what is sent now is added. */
  sent: Set<string>;
}) => AsyncIterable<TreeObject>;
