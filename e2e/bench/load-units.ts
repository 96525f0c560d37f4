import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleAgent, hostTarget } from '../../agent/build/index.ts';
import { type System, waitFor } from '../stack/index.ts';
import { unitName, unitObjects } from './units.ts';

// What benchmarks over many units share: units of four objects, each a pipeline of its own, in one namespace.

const root = fileURLToPath(new URL('../..', import.meta.url));
export const namespace = 'bench';

const repositoryResource = `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec: {url: "\${REPOSITORY_URL}", branch: main, webhook: {secretRef: shop-webhook}}
`;

const pipelineResource = (name: string) => `---
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: ${name}}
spec:
  repository: environments
  include: ["units/${name}/**"]
  stages:
  - name: production
    path: units/${name}
    clusters: {matchLabels: {environment: production}}
    rollout: {progressDeadline: 1h}
    apply: {namespace: ${namespace}}
`;

/** The agent's bundle as the images ship it, made in the folder; returns the program. */
export async function makeAgentBundle(directory: string): Promise<string> {
  const entry = join(root, 'agent/src/main.ts');
  await bundleAgent({ entry, directory, target: hostTarget() });
  return join(directory, 'agent.mjs');
}

/** Brings so many units to where they are assigned; returns the log's position then. */
export async function assignUnits(system: System, unitsTotal: number): Promise<number> {
  for (let index = 0; index < unitsTotal; index++) {
    const objects = unitObjects(index, namespace).map((object) => JSON.stringify(object));
    await system.copy.write(`units/${unitName(index)}/all.yaml`, objects.join('\n---\n'));
  }
  await system.push(`${unitsTotal} units`);
  const pipelines = Array.from({ length: unitsTotal }, (_, index) => unitName(index));
  for (let start = 0; start < unitsTotal; start += 250) {
    const slice = pipelines.slice(start, start + 250).map(pipelineResource);
    await system.applyResources((start === 0 ? repositoryResource : '') + slice.join(''));
  }
  return waitForTotal(system, 'assigned', unitsTotal);
}

/** Waits until as many targets are assigned, or as many rollouts have succeeded; returns the log's position. */
export const waitForTotal = (
  system: System,
  level: 'assigned' | 'succeeded',
  total: number,
  { intervalMs } = { intervalMs: 1_000 },
): Promise<number> =>
  waitFor(
    `${total} units are ${level}`,
    async (see) => {
      const status = await system.hub.api('GET', '/status?limit=1');
      const targets = status.clusters.items[0]?.targets;
      see(targets);
      const reached = level === 'assigned' ? targets?.total : targets?.healthy;
      return reached >= total ? Number(status.position) : undefined;
    },
    { timeoutMs: 600_000, intervalMs },
  );

export async function residentBytes(
  pid: number | undefined,
  field: 'VmRSS' | 'VmHWM',
): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1_024;
}

export const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
export const round = (value: number): number => Math.round(value * 100) / 100;
