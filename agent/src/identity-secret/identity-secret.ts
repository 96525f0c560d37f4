import type { KubernetesObject } from '@fairlead/shared/manifest';
import type { Cluster } from '../cluster/index.ts';
import type { SecretAccess } from '../hub-link/index.ts';

const fromBase64 = (text: string): string => Buffer.from(text, 'base64').toString('utf8');
const toBase64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** The agent's own Secrets, by the same port as everything else in its cluster. */
export const secretAccess = (cluster: Cluster, namespace: string): SecretAccess => ({
  getSecret: async (name) => {
    const secret = await cluster.get({ apiVersion: 'v1', kind: 'Secret', namespace, name });
    if (!secret) return undefined;
    const data = (secret.data ?? {}) as Record<string, string>;
    return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, fromBase64(value)]));
  },
  putSecret: async (name, data) => {
    const secret: KubernetesObject = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace, labels: { 'app.kubernetes.io/part-of': 'fairlead' } },
      type: 'Opaque',
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, toBase64(value)])),
    };
    await cluster.apply(secret, { force: true });
  },
});
