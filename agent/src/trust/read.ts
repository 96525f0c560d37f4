import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import { type Cluster, ClusterError } from '../cluster/index.ts';
import {
  type ClusterPolicy,
  openPolicy,
  parseClusterPolicy,
  policyEntry,
  policyName,
} from '../domain/policy/index.ts';
import { policyBytesMax, trustSourcesMax } from '../limits.ts';
import { type KeyFiles, readTrustedKeys, type TrustedKeys } from '../signature/index.ts';

export type TrustReader = {
  /** The policy as it is now; a cluster without one permits everything, unless one is required. */
  readonly policy: () => Promise<Result<ClusterPolicy, string>>;
  /** The keys of all the sources together. */
  readonly keys: (sources: readonly string[]) => Promise<Result<TrustedKeys, string>>;
};

export type TrustReaderOptions = {
  readonly cluster: Pick<Cluster, 'get'>;
  readonly agentNamespace: string;
  readonly policyRequired: boolean;
};

/** Reads policy and keys; what cannot be read is an error that names the object and what to do. */
export function createTrustReader(options: TrustReaderOptions): TrustReader {
  const { cluster, agentNamespace: namespace, policyRequired } = options;
  const parsed = new Map<string, { readonly version: string; readonly keys: TrustedKeys }>();

  const get = (kind: 'ConfigMap' | 'Secret', name: string) =>
    cluster.get({ apiVersion: 'v1', kind, namespace, name });

  const source = async (name: string): Promise<Result<TrustedKeys, string>> => {
    const found = (await get('ConfigMap', name)) ?? (await get('Secret', name));
    if (!found) {
      return err(
        `the trusted keys are missing: there is neither a ConfigMap nor a Secret ${namespace}/${name}`,
      );
    }
    const { uid = '', resourceVersion = '' } = found.metadata;
    const version = `${uid}/${resourceVersion}`;
    const before = parsed.get(name);
    if (before?.version === version) return ok(before.keys);
    const keys = await readTrustedKeys(filesOf(found));
    if (parsed.size >= trustSourcesMax) parsed.clear();
    parsed.set(name, { version, keys });
    return ok(keys);
  };

  return {
    policy: () =>
      readable(`the cluster's policy, ConfigMap ${namespace}/${policyName},`, async () => {
        const found = await get('ConfigMap', policyName);
        if (!found) {
          return policyRequired
            ? err(
                `this cluster requires a policy, and there is no ConfigMap ${namespace}/${policyName}`,
              )
            : ok(openPolicy);
        }
        const text = filesOf(found)[policyEntry];
        const place = `ConfigMap ${namespace}/${policyName}`;
        if (text === undefined) return err(`${place} has no entry ${policyEntry}`);
        if (text.length > policyBytesMax) return err(`${place} is over ${policyBytesMax} bytes`);
        const policy = parseClusterPolicy(text);
        return policy.ok
          ? policy
          : err(`${place} is wrong, so nothing is permitted: ${policy.error.join('; ')}`);
      }),

    keys: (sources) =>
      readable(`the trusted keys ${sources.join(', ')} in ${namespace}`, async () => {
        const all: TrustedKeys[] = [];
        for (const name of sources) {
          const keys = await source(name);
          if (!keys.ok) return keys;
          all.push(keys.value);
        }
        return ok({
          sshSigners: all.flatMap(({ sshSigners }) => sshSigners),
          openPgpKeys: all.flatMap(({ openPgpKeys }) => openPgpKeys),
          faults: all.flatMap(({ faults }) => faults),
        });
      }),
  };
}

async function readable<Value>(
  what: string,
  read: () => Promise<Result<Value, string>>,
): Promise<Result<Value, string>> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    return err(`${what} cannot be read: ${error.message}`);
  }
}

/** A Secret holds its entries in base64, and a ConfigMap those that are no text. */
function filesOf({ kind, data, binaryData }: KubernetesObject): KeyFiles {
  const decoded = (entries: unknown): KeyFiles =>
    Object.fromEntries(
      Object.entries((entries ?? {}) as Record<string, string>).map(([name, text]) => [
        name,
        Buffer.from(text, 'base64').toString('utf8'),
      ]),
    );
  if (kind === 'Secret') return decoded(data);
  return { ...((data ?? {}) as KeyFiles), ...decoded(binaryData) };
}
