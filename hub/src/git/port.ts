import type { Secret } from '@fairlead/shared/config';
import type { CommitId } from '@fairlead/shared/ids';

export type GitCredentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: Secret }
  | { readonly kind: 'token'; readonly token: Secret }
  /** `knownHosts` has the form of OpenSSH's file: a host that is not in it is refused. */
  | { readonly kind: 'ssh-key'; readonly privateKey: Secret; readonly knownHosts: string };

export type FetchRequest = {
  readonly url: string;
  readonly branch: string;
  /** The bare mirror; made when it does not exist. */
  readonly directory: string;
  readonly credentials?: GitCredentials;
  readonly signal?: AbortSignal;
};

export type RemoteRequest = Pick<FetchRequest, 'url' | 'credentials' | 'signal'>;

export type PushRequest = RemoteRequest & {
  /** The mirror that holds the commit under one of its refs. */
  readonly directory: string;
  /** In full, `refs/heads/…`. */
  readonly ref: string;
  readonly commit: CommitId;
  /** What the remote's ref must hold for the push to happen; absent: it must not be there. */
  readonly expected?: CommitId;
};

export type GitObjectType = 'commit' | 'tree' | 'blob' | 'tag';
export type GitObject = { readonly type: GitObjectType; readonly data: Uint8Array };

/**
 * What the hub needs of Git, over bare mirror directories. Two implementations pass one conformance suite. Everything
 * else in this module is a function over `readObject`. All operations throw `GitError`.
 */
export type Git = {
  /**
   * Brings the branch, without tags, into `refs/fairlead/branch/<branch>`, also after a force-push, and returns its head.
   * Nothing that was fetched once is ever collected.
   */
  readonly fetchMirror: (request: FetchRequest) => Promise<{ readonly head: CommitId }>;
  /** `object_not_found` when the mirror does not hold it, `limit_exceeded` above `bytesMax`. */
  readonly readObject: (
    directory: string,
    objectId: string,
    bytesMax?: number,
  ) => Promise<GitObject>;
  /** How many commits the first-parent line has from the root to `commit`, both included. */
  readonly countFirstParents: (directory: string, commit: CommitId) => Promise<number>;
  /** Those of `commits` that `head` does not contain; a commit that the mirror does not hold is one of them. */
  readonly unreachableFrom: (
    directory: string,
    head: CommitId,
    commits: readonly CommitId[],
  ) => Promise<ReadonlySet<CommitId>>;
  /** Keeps a commit fetchable under `refs/fairlead/releases/<commit>` when no branch contains it any more. */
  readonly keepRef: (directory: string, commit: CommitId) => Promise<void>;
  /** The remote's refs whose full names begin with `prefix`, and what they hold. */
  readonly listRemoteRefs: (
    request: RemoteRequest & { readonly prefix: string },
  ) => Promise<ReadonlyMap<string, CommitId>>;
  /**
   * Moves one ref of the remote, also backwards, if it holds what is expected. Throws `push_refused` when the remote did not
   * take it, whatever the reason: what it holds then is found out by listing, because an answer may get lost.
   */
  readonly pushRef: (request: PushRequest) => Promise<void>;
  /** The commits that are kept so. */
  readonly keptRefs: (directory: string) => Promise<ReadonlySet<CommitId>>;
  /** Keeps it no longer. The commit itself stays for as long as anything else reaches it, and until somebody collects. */
  readonly dropRef: (directory: string, commit: CommitId) => Promise<void>;
  readonly close: () => Promise<void>;
};
