import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
import { loadAll } from 'js-yaml';
import { ClusterError } from './port.ts';

export type KubernetesAccess = {
  /** A kubeconfig file; its current context is used. */
  readonly kubeconfigPath?: string;
  /** Where Kubernetes says in a pod's environment that its API server is; used without a kubeconfig. */
  readonly inCluster?: { readonly host: string; readonly port: number };
};

export type Credentials = {
  /** The API server's URL. */
  readonly server: string;
  /** TLS options and headers as they are now: files are read again, because tokens and certificates change. */
  readonly read: () => Promise<RequestOptions>;
};

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

export function createCredentials({ kubeconfigPath, inCluster }: KubernetesAccess): Credentials {
  if (kubeconfigPath) return ofKubeconfig(kubeconfigPath);
  if (inCluster) return ofServiceAccount(inCluster);
  throw new ClusterError(
    'unavailable',
    'neither a kubeconfig nor a service account is there: set KUBECONFIG, or run in a pod',
  );
}

function ofServiceAccount({ host, port }: { host: string; port: number }): Credentials {
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    read: async () => ({
      ca: readFileSync(`${serviceAccountFolder}/ca.crt`),
      headers: bearer(readFileSync(`${serviceAccountFolder}/token`, 'utf8')),
    }),
  };
}

type Fields = Readonly<Record<string, unknown>>;
type Kubeconfig = {
  readonly 'current-context'?: string;
  readonly contexts?: readonly { name: string; context: { cluster: string; user: string } }[];
  readonly clusters?: readonly { name: string; cluster: Fields }[];
  readonly users?: readonly { name: string; user?: Fields | null }[];
};

/** What is read here; whatever else a kubeconfig says of a cluster or a user is left to @kubernetes/client-node. */
const plainFields = new Set([
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'tls-server-name',
  'token',
  'tokenFile',
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
]);

/**
 * Certificates and tokens are read here. A program or a provider that hands out credentials, a proxy and the rest need
 * the library, which takes some 20 MiB and is loaded for them only.
 */
function ofKubeconfig(path: string): Credentials {
  const { cluster, user } = contextOf(path);
  const server = cluster.server;
  if (typeof server !== 'string') {
    throw new ClusterError('unavailable', `the kubeconfig ${path} names no current cluster`);
  }
  const isPlain = [...Object.keys(cluster), ...Object.keys(user)].every((name) =>
    plainFields.has(name),
  );
  return { server, read: isPlain ? async () => plainOptions(path) : () => libraryOptions(path) };
}

function contextOf(path: string): { readonly cluster: Fields; readonly user: Fields } {
  let config: Kubeconfig;
  try {
    config = (loadAll(readFileSync(path, 'utf8'))[0] ?? {}) as Kubeconfig;
  } catch (error) {
    throw new ClusterError('unavailable', `the kubeconfig ${path} cannot be read`, {
      cause: error,
    });
  }
  const current = config['current-context'];
  const context = config.contexts?.find(({ name }) => name === current)?.context;
  const cluster = config.clusters?.find(({ name }) => name === context?.cluster)?.cluster;
  const user = config.users?.find(({ name }) => name === context?.user)?.user;
  return { cluster: cluster ?? {}, user: user ?? {} };
}

function plainOptions(path: string): RequestOptions {
  const { cluster, user } = contextOf(path);
  // Names of files are relative to the file that holds them.
  const file = (name: unknown): Buffer | undefined =>
    typeof name === 'string' ? readFileSync(resolve(dirname(path), name)) : undefined;
  const content = (fields: Fields, name: string): Buffer | undefined => {
    const data = fields[`${name}-data`];
    return typeof data === 'string' ? Buffer.from(data, 'base64') : file(fields[name]);
  };
  const token = file(user.tokenFile)?.toString('utf8') ?? user.token;
  const serverName = cluster['tls-server-name'];
  return {
    ca: content(cluster, 'certificate-authority'),
    cert: content(user, 'client-certificate'),
    key: content(user, 'client-key'),
    ...(typeof serverName === 'string' ? { servername: serverName } : {}),
    ...(typeof token === 'string' ? { headers: bearer(token) } : {}),
  };
}

async function libraryOptions(path: string): Promise<RequestOptions> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(path);
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  // The agent option is the connection's own.
  const { agent: _, ...rest } = options;
  return rest;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token.trim()}` });
