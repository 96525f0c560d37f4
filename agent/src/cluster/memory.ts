import { canonicalText, groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import { watchBackoffMsMin } from '../limits.ts';
import { memoryKinds, memoryVersion } from './memory-kinds.ts';
import {
  type ApplyOptions,
  type Cluster,
  ClusterError,
  fieldManager,
  type ListOptions,
  type ObjectAddress,
  type Resource,
  type ServiceAccount,
  userOf,
  type WatchEvent,
  type WatchOptions,
} from './port.ts';
import { mergeApply, mergeUpdate } from './server-side-apply.ts';

export type MemoryRequest = {
  readonly verb:
    | 'apply'
    | 'dry-run'
    | 'get'
    | 'list'
    | 'log'
    | 'remove'
    | 'set-managed-fields'
    | 'watch';
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** `system:serviceaccount:…` when the agent asks as somebody else. */
  readonly asUser?: string;
};

export type MemoryOptions = {
  /** Whether a service account may do it; absent, it may do nothing, as Kubernetes begins. */
  readonly mayDo?: (request: MemoryRequest) => boolean;
  /** Stands in for the controllers: the status of an object after each change of its specification. */
  readonly statusOf?: (object: KubernetesObject) => Record<string, unknown> | undefined;
  /** Sees every request before it is served; what it throws is the answer. */
  readonly onRequest?: (request: MemoryRequest) => void;
};

export type MemoryCluster = Cluster & {
  /** Somebody else changes an object, or makes it. */
  readonly edit: (
    address: ObjectAddress,
    manager: string,
    change: (object: KubernetesObject) => void,
  ) => KubernetesObject;
  readonly setStatus: (address: ObjectAddress, status: Record<string, unknown>) => void;
  /** Somebody else deletes an object. */
  readonly drop: (address: ObjectAddress) => void;
  readonly objects: () => readonly KubernetesObject[];
  /** What a container of a pod has written. */
  readonly setLog: (
    pod: { namespace: string; name: string },
    container: string,
    text: string,
  ) => void;
};

/** As over the wire, and several times faster than a structured clone. */
const copyOf = <Value>(value: Value): Value =>
  value === undefined ? value : JSON.parse(JSON.stringify(value));

type Watcher = { readonly options: WatchOptions; readonly send: (event: WatchEvent) => void };

const identity = (address: ObjectAddress): string =>
  [groupOf(address.apiVersion), address.kind, address.namespace, address.name].join('/');

const addressOfObject = ({ apiVersion, kind, metadata }: KubernetesObject): ObjectAddress => ({
  apiVersion,
  kind,
  namespace: metadata.namespace ?? '',
  name: metadata.name,
});

/** A cluster in memory: the same answers as an API server to what the agent asks, and no controllers but `statusOf`. */
export function createMemoryCluster(options: MemoryOptions = {}): MemoryCluster {
  const store = new Map<string, KubernetesObject>();
  const watchers = new Set<Watcher>();
  const logs = new Map<string, string>();
  const kinds = new Map<string, Resource>(
    memoryKinds.map((resource) => [`${resource.apiVersion}/${resource.kind}`, resource]),
  );
  let version = 0;
  let uids = 0;

  const notify = (before: KubernetesObject | undefined, after: KubernetesObject | undefined) => {
    for (const { options: watch, send } of watchers) {
      const was = before !== undefined && selects(watch, before);
      const is = after !== undefined && selects(watch, after);
      if (is) send({ type: 'changed', object: copyOf(after) });
      else if (was) send({ type: 'gone', object: copyOf(after ?? before) });
    }
  };

  const write = (object: KubernetesObject): KubernetesObject => {
    const id = identity(addressOfObject(object));
    const before = store.get(id);
    const isChanged = before === undefined || content(before) !== content(object);
    object.metadata.uid ??= `uid-${++uids}`;
    object.metadata.creationTimestamp ??= '2026-01-01T00:00:00Z';
    object.metadata.generation = (before?.metadata.generation ?? 0) + (isChanged ? 1 : 0);
    object.metadata.resourceVersion = String(++version);
    const status = isChanged ? options.statusOf?.(object) : undefined;
    if (status) object.status = status;
    store.set(id, object);
    if (object.kind === 'CustomResourceDefinition') define(object, kinds);
    notify(before, object);
    return copyOf(object);
  };

  const erase = (object: KubernetesObject) => {
    if ((object.metadata.finalizers ?? []).length > 0) {
      if (object.metadata.deletionTimestamp) return;
      const leaving = copyOf(object);
      leaving.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
      write(leaving);
      return;
    }
    store.delete(identity(addressOfObject(object)));
    const last = copyOf(object);
    last.metadata.resourceVersion = String(++version);
    notify(last, undefined);
  };

  const resourceOf = async (apiVersion: string, kind: string) => kinds.get(`${apiVersion}/${kind}`);

  const ask = async (verb: MemoryRequest['verb'], address: ObjectAddress, as?: ServiceAccount) => {
    const { apiVersion, kind, namespace, name } = address;
    const request = { verb, kind, namespace, name, ...(as ? { asUser: userOf(as) } : {}) };
    options.onRequest?.(request);
    if (as && !options.mayDo?.(request)) {
      const message = `${kind} "${name}" is forbidden: User "${userOf(as)}" cannot ${verb} it in the namespace "${namespace}"`;
      throw new ClusterError('forbidden', message, { status: 403 });
    }
    const resource = await resourceOf(apiVersion, kind);
    if (!resource) throw new ClusterError('unknown_kind', `${apiVersion} ${kind} is not served`);
    if (verb !== 'list' && verb !== 'watch' && resource.namespaced !== (namespace !== '')) {
      throw new ClusterError('invalid', `${kind} ${name}: wrong scope`);
    }
  };

  const merge = (live: KubernetesObject | undefined, object: KubernetesObject, force: boolean) => {
    const { apiVersion, kind, metadata } = object;
    const { name, namespace } = metadata;
    const base = live ?? { apiVersion, kind, metadata: { name, ...(namespace && { namespace }) } };
    const outcome = mergeApply(base, object, {
      manager: fieldManager,
      force,
      hasStatusSubresource: kinds.get(`${apiVersion}/${kind}`)?.hasStatus,
    });
    if ('merged' in outcome) return outcome.merged;
    const names = [...new Set(outcome.conflicts.map(({ manager }) => manager))];
    throw new ClusterError('conflict', `conflicts with ${names.join(', ')}`, {
      status: 409,
      conflicts: outcome.conflicts,
    });
  };

  const apply = async (object: KubernetesObject, { force, dryRun, as }: ApplyOptions) => {
    const address = addressOfObject(object);
    await ask(dryRun ? 'dry-run' : 'apply', address, as);
    const live = store.get(identity(address));
    checkPreconditions(live, object);
    const merged = merge(live, object, force);
    checkImmutable(live, merged);
    if (dryRun) return merged;
    if (live && canonicalText(live) === canonicalText(merged)) {
      return copyOf(live);
    }
    return write(merged);
  };

  const list = async (apiVersion: string, kind: string, where: ListOptions = {}) => {
    const place = { apiVersion, kind, namespace: where.namespace ?? '', name: '' };
    await ask('list', place, where.as);
    return [...store.values()]
      .filter((object) => selects({ apiVersion, kind, ...where }, object))
      .slice(0, where.objectsMax)
      .map((object) => copyOf(object));
  };

  return {
    resourceOf,
    capabilities: async () => ({
      kubeVersion: memoryVersion,
      apiVersions: [
        ...new Set([...kinds].flatMap(([key, { apiVersion }]) => [apiVersion, key])),
      ].sort(),
    }),
    resources: async () => [...kinds.values()],
    apply,
    setManagedFields: async (object, managedFields, _signal, as) => {
      const address = addressOfObject(object);
      await ask('set-managed-fields', address, as);
      const live = store.get(identity(address));
      if (!live) throw new ClusterError('not_found', `${object.kind} is not there`);
      checkPreconditions(live, object);
      const next = copyOf(live);
      next.metadata.managedFields = copyOf([...managedFields]);
      return write(next);
    },
    get: async (address, _signal, as) => {
      await ask('get', address, as);
      return copyOf(store.get(identity(address)));
    },
    list,
    podLog: async ({ namespace, name }, { container, linesMax, bytesMax, as }) => {
      const address = { apiVersion: 'v1', kind: 'Pod', namespace, name };
      await ask('log', address, as);
      if (!store.has(identity(address))) {
        throw new ClusterError('not_found', `pods "${name}" not found`, { status: 404 });
      }
      const text = logs.get([namespace, name, container].join('/')) ?? '';
      const lines = text.split(/(?<=\n)/).slice(-linesMax);
      return Buffer.from(lines.join('')).subarray(0, bytesMax).toString();
    },
    remove: async (address, { uid, as }) => {
      await ask('remove', address, as);
      const live = store.get(identity(address));
      if (!live) return false;
      if (live.metadata.uid !== uid) {
        throw new ClusterError('precondition_failed', `${address.name} has another uid now`);
      }
      erase(live);
      return true;
    },
    watch: (watch, onEvent) => {
      const watcher: Watcher = {
        options: watch,
        send: (event) => queueMicrotask(() => watch.signal.aborted || onEvent(event)),
      };
      const start = async (): Promise<void> => {
        try {
          const objects = await list(watch.apiVersion, watch.kind, watch);
          if (watch.signal.aborted) return;
          watchers.add(watcher);
          watch.signal.addEventListener('abort', () => watchers.delete(watcher), { once: true });
          watcher.send({ type: 'listing' });
          for (const object of objects) watcher.send({ type: 'present', object });
          watcher.send({ type: 'listed' });
        } catch (error) {
          if (watch.signal.aborted || !(error instanceof ClusterError)) return;
          watcher.send({ type: 'interrupted', error });
          setTimeout(() => void start(), watchBackoffMsMin).unref();
        }
      };
      void start();
    },
    close: async () => {
      watchers.clear();
    },
    edit: (address, manager, change) => {
      const live = store.get(identity(address));
      const { apiVersion, kind, namespace, name } = address;
      const base: KubernetesObject = live ?? {
        apiVersion,
        kind,
        metadata: { name, ...(namespace && { namespace }) },
      };
      const edited = copyOf(base);
      change(edited);
      const merged = mergeUpdate(base, edited, manager);
      const isFreed = merged.metadata.deletionTimestamp && !merged.metadata.finalizers?.length;
      const written = write(merged);
      if (isFreed) erase(store.get(identity(address)) as KubernetesObject);
      return written;
    },
    setStatus: (address, status) => {
      const live = store.get(identity(address));
      if (live) write({ ...copyOf(live), status });
    },
    drop: (address) => {
      const live = store.get(identity(address));
      if (live) erase(live);
    },
    objects: () => [...store.values()].map((object) => copyOf(object)),
    setLog: ({ namespace, name }, container, text) => {
      logs.set([namespace, name, container].join('/'), text);
    },
  };
}

function selects(
  where: Pick<WatchOptions, 'apiVersion' | 'kind' | 'labelSelector' | 'namespace'>,
  object: KubernetesObject,
): boolean {
  if (where.kind !== object.kind || groupOf(where.apiVersion) !== groupOf(object.apiVersion)) {
    return false;
  }
  if (where.namespace && where.namespace !== object.metadata.namespace) return false;
  const labels = object.metadata.labels ?? {};
  return (where.labelSelector ?? '').split(',').every((part) => {
    const isNot = part.includes('!=');
    const [name = '', value] = part.split(isNot ? '!=' : '=');
    if (name === '') return true;
    if (isNot) return labels[name] !== value;
    return value === undefined ? labels[name] !== undefined : labels[name] === value;
  });
}

function checkPreconditions(live: KubernetesObject | undefined, object: KubernetesObject): void {
  const { uid, resourceVersion } = object.metadata;
  if ((uid && uid !== live?.metadata.uid) || stale(resourceVersion, live)) {
    throw new ClusterError('precondition_failed', `${object.metadata.name} has changed`, {
      status: 409,
    });
  }
}

const stale = (asked: string | undefined, live: KubernetesObject | undefined): boolean =>
  asked !== undefined && asked !== live?.metadata.resourceVersion;

/** Fields that these kinds never change, as the API server refuses them. */
const immutableFields: Readonly<Record<string, string>> = {
  Deployment: 'selector',
  Job: 'template',
  PersistentVolumeClaim: 'storageClassName',
  StatefulSet: 'serviceName',
};

function checkImmutable(live: KubernetesObject | undefined, merged: KubernetesObject): void {
  const name = immutableFields[merged.kind];
  if (name === undefined || !live) return;
  const specField = ({ spec }: KubernetesObject) =>
    canonicalText((spec as Record<string, unknown> | undefined)?.[name]);
  // Only what has a value keeps it.
  if (specField(live) === '' || specField(live) === specField(merged)) return;
  const field = `spec.${name}`;
  const message = `${field}: Invalid value: field is immutable`;
  throw new ClusterError(
    'invalid',
    `${merged.kind} ${merged.metadata.name} is invalid: ${message}`,
    {
      status: 422,
      faults: [{ reason: 'FieldValueInvalid', field, message }],
    },
  );
}

/** What counts for `metadata.generation`. */
function content({ metadata: _, status: __, ...rest }: KubernetesObject): string {
  return canonicalText(rest);
}

function define(definition: KubernetesObject, kinds: Map<string, Resource>): void {
  const { group, scope, names, versions } = definition.spec as {
    group: string;
    scope: string;
    names: { kind: string; plural: string };
    versions: { name: string; subresources?: { status?: object } }[];
  };
  for (const { name, subresources } of versions) {
    const apiVersion = `${group}/${name}`;
    const { kind, plural } = names;
    kinds.set(`${apiVersion}/${kind}`, {
      apiVersion,
      kind,
      plural,
      namespaced: scope === 'Namespaced',
      hasStatus: subresources?.status !== undefined,
    });
  }
}
