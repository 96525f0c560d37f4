// What scenarios share: a small application with two stages, and levels of the system to wait for.

import type { ControlPlane, System } from '../stack/index.ts';
import { waitFor } from '../stack/index.ts';

export const twoClusters = [
  { name: 'staging-1', labels: { environment: 'staging' } },
  { name: 'production-1', labels: { environment: 'production' } },
];

/** A pipeline over plain folders `<name>/staging` and `<name>/production`; no soak unless asked for. */
export const pipelineOf = (name: string, options: { soak?: string; deadline?: string } = {}) => `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: ${name}}
spec:
  repository: environments
  include: ["${name}/**"]
  stages:
  - name: staging
    path: ${name}/staging
    clusters: {matchLabels: {environment: staging}}
    rollout: {progressDeadline: ${options.deadline ?? '10s'}}
    apply: {namespace: ${name}, createNamespace: true}
  - name: production
    after: [staging]
    path: ${name}/production
    clusters: {matchLabels: {environment: production}}
    gates: {soak: ${options.soak ?? '0s'}}
    rollout: {progressDeadline: 60s}
    apply: {namespace: ${name}, createNamespace: true}
---`;

export const repositoryResource = `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec:
  url: \${REPOSITORY_URL}
  branch: main
  webhook: {secretRef: shop-webhook}
---`;

export const deployment = (name: string, tag: string, replicas = 1) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers: [{name: main, image: "registry.example.com/${name}:${tag}"}]
---`;

export const settings = (name: string, value: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}}
data: {value: "${value}"}
---`;

export const stages = ['staging', 'production'] as const;

/** Writes the same manifests for both stages. */
export async function writeBoth(system: System, unit: string, yaml: string): Promise<void> {
  for (const stage of stages) await system.copy.write(`${unit}/${stage}/all.yaml`, yaml);
}

/** Waits until the stage's newest rollout of the release has ended, and returns its state. */
export function rolloutOf(
  system: System,
  {
    pipeline,
    stage,
    release,
    timeoutMs = 60_000,
  }: {
    pipeline: string;
    stage: string;
    release: string;
    timeoutMs?: number;
  },
): Promise<{ state: string; message?: string; id: string; generation: number }> {
  return waitFor(
    `the rollout of ${release.slice(0, 8)} to ${pipeline}/${stage} ends`,
    async (see) => {
      const { items } = await system.hub.api(
        'GET',
        `/pipelines/${pipeline}/rollouts?stage=${stage}`,
      );
      see(items);
      return items.find(
        (rollout: { release: string; state: string }) =>
          rollout.release === release && rollout.state !== 'running',
      );
    },
    { timeoutMs },
  );
}

export async function expectSucceeded(
  system: System,
  pipeline: string,
  release: string,
  timeoutMs = 60_000,
): Promise<void> {
  for (const stage of stages) {
    const { state, message } = await rolloutOf(system, { pipeline, stage, release, timeoutMs });
    if (state !== 'succeeded') throw new Error(`${pipeline}/${stage}: ${state}: ${message}`);
  }
}

/** An object as the cluster has it, or undefined. */
export async function objectIn(
  controlPlane: ControlPlane,
  path: string,
  // biome-ignore lint/suspicious/noExplicitAny: tests read the object as it comes.
): Promise<any> {
  try {
    return await controlPlane.request('GET', path);
  } catch (error) {
    if (String(error).includes('404') || String(error).includes('not found')) return undefined;
    throw error;
  }
}

/** Every audit entry, oldest first. */
// biome-ignore lint/suspicious/noExplicitAny: one entry has one of some thirty shapes.
export async function wholeAudit(system: System): Promise<any[]> {
  const entries = [];
  for (let after = 0; ; ) {
    const { items } = await system.hub.api('GET', `/audit?after=${after}&limit=500`);
    entries.push(...items);
    if (items.length < 500) return entries;
    after = items.at(-1).position;
  }
}

/** Names every fault of the audit: a gap, a repetition, a wrong order, or a broken chain. */
export async function auditFaults(system: System): Promise<string[]> {
  const faults: string[] = [];
  const last = new Map<string, number>();
  for (const { type, event, position } of await wholeAudit(system)) {
    if (type === 'AgentAuditGap') faults.push(`a gap at ${position}`);
    if (type !== 'AgentAudited') continue;
    const source = `${event.cluster}/${event.agentEpoch}`;
    const expected = (last.get(source) ?? 0) + 1;
    if (event.sequence !== expected) {
      faults.push(`${source}: sequence ${event.sequence} at ${position}, expected ${expected}`);
    }
    last.set(source, event.sequence);
  }
  const verification = await system.hub.api('GET', '/audit/verify');
  if (!verification.valid) faults.push(`the chain: ${verification.reason}`);
  return faults;
}
