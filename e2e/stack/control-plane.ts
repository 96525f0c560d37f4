// A real Kubernetes control plane without kubelets: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler, and kwok in the place of nodes and containers.

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findTools, kwokStages } from '../../deploy/tools/index.ts';
import { runCommand } from './command.ts';
import {
  apiServerArguments,
  controllerManagerArguments,
  etcdArguments,
  kwokArguments,
  type Ports,
  schedulerArguments,
} from './control-plane-arguments.ts';
import {
  type ControlPlaneFiles,
  writeCaFile,
  writeControlPlaneFiles,
  writeKubeconfig,
  writePodLogs,
} from './control-plane-files.ts';
import { freePort } from './free-port.ts';
import { createKubeClient, type KubeObject, type KubeRequest } from './kube-request.ts';
import { type ProcessOptions, type SupervisedProcess, startProcess } from './process.ts';
import { waitFor } from './wait-for.ts';

export type ControlPlaneOptions = {
  readonly name: string;
  /** State, keys and kubeconfigs; must exist or be creatable, and is not removed. */
  readonly directory: string;
  /** Defaults to `logs` in the directory. */
  readonly logDirectory?: string;
  /** Writes a JSON line at the Metadata level for each finished request to `auditLogPath`. */
  readonly enableAuditLog?: boolean;
  /**
   * What every container of every pod has written, one line each; then the API server gives pods' logs. Without it there
   * is no kubelet to ask.
   */
  readonly podLogs?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
};

/** The fields of an audit line that tests count by; the API server writes more. */
export type AuditEvent = {
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
};

export type ControlPlane = AsyncDisposable & {
  readonly name: string;
  readonly directory: string;
  readonly url: string;
  /** The CA's certificate: PEM, base64, as a kubeconfig holds it. */
  readonly caData: string;
  /** A bearer token in the group system:masters. */
  readonly adminToken: string;
  readonly adminKubeconfigPath: string;
  readonly auditLogPath: string | undefined;
  readonly parts: {
    readonly etcd: SupervisedProcess;
    readonly apiServer: SupervisedProcess;
    readonly controllerManager: SupervisedProcess;
    readonly scheduler: SupervisedProcess;
    readonly kwok: SupervisedProcess;
  };
  /** JSON over HTTPS as the administrator; rejects with a KubeRequestError from 400 on. */
  readonly request: KubeRequest;
  /** Standard output of kubectl as the administrator; rejects with its standard error. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>;
  /** Writes a kubeconfig with a fresh token of an existing service account; resolves with its path. */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  /** All audit lines so far; rejects unless the audit log is enabled. */
  readAuditLog(): Promise<AuditEvent[]>;
  /** SIGKILL to the API server; the other parts keep trying to reach it. */
  killApiServer(): Promise<void>;
  /** Starts the API server on the same port and waits until it is ready. */
  restartApiServer(): Promise<void>;
  stop(): Promise<void>;
};

const tools = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubectl',
  'kwok',
] as const;

/**
 * Starts a control plane; resolves when the API server is ready, the default service account exists and
 * the one node is schedulable. `testStages` documents the image tags that make Pods fail.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { name, directory, signal } = options;
  const logDirectory = options.logDirectory ?? join(directory, 'logs');
  const search = { onProgress: options.onProgress, signal };
  const paths = await findTools(tools, search);
  const stages = await kwokStages(search);
  await mkdir(directory, { recursive: true });
  const files = await writeControlPlaneFiles(directory, stages);
  const ports: Ports = {
    api: await freePort(),
    etcdClient: await freePort(),
    etcdPeer: await freePort(),
  };
  const url = `https://127.0.0.1:${ports.api}`;

  await using started = new AsyncDisposableStack();
  const start = async (part: string, more: Omit<ProcessOptions, 'name' | 'logFile'>) =>
    started.use(
      await startProcess({
        name: `${name}/${part}`,
        logFile: join(logDirectory, `${part}.log`),
        signal,
        cwd: directory,
        ...more,
      }),
    );

  const etcd = await start('etcd', {
    command: paths.etcd,
    args: etcdArguments(directory, ports),
    ready: async () => (await fetch(`http://127.0.0.1:${ports.etcdClient}/health`)).ok,
  });
  const apiServer = await start('kube-apiserver', {
    command: paths['kube-apiserver'],
    args: apiServerArguments(files, ports, options.enableAuditLog ?? false),
    ready: () => apiServerIsReady(url, files),
  });

  const kubelet = options.podLogs && {
    port: await freePort(),
    logsConfig: await writePodLogs(directory, options.podLogs),
  };
  const ca = await writeCaFile(files);
  const caData = Buffer.from(ca).toString('base64');
  const kubeconfigs = await writeKubeconfigs(directory, url, caData, files);
  const client = started.use(createKubeClient(url, ca, files.tokens.admin));
  const [controllerManager, scheduler, kwok] = await Promise.all([
    start('kube-controller-manager', {
      command: paths['kube-controller-manager'],
      args: controllerManagerArguments(files, kubeconfigs['controller-manager']),
    }),
    start('kube-scheduler', {
      command: paths['kube-scheduler'],
      args: schedulerArguments(kubeconfigs.scheduler),
    }),
    start('kwok', {
      command: paths.kwok,
      args: kwokArguments(files, kubeconfigs.kwok, kubelet),
    }),
    client.request('POST', '/api/v1/nodes', node),
  ]);
  await waitUntilUsable(name, client.request, signal);

  const running = started.move();
  const stop = () => running.disposeAsync();
  return {
    name,
    directory,
    url,
    caData,
    adminToken: files.tokens.admin,
    adminKubeconfigPath: kubeconfigs.admin,
    auditLogPath: options.enableAuditLog ? files.auditLog : undefined,
    parts: { etcd, apiServer, controllerManager, scheduler, kwok },
    request: client.request,
    kubectl: (args, stdin) =>
      runCommand(paths.kubectl, args, {
        stdin,
        signal,
        env: { KUBECONFIG: kubeconfigs.admin, KUBECACHEDIR: join(directory, 'kubectl-cache') },
      }),
    serviceAccountKubeconfig: (namespace, account) =>
      serviceAccountKubeconfig(client.request, { directory, url, caData, namespace, account }),
    readAuditLog: () => readAuditLog(files.auditLog),
    async killApiServer() {
      await apiServer.kill();
    },
    restartApiServer: () => apiServer.restart(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function apiServerIsReady(url: string, files: ControlPlaneFiles): Promise<boolean> {
  // The file appears during the first start; until then reading it throws, which means not yet.
  using client = createKubeClient(
    url,
    await readFile(files.servingChain, 'utf8'),
    files.tokens.admin,
  );
  return (await client.request('GET', '/readyz')) === 'ok';
}

async function writeKubeconfigs(
  directory: string,
  server: string,
  caData: string,
  files: ControlPlaneFiles,
) {
  const paths = {
    admin: join(directory, 'admin.kubeconfig'),
    'controller-manager': join(directory, 'controller-manager.kubeconfig'),
    scheduler: join(directory, 'scheduler.kubeconfig'),
    kwok: join(directory, 'kwok.kubeconfig'),
  };
  for (const identity of ['admin', 'controller-manager', 'scheduler', 'kwok'] as const) {
    await writeKubeconfig(paths[identity], { server, caData, token: files.tokens[identity] });
  }
  return paths;
}

const capacity = { cpu: '100k', memory: '100Ti', pods: '100k', 'ephemeral-storage': '100Ti' };

const node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-1', labels: { 'kubernetes.io/hostname': 'node-1', type: 'kwok' } },
  // kwok gives each Pod an address from here; its own default holds 254.
  spec: { podCIDR: '10.0.0.0/8', podCIDRs: ['10.0.0.0/8'] },
  status: { allocatable: capacity, capacity },
};

async function waitUntilUsable(
  name: string,
  request: KubeRequest,
  signal: AbortSignal | undefined,
): Promise<void> {
  await waitFor(
    `${name}: the default service account`,
    () => request('GET', '/api/v1/namespaces/default/serviceaccounts/default'),
    { signal, timeoutMs: 60_000 },
  );
  await waitFor(
    `${name}: a schedulable node`,
    async (see) => {
      const current = await request('GET', '/api/v1/nodes/node-1');
      see({ conditions: current.status.conditions, taints: current.spec.taints });
      const ready = current.status.conditions?.find((c: KubeObject) => c.type === 'Ready');
      return ready?.status === 'True' && (current.spec.taints ?? []).length === 0;
    },
    { signal, timeoutMs: 60_000 },
  );
}

type ServiceAccountUser = {
  readonly directory: string;
  readonly url: string;
  readonly caData: string;
  readonly namespace: string;
  readonly account: string;
};

async function serviceAccountKubeconfig(
  request: KubeRequest,
  { directory, url, caData, namespace, account }: ServiceAccountUser,
): Promise<string> {
  const answer = await request(
    'POST',
    `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 24 * 60 * 60 },
    },
  );
  const path = join(directory, `${namespace}-${account}.kubeconfig`);
  await writeKubeconfig(path, { server: url, caData, token: answer.status.token, namespace });
  return path;
}

async function readAuditLog(path: string): Promise<AuditEvent[]> {
  const text = await readFile(path, 'utf8');
  // The last line may be half written.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent);
}
