import { capabilitiesAgeMsMax, discoveryAgeMsMin } from '../limits.ts';
import type { Connection } from './connection.ts';
import type { Capabilities, Resource } from './port.ts';

type AggregatedDiscovery = {
  items: {
    metadata?: { name?: string };
    versions: {
      version: string;
      resources?: {
        resource: string;
        responseKind?: { kind: string };
        scope: 'Namespaced' | 'Cluster';
        verbs: string[];
        subresources?: { subresource: string }[];
      }[];
    }[];
  }[];
};

export type Discovery = {
  readonly resourceOf: (
    apiVersion: string,
    kind: string,
    signal?: AbortSignal,
  ) => Promise<Resource | undefined>;
  readonly watchable: (
    signal?: AbortSignal,
    freshness?: 'fresh' | 'known',
  ) => Promise<readonly Resource[]>;
  readonly capabilities: (signal?: AbortSignal) => Promise<Capabilities>;
};

const accept =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';

type Served = {
  readonly byKind: ReadonlyMap<string, Resource>;
  readonly watchable: readonly Resource[];
  readonly readAt: number;
};

/** What the API server serves, read in two requests and read again when a kind is asked for that is not known. */
export function createDiscovery(connection: Connection): Discovery {
  let served: Promise<Served> | undefined;
  /** The newest that was read. */
  let known: Served | undefined;
  let capable: { readonly atMs: number; readonly value: Promise<Capabilities> } | undefined;

  const read = async (signal?: AbortSignal): Promise<Served> => {
    const lists = (await Promise.all(
      ['/api', '/apis'].map((path) => connection.json({ method: 'GET', path, accept, signal })),
    )) as AggregatedDiscovery[];
    const byKind = new Map<string, Resource>();
    const watchable: Resource[] = [];
    for (const group of lists.flatMap((list) => list.items)) {
      const groupName = group.metadata?.name ?? '';
      const seen = new Set<string>();
      for (const { version, resources } of group.versions) {
        for (const served of resources ?? []) {
          const { resource, responseKind, scope, verbs, subresources } = served;
          if (!responseKind?.kind) continue;
          const found: Resource = {
            apiVersion: groupName === '' ? version : `${groupName}/${version}`,
            kind: responseKind.kind,
            plural: resource,
            namespaced: scope === 'Namespaced',
            hasStatus: (subresources ?? []).some(({ subresource }) => subresource === 'status'),
          };
          byKind.set(`${found.apiVersion}/${found.kind}`, found);
          // Versions come in the server's order of preference.
          if (!seen.has(found.kind) && verbs.includes('list') && verbs.includes('watch')) {
            seen.add(found.kind);
            watchable.push(found);
          }
        }
      }
    }
    known = { byKind, watchable, readAt: performance.now() };
    return known;
  };

  const current = (ageMsMax: number, signal?: AbortSignal): Promise<Served> => {
    const reading = (async () => {
      const held = await served?.catch(() => undefined);
      return held && performance.now() - held.readAt <= ageMsMax ? held : read(signal);
    })();
    served = reading;
    reading.catch(() => {
      if (served === reading) served = undefined;
    });
    return reading;
  };

  return {
    resourceOf: async (apiVersion, kind, signal) => {
      const key = `${apiVersion}/${kind}`;
      // Asked several times for each object, so what was read is looked at first without waiting.
      const found =
        known?.byKind.get(key) ?? (await current(Number.POSITIVE_INFINITY, signal)).byKind.get(key);
      // A kind may be new because its definition was applied a moment ago.
      return found ?? (await current(discoveryAgeMsMin, signal)).byKind.get(key);
    },
    capabilities: async (signal) => {
      if (capable && performance.now() - capable.atMs <= capabilitiesAgeMsMax) return capable.value;
      const value = (async (): Promise<Capabilities> => {
        const { byKind } = await current(capabilitiesAgeMsMax, signal);
        const version = (await connection.json({ method: 'GET', path: '/version', signal })) as {
          gitVersion: string;
        };
        const groupVersions = [...byKind.values()].map(({ apiVersion }) => apiVersion);
        const apiVersions = [...new Set([...groupVersions, ...byKind.keys()])].sort();
        return { kubeVersion: version.gitVersion, apiVersions };
      })();
      const reading = { atMs: performance.now(), value };
      capable = reading;
      value.catch(() => {
        if (capable === reading) capable = undefined;
      });
      return value;
    },
    watchable: async (signal, freshness = 'known') => {
      const ageMsMax = freshness === 'fresh' ? discoveryAgeMsMin : Number.POSITIVE_INFINITY;
      return (await current(ageMsMax, signal)).watchable;
    },
  };
}
