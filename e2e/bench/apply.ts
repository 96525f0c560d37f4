import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleAgent, hostTarget } from '../../agent/build/index.ts';
import {
  type ControlPlane,
  type SystemCluster,
  startSystem,
  temporaryDirectory,
  waitFor,
} from '../stack/index.ts';
import { bareLoop } from './bare-loop.ts';
import { processorSeconds } from './processor-seconds.ts';
import { unitName, unitObjects } from './units.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const namespace = 'bench';
const idleSeconds = 20;

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

export type ApplyOptions = {
  readonly unitsTotal: number;
  /** The agent's program; without it, the bundle that the images ship is made and measured. */
  readonly program?: string;
};

/**
 * Units of four objects, each a pipeline of its own, applied and judged healthy by the agent's bundle on one control
 * plane, beside a bare loop of applies of the same objects on the same control plane, run before and after it, because
 * the machine's speed changes with what else runs on it. The units are assigned while the agent is down, so the time
 * counts from the agent's start and holds everything that an agent does. Processor seconds are by program.
 */
export async function benchApply({ unitsTotal, program }: ApplyOptions) {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  await using directory = await temporaryDirectory();
  const bundle = join(directory.path, 'bundle');
  if (!program) {
    const entry = join(root, 'agent/src/main.ts');
    await bundleAgent({ entry, directory: bundle, target: hostTarget() });
  }
  await using system = await startSystem({
    directory: directory.path,
    clusters: [{ name: 'production-1', labels: { environment: 'production' } }],
    agentProgram: program ?? join(bundle, 'agent.mjs'),
    onProgress: say,
  });
  const { controlPlane, agent } = system.cluster('production-1');
  const idleBytes = await residentBytes(agent.process.pid, 'VmRSS');
  say(`agent idle: ${mebibytes(idleBytes)} MiB`);

  await agent.process.stop();
  for (const name of ['before', namespace, 'after']) {
    await controlPlane.kubectl(['create', 'namespace', name]);
  }
  const bare = async (name: string): Promise<number> => {
    const atStart = await processorSeconds();
    const seconds = await bareLoop(controlPlane, unitsTotal, name);
    say(`bare loop ${name}: ${seconds.toFixed(1)} s for ${unitsTotal * 4} objects`);
    say(`  processor seconds ${JSON.stringify(await processorSeconds(atStart))}`);
    return seconds;
  };
  const beforeSeconds = await bare('before');

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
  const position = await waitForTotal(system, 'assigned', unitsTotal);
  say(`hub: ${unitsTotal} units assigned`);

  const atStart = await processorSeconds();
  const startedAt = Date.now();
  await agent.process.restart();
  await waitForTotal(system, 'succeeded', unitsTotal);
  const agentSeconds = (Date.now() - startedAt) / 1_000;
  const agentProcessorSeconds = await processorSeconds(atStart);
  const peakBytes = await residentBytes(agent.process.pid, 'VmHWM');
  say(`agent: ${agentSeconds.toFixed(1)} s, peak ${mebibytes(peakBytes)} MiB`);
  say(`  processor seconds ${JSON.stringify(agentProcessorSeconds)}`);
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1_000));
  const loadedBytes = await residentBytes(agent.process.pid, 'VmRSS');
  say(`agent idle with ${unitsTotal} units: ${mebibytes(loadedBytes)} MiB`);
  const restart = await restartUnchanged({ agent, controlPlane, unitsTotal });
  say(`restart with nothing changed: in sync after ${restart.seconds} s, ${restart.writes} writes`);
  await agent.process.stop();

  const bareSeconds = (beforeSeconds + (await bare('after'))) / 2;
  const ratio = agentSeconds / bareSeconds;
  say(`the agent took ${ratio.toFixed(2)} times the bare loop`);
  return {
    unitsTotal,
    objectsTotal: unitsTotal * 4,
    bareSeconds: round(bareSeconds),
    agentSeconds: round(agentSeconds),
    ratio: round(ratio),
    agentProcessorSeconds,
    restartSeconds: restart.seconds,
    restartWrites: restart.writes,
    agentPeakMebibytes: mebibytes(peakBytes),
    agentIdleEmptyMebibytes: mebibytes(idleBytes),
    agentIdleLoadedMebibytes: mebibytes(loadedBytes),
    logPosition: position,
  };
}

type Restarted = Pick<SystemCluster, 'agent' | 'controlPlane'> & { readonly unitsTotal: number };

/** From the agent's start until every unit is known to be in sync, and the objects that it wrote meanwhile. */
async function restartUnchanged({ agent, controlPlane, unitsTotal }: Restarted) {
  const before = await appliesTotal(controlPlane);
  const startedAt = Date.now();
  await agent.process.restart();
  await waitFor(
    `${unitsTotal} units are in sync again`,
    async (see) => {
      const text = await agent.metrics();
      const settled = Number(/^fairlead_agent_units_settled (\d+)$/m.exec(text)?.[1]);
      see(settled);
      return settled === unitsTotal;
    },
    { timeoutMs: 120_000, intervalMs: 50 },
  );
  const seconds = round((Date.now() - startedAt) / 1_000);
  return { seconds, writes: (await appliesTotal(controlPlane)) - before };
}

/** Server-side applies that the API server has answered; only the agent and the bare loop send any. */
async function appliesTotal(controlPlane: ControlPlane): Promise<number> {
  const text: string = await controlPlane.request('GET', '/metrics');
  const counts = [...text.matchAll(/^apiserver_request_total\{.*verb="APPLY".*\} (\S+)$/gm)];
  return counts.reduce((sum, [, value]) => sum + Number(value), 0);
}

type System = Awaited<ReturnType<typeof startSystem>>;

/** Waits until as many targets are assigned, or as many rollouts have succeeded; returns the log's position. */
const waitForTotal = (system: System, level: 'assigned' | 'succeeded', total: number) =>
  waitFor(
    `${total} units are ${level}`,
    async (see) => {
      const status = await system.hub.api('GET', '/status?limit=1');
      const targets = status.clusters.items[0]?.targets;
      see(targets);
      const reached = level === 'assigned' ? targets?.total : targets?.healthy;
      return reached >= total ? Number(status.position) : undefined;
    },
    { timeoutMs: 600_000, intervalMs: 500 },
  );

async function residentBytes(pid: number | undefined, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1_024;
}

const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
const round = (value: number): number => Math.round(value * 100) / 100;
