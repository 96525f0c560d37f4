import type { KubernetesObject } from '@fairlead/shared/manifest';
import { apiListPageObjects } from '../limits.ts';
import { connect } from './connection.ts';
import type { KubernetesAccess } from './credentials.ts';
import { createDiscovery } from './discovery.ts';
import {
  type ApplyOptions,
  addressOf,
  type Cluster,
  ClusterError,
  fieldManager,
  type ListOptions,
  type ObjectAddress,
  type Resource,
  userOf,
} from './port.ts';
import { followKind } from './watch.ts';

export function createKubernetesCluster(access: KubernetesAccess): Cluster {
  const connection = connect(access);
  const discovery = createDiscovery(connection);

  const served = async (
    { apiVersion, kind }: { apiVersion: string; kind: string },
    signal?: AbortSignal,
  ): Promise<Resource> => {
    const resource = await discovery.resourceOf(apiVersion, kind, signal);
    if (resource) return resource;
    throw new ClusterError('unknown_kind', `the cluster does not serve ${apiVersion} ${kind}`);
  };

  const apply = async (object: KubernetesObject, options: ApplyOptions) => {
    const { force, dryRun, as, signal } = options;
    const resource = await served(object, signal);
    const query = new URLSearchParams({ fieldManager, force: String(force) });
    if (dryRun) query.set('dryRun', 'All');
    const applied = await connection.json({
      method: 'PATCH',
      path: `${objectPath(resource, addressOf(object))}?${query}`,
      contentType: 'application/apply-patch+yaml',
      // JSON is YAML; writing it is many times faster.
      body: JSON.stringify(object),
      asUser: as && userOf(as),
      signal,
    });
    return applied as KubernetesObject;
  };

  return {
    resourceOf: discovery.resourceOf,
    resources: discovery.watchable,
    capabilities: discovery.capabilities,
    apply,
    setManagedFields: async (object, managedFields, signal, as) => {
      const { resourceVersion } = object.metadata;
      const path = objectPath(await served(object, signal), addressOf(object));
      const patched = await connection.json({
        method: 'PATCH',
        path: `${path}?${new URLSearchParams({ fieldManager })}`,
        contentType: 'application/json-patch+json',
        // The version in the object itself makes the API server refuse to write over a newer one.
        body: JSON.stringify([
          { op: 'replace', path: '/metadata/managedFields', value: managedFields },
          { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
        ]),
        asUser: as && userOf(as),
        signal,
      });
      return patched as KubernetesObject;
    },
    get: async (address, signal, as) => {
      const path = objectPath(await served(address, signal), address);
      const request = { method: 'GET', path, asUser: as && userOf(as), signal } as const;
      return absent(connection.json(request) as Promise<KubernetesObject>);
    },
    list: async (apiVersion, kind, list = {}) => {
      const resource = await served({ apiVersion, kind }, list.signal);
      const objects: KubernetesObject[] = [];
      const { objectsMax = Number.POSITIVE_INFINITY } = list;
      let continueFrom = '';
      do {
        const page = (await connection.json({
          method: 'GET',
          path: listPath(resource, list, {
            limit: String(Math.min(apiListPageObjects, objectsMax)),
            continue: continueFrom,
          }),
          asUser: list.as && userOf(list.as),
          signal: list.signal,
        })) as { metadata: { continue?: string }; items: KubernetesObject[] };
        for (const item of page.items) objects.push(Object.assign(item, { apiVersion, kind }));
        continueFrom = page.metadata.continue ?? '';
      } while (continueFrom !== '' && objects.length < objectsMax);
      return objects;
    },
    podLog: ({ namespace, name }, { container, linesMax, bytesMax, as, signal }) => {
      const query = new URLSearchParams({
        container,
        tailLines: String(linesMax),
        limitBytes: String(bytesMax),
      });
      return connection.text({
        method: 'GET',
        path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log?${query}`,
        accept: '*/*',
        asUser: as && userOf(as),
        signal,
      });
    },
    remove: async (address, { uid, propagation, as, signal }) => {
      const removed = await absent(
        connection.json({
          method: 'DELETE',
          path: objectPath(await served(address, signal), address),
          body: JSON.stringify({ propagationPolicy: propagation, preconditions: { uid } }),
          asUser: as && userOf(as),
          signal,
        }),
      );
      return removed !== undefined;
    },
    watch: (watch, onEvent) => {
      void followKind(
        {
          connection,
          resourceOf: () => discovery.resourceOf(watch.apiVersion, watch.kind, watch.signal),
          pathOf: (resource, query) => listPath(resource, watch, query),
        },
        watch,
        onEvent,
      );
    },
    close: async () => connection.close(),
  };
}

const basePath = ({ apiVersion }: Resource): string =>
  apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;

function objectPath(resource: Resource, address: ObjectAddress): string {
  const { plural, namespaced } = resource;
  if (namespaced && address.namespace === '') {
    throw new ClusterError('invalid', `${address.kind} ${address.name} needs a namespace`);
  }
  const scope = namespaced ? `/namespaces/${encodeURIComponent(address.namespace)}` : '';
  return `${basePath(resource)}${scope}/${plural}/${encodeURIComponent(address.name)}`;
}

function listPath(
  resource: Resource,
  { namespace, labelSelector }: Pick<ListOptions, 'namespace' | 'labelSelector'>,
  query: Record<string, string>,
): string {
  const scope =
    resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const parameters = new URLSearchParams(labelSelector ? { labelSelector } : {});
  for (const [name, value] of Object.entries(query)) if (value) parameters.set(name, value);
  return `${basePath(resource)}${scope}/${resource.plural}?${parameters}`;
}

/** The answer, or `undefined` where the API server says that there is no such object. */
async function absent<Value>(answer: Promise<Value>): Promise<Value | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'not_found') return undefined;
    throw error;
  }
}
