// The whole system on real parts: a Git server with one environment repository, a hub, and clusters with their agents,
// joined as a user joins them. Scenario tests, the demo and benchmarks start from here.

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { type Agent, installAgent, startAgent } from './agent.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { type GitServer, startGitServer } from './git-server.ts';
import { type Hub, startHub } from './hub.ts';
import { waitFor } from './wait-for.ts';
import { type WorkingCopy, workingCopy } from './working-copy.ts';

export type ClusterPlan = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Made before the agent is installed. */
  readonly namespaces?: readonly string[];
  /** Further options of `fairlead cluster add`. */
  readonly installArguments?: readonly string[];
  /** Name of a cluster before this one whose control plane it shares, with an agent in a namespace of its own. */
  readonly shares?: string;
  /** See the control plane's options. */
  readonly podLogs?: readonly string[];
};

export type SystemOptions = {
  /** Everything the system writes is below it; not removed at the end. */
  readonly directory: string;
  readonly clusters: readonly ClusterPlan[];
  readonly signal?: AbortSignal;
  /** One line for a person at each step. */
  readonly onProgress?: (line: string) => void;
  /** Writes the API servers' audit logs, so that requests can be counted. */
  readonly enableAuditLog?: boolean;
  readonly agentProgram?: string;
  /** Added to the hub's environment. */
  readonly hubEnvironment?: Readonly<Record<string, string>>;
};

export type SystemCluster = {
  readonly name: string;
  readonly controlPlane: ControlPlane;
  readonly agent: Agent;
};

export type System = AsyncDisposable & {
  readonly directory: string;
  readonly git: GitServer;
  /** Of the environment repository `environments`. */
  readonly repositoryUrl: string;
  readonly copy: WorkingCopy;
  readonly hub: Hub;
  readonly cluster: (name: string) => SystemCluster;
  /** Joins one more, as the first ones were. */
  readonly join: (plan: ClusterPlan) => Promise<SystemCluster>;
  /** Applies resources, with the repository's address filled in and its webhook set. */
  readonly applyResources: (yaml: string) => Promise<void>;
  readonly push: (message: string) => Promise<string>;
};

const webhookSecretName = 'shop-webhook';

export async function startSystem(options: SystemOptions): Promise<System> {
  const { directory, signal, onProgress } = options;
  const logDirectory = join(directory, 'logs');
  const secrets = join(directory, 'secrets');
  const webhookSecret = randomBytes(24).toString('hex');
  await mkdir(logDirectory, { recursive: true });
  await mkdir(join(secrets, webhookSecretName), { recursive: true });
  await writeFile(join(secrets, webhookSecretName, 'webhook'), webhookSecret, { mode: 0o600 });

  await using parts = new AsyncDisposableStack();
  const git = parts.use(await startGitServer({ directory: join(directory, 'git'), signal }));
  const repository = await git.createRepository('environments');
  onProgress?.(`Git server: ${repository.url}`);

  const hub = parts.use(
    await startHub({
      directory: join(directory, 'hub'),
      logDirectory,
      signal,
      environment: { FAIRLEAD_SECRETS_DIR: secrets, ...options.hubEnvironment },
    }),
  );
  onProgress?.(`hub with its own NATS: ${hub.url}`);

  const clusters = new Map<string, SystemCluster>();
  const clusterParts = parts.use(new AsyncDisposableStack());
  const controlPlaneOf = async ({ name, shares, podLogs }: ClusterPlan): Promise<ControlPlane> => {
    const shared = shares === undefined ? undefined : clusters.get(shares)?.controlPlane;
    if (shared !== undefined) return shared;
    const controlPlane = clusterParts.use(
      await startControlPlane({
        name,
        directory: join(directory, name),
        logDirectory: join(logDirectory, name),
        enableAuditLog: options.enableAuditLog,
        podLogs,
        signal,
      }),
    );
    onProgress?.(`cluster ${name}: control plane ready at ${controlPlane.url}`);
    return controlPlane;
  };
  const joinCluster = async (plan: ClusterPlan): Promise<SystemCluster> => {
    const controlPlane = await controlPlaneOf(plan);
    const agentNamespace = plan.shares === undefined ? undefined : `fairlead-${plan.name}`;
    for (const name of plan.namespaces ?? []) {
      await controlPlane.kubectl(['create', 'namespace', name]);
    }
    await installAgent({
      hub,
      controlPlane,
      clusterName: plan.name,
      labels: plan.labels,
      agentNamespace,
      arguments: plan.installArguments,
    });
    const agent = clusterParts.use(
      await startAgent({
        controlPlane,
        name: plan.name,
        agentNamespace,
        directory: join(directory, `agent-${plan.name}`),
        logDirectory,
        signal,
        program: options.agentProgram,
      }),
    );
    const joined = { name: plan.name, controlPlane, agent };
    clusters.set(plan.name, joined);
    await waitFor(
      `cluster ${plan.name} is connected`,
      async (see) => {
        const cluster = await hub.api('GET', `/clusters/${plan.name}`);
        see(cluster);
        return cluster.status === 'connected';
      },
      { timeoutMs: 30_000, signal },
    );
    onProgress?.(`cluster ${plan.name}: agent joined and connected`);
    return joined;
  };
  for (const plan of options.clusters) await joinCluster(plan);

  const copy = await workingCopy(repository.url, join(directory, 'working-copy'));
  const owned = parts.move();
  return {
    directory,
    git,
    repositoryUrl: repository.url,
    copy,
    hub,
    cluster: (name) => {
      const cluster = clusters.get(name);
      if (!cluster) throw new Error(`no cluster ${name} in this system`);
      return cluster;
    },
    join: joinCluster,
    applyResources: async (yaml) => {
      const resources = yaml.replaceAll('${REPOSITORY_URL}', repository.url);
      await hub.cli(['apply', '-f', '-'], resources);
      for (const document of parseAllDocuments(resources)) {
        const { kind, metadata } = document.toJS() ?? {};
        if (kind !== 'Repository') continue;
        git.webhook('environments', `${hub.url}/api/v1/webhooks/${metadata.name}`, webhookSecret);
      }
    },
    push: async (message) => {
      const commit = await copy.commit(message);
      await copy.push();
      return commit;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
