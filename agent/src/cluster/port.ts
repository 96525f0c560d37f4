import type { KubernetesObject, ObjectKey } from '@fairlead/shared/manifest';

/** How the API server serves a kind. */
export type Resource = {
  readonly apiVersion: string;
  readonly kind: string;
  /** Lower-case plural, as in the path. */
  readonly plural: string;
  readonly namespaced: boolean;
  /** It has a status subresource, so some controller may report on its objects. */
  readonly hasStatus: boolean;
};

/** An object's address at one served version. */
export type ObjectAddress = {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for a cluster-scoped object. */
  readonly namespace: string;
  readonly name: string;
};

/** A service account in whose name, and with whose rights only, a request is made. */
export type ServiceAccount = { readonly namespace: string; readonly name: string };

/** What the cluster runs and serves, as Helm's charts ask for it. */
export type Capabilities = {
  /** As `v1.37.2`. */
  readonly kubeVersion: string;
  /** Each `group/version` and `group/version/kind` that is served, sorted. */
  readonly apiVersions: readonly string[];
};

export type ApplyOptions = {
  /** Take fields that another manager owns; without it such a field is a `conflict`. */
  readonly force: boolean;
  /** Ask what would be, and change nothing. */
  readonly dryRun?: boolean;
  /** Absent: the agent itself. */
  readonly as?: ServiceAccount;
  readonly signal?: AbortSignal;
};

export type RemoveOptions = {
  /** Remove only the very object that was looked at; another one under the same name stays. */
  readonly uid: string;
  readonly propagation: 'Background' | 'Foreground' | 'Orphan';
  readonly as?: ServiceAccount;
  readonly signal?: AbortSignal;
};

export type ListOptions = {
  readonly labelSelector?: string;
  /** Empty or absent: all namespaces. */
  readonly namespace?: string;
  /** No more than about so many are read; a full answer may not be all. */
  readonly objectsMax?: number;
  readonly as?: ServiceAccount;
  readonly signal?: AbortSignal;
};

export type PodLogOptions = {
  readonly container: string;
  /** From the end. */
  readonly linesMax: number;
  /** Of these lines no more than the first so many bytes are read. */
  readonly bytesMax: number;
  readonly as?: ServiceAccount;
  readonly signal?: AbortSignal;
};

export type WatchOptions = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly labelSelector?: string;
  readonly namespace?: string;
  /** Ends the watch. */
  readonly signal: AbortSignal;
};

/**
 * A watch begins with `listing`, one `present` an object and `listed`, and may begin anew at any time: what was not
 * `present` since the last `listing` is gone at `listed`. Between lists come `changed` and `gone`. `gone` is also said of
 * an object that no longer matches the selector; it carries the object's last state.
 */
export type WatchEvent =
  | { readonly type: 'listing' }
  | { readonly type: 'present'; readonly object: KubernetesObject }
  | { readonly type: 'listed' }
  | { readonly type: 'changed'; readonly object: KubernetesObject }
  | { readonly type: 'gone'; readonly object: KubernetesObject }
  /** It does not work now (no rights, no connection) and is tried again; for messages, nothing else follows from it. */
  | { readonly type: 'interrupted'; readonly error: ClusterError };

export type FieldConflict = { readonly manager: string; readonly field: string };

/** Why one field was refused; the reason is the API server's own word, such as `FieldValueInvalid`. */
export type FieldFault = {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
};

export type ClusterErrorCode =
  /** Fields belong to other managers; `conflicts` names them. */
  | 'conflict'
  /** The uid or version that was asked for is no longer there. */
  | 'precondition_failed'
  | 'forbidden'
  /** The API server refuses the object: schema, admission, immutable field, quota. */
  | 'invalid'
  /** Neither the object nor, for `unknown_kind`, its kind is served. */
  | 'not_found'
  | 'unknown_kind'
  /** The API server could not be reached or kept asking to wait; trying later may help. */
  | 'unavailable';

export class ClusterError extends Error {
  override name = 'ClusterError';
  readonly code: ClusterErrorCode;
  readonly status: number;
  readonly conflicts: readonly FieldConflict[];
  /** The fields that an `invalid` object was refused for, where the API server names them. */
  readonly faults: readonly FieldFault[];
  constructor(
    code: ClusterErrorCode,
    message: string,
    options: {
      status?: number;
      conflicts?: readonly FieldConflict[];
      faults?: readonly FieldFault[];
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.status = options.status ?? 0;
    this.conflicts = options.conflicts ?? [];
    this.faults = options.faults ?? [];
  }
}

/** The field manager of every write, and the name in `managedFields`. */
export const fieldManager = 'fairlead';

/** What the agent needs of its cluster. Every call throws `ClusterError`; waits, retries and answers are bounded. */
export type Cluster = {
  /** `undefined` when the kind is not served, after looking again if it was not known before. */
  readonly resourceOf: (
    apiVersion: string,
    kind: string,
    signal?: AbortSignal,
  ) => Promise<Resource | undefined>;
  /** Every kind that can be listed and watched, at its preferred version; `fresh` asks the API server again. */
  readonly resources: (
    signal?: AbortSignal,
    freshness?: 'fresh' | 'known',
  ) => Promise<readonly Resource[]>;
  /** Read again after a while, because a cluster is upgraded and gets new kinds. */
  readonly capabilities: (signal?: AbortSignal) => Promise<Capabilities>;
  /** Server-side apply by `fieldManager`; returns the object as it now is. */
  readonly apply: (object: KubernetesObject, options: ApplyOptions) => Promise<KubernetesObject>;
  /** Says anew who owns which field of the very version that was read; `precondition_failed` when it has changed. */
  readonly setManagedFields: (
    object: KubernetesObject,
    managedFields: readonly unknown[],
    signal?: AbortSignal,
    as?: ServiceAccount,
  ) => Promise<KubernetesObject>;
  readonly get: (
    address: ObjectAddress,
    signal?: AbortSignal,
    as?: ServiceAccount,
  ) => Promise<KubernetesObject | undefined>;
  readonly list: (
    apiVersion: string,
    kind: string,
    options?: ListOptions,
  ) => Promise<readonly KubernetesObject[]>;
  /** The last lines that a container wrote; `not_found` when the pod is gone, `invalid` while the container waits to start. */
  readonly podLog: (
    pod: Pick<ObjectAddress, 'namespace' | 'name'>,
    options: PodLogOptions,
  ) => Promise<string>;
  /** Says whether something was there to remove; `precondition_failed` when the name holds another uid now. */
  readonly remove: (address: ObjectAddress, options: RemoveOptions) => Promise<boolean>;
  /** Goes on until the signal is aborted, through lost connections and restarts of the API server. */
  readonly watch: (options: WatchOptions, onEvent: (event: WatchEvent) => void) => void;
  readonly close: () => Promise<void>;
};

/** The user as which Kubernetes knows a service account. */
export const userOf = ({ namespace, name }: ServiceAccount): string =>
  `system:serviceaccount:${namespace}:${name}`;

export const addressOf = (object: KubernetesObject): ObjectAddress => ({
  apiVersion: object.apiVersion,
  kind: object.kind,
  namespace: object.metadata.namespace ?? '',
  name: object.metadata.name,
});

export const addressOfKey = (key: ObjectKey, apiVersion: string): ObjectAddress => ({
  apiVersion,
  kind: key.kind,
  namespace: key.namespace,
  name: key.name,
});
