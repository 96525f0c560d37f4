// The agent as a process of its own, joined and run as its install manifest says: with the environment of the manifest's
// StatefulSet and a token of its service account, never as the cluster's administrator.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool } from '../../deploy/tools/index.ts';
import type { ControlPlane } from './control-plane.ts';
import { freePort } from './free-port.ts';
import type { Hub } from './hub.ts';
import { type SupervisedProcess, startProcess } from './process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export const agentNamespaceDefault = 'fairlead-system';

export type JoinOptions = {
  readonly hub: Hub;
  readonly controlPlane: ControlPlane;
  readonly clusterName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly agentNamespace?: string;
  /** Further options of `fairlead cluster add`. */
  readonly arguments?: readonly string[];
};

/** The real join: `fairlead cluster add`, piped into `kubectl apply`. */
export async function installAgent(options: JoinOptions): Promise<void> {
  const { hub, controlPlane, clusterName, labels } = options;
  const labelArguments = Object.entries(labels).flatMap(([key, value]) => [
    '--label',
    `${key}=${value}`,
  ]);
  const place = options.agentNamespace ? ['--agent-namespace', options.agentNamespace] : [];
  const more = [...labelArguments, ...place, ...(options.arguments ?? [])];
  const manifest = await hub.cli(['cluster', 'add', clusterName, ...more]);
  await controlPlane.kubectl(['apply', '-f', '-'], manifest);
}

export type AgentOptions = {
  readonly controlPlane: ControlPlane;
  /** Of the process and its log; without it that of the control plane. */
  readonly name?: string;
  readonly agentNamespace?: string;
  readonly directory: string;
  readonly logDirectory: string;
  readonly signal?: AbortSignal;
  readonly environment?: Readonly<Record<string, string>>;
  /** The program to run; without it the agent's sources. */
  readonly program?: string;
};

export type Agent = AsyncDisposable & {
  readonly process: SupervisedProcess;
  readonly directory: string;
  readonly metrics: () => Promise<string>;
};

/** Starts what the installed StatefulSet describes; resolves when the agent says it is ready. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { controlPlane, directory, logDirectory, name = controlPlane.name } = options;
  const { agentNamespace = agentNamespaceDefault } = options;
  const healthPort = await freePort();
  const kubeconfig = await controlPlane.serviceAccountKubeconfig(agentNamespace, 'fairlead-agent');
  const agentProcess = await startProcess({
    name: `agent of ${name}`,
    command: process.execPath,
    args: [
      '--max-semi-space-size=4',
      '--optimize-for-size',
      options.program ?? 'agent/src/main.ts',
    ],
    cwd: root,
    env: {
      ...(await environmentOfInstall(controlPlane, agentNamespace)),
      FAIRLEAD_DATA_DIR: directory,
      FAIRLEAD_HEALTH_HOST: '127.0.0.1',
      FAIRLEAD_HEALTH_PORT: String(healthPort),
      FAIRLEAD_RENDER_HOST: await findTool('render-host'),
      FAIRLEAD_SOPS: await findTool('sops'),
      KUBECONFIG: kubeconfig,
      ...options.environment,
    },
    logFile: join(logDirectory, `agent-${name}.log`),
    ready: async () => (await fetch(`http://127.0.0.1:${healthPort}/healthz`)).ok,
    signal: options.signal,
  });
  return {
    process: agentProcess,
    directory,
    metrics: async () => (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text(),
    [Symbol.asyncDispose]: () => agentProcess[Symbol.asyncDispose](),
  };
}

type EnvironmentVariable = {
  name: string;
  value?: string;
  valueFrom?: {
    secretKeyRef?: { name: string; key: string };
    fieldRef?: { fieldPath: string };
  };
};

/** Resolves the container's environment as the kubelet would. */
async function environmentOfInstall(
  controlPlane: ControlPlane,
  agentNamespace: string,
): Promise<Record<string, string>> {
  const statefulSet = await controlPlane.request(
    'GET',
    `/apis/apps/v1/namespaces/${agentNamespace}/statefulsets/fairlead-agent`,
  );
  const variables: EnvironmentVariable[] = statefulSet.spec.template.spec.containers[0].env ?? [];
  const resolved: Record<string, string> = {};
  for (const { name, value, valueFrom } of variables) {
    if (value !== undefined) resolved[name] = value;
    if (valueFrom?.fieldRef?.fieldPath === 'metadata.namespace') resolved[name] = agentNamespace;
    if (valueFrom?.fieldRef?.fieldPath === 'metadata.name') resolved[name] = 'fairlead-agent-0';
    const { secretKeyRef } = valueFrom ?? {};
    if (secretKeyRef) {
      const secret = await controlPlane.request(
        'GET',
        `/api/v1/namespaces/${agentNamespace}/secrets/${secretKeyRef.name}`,
      );
      const encoded = secret.data?.[secretKeyRef.key];
      if (encoded !== undefined) resolved[name] = Buffer.from(encoded, 'base64').toString();
    }
  }
  return resolved;
}
