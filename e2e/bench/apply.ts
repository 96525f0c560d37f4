import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startSystem, temporaryDirectory, waitFor } from '../stack/index.ts';
import { bareLoop } from './bare-loop.ts';
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

/**
 * Units of four objects, each a pipeline of its own, applied and judged healthy by the agent's bundle on one control
 * plane, beside a bare loop of applies of the same objects on the same control plane. The units are assigned while the
 * agent is down, so the time counts from the agent's start and holds everything that an agent does.
 */
export async function benchApply({ unitsTotal }: { unitsTotal: number }) {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  execFileSync(process.execPath, ['agent/build/bundle.ts'], { cwd: root, stdio: 'inherit' });
  await using directory = await temporaryDirectory();
  await using system = await startSystem({
    directory: directory.path,
    clusters: [{ name: 'production-1', labels: { environment: 'production' } }],
    agentProgram: join(root, 'agent/dist/agent.mjs'),
    onProgress: say,
  });
  const { controlPlane, agent } = system.cluster('production-1');
  const idleBytes = await residentBytes(agent.process.pid, 'VmRSS');
  say(`agent idle: ${mebibytes(idleBytes)} MiB`);

  for (const name of ['bare', namespace]) await controlPlane.kubectl(['create', 'namespace', name]);
  const bareSeconds = await bareLoop(controlPlane, unitsTotal, 'bare');
  say(`bare loop: ${bareSeconds.toFixed(1)} s for ${unitsTotal * 4} objects`);

  await agent.process.stop();
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

  const startedAt = Date.now();
  await agent.process.restart();
  await waitForTotal(system, 'succeeded', unitsTotal);
  const agentSeconds = (Date.now() - startedAt) / 1_000;
  const peakBytes = await residentBytes(agent.process.pid, 'VmHWM');
  const ratio = agentSeconds / bareSeconds;
  say(`agent: ${agentSeconds.toFixed(1)} s, ${ratio.toFixed(2)} times the bare loop`);
  say(`agent peak: ${mebibytes(peakBytes)} MiB`);
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1_000));
  const loadedBytes = await residentBytes(agent.process.pid, 'VmRSS');
  return {
    unitsTotal,
    objectsTotal: unitsTotal * 4,
    bareSeconds: round(bareSeconds),
    agentSeconds: round(agentSeconds),
    ratio: round(ratio),
    agentPeakMebibytes: mebibytes(peakBytes),
    agentIdleEmptyMebibytes: mebibytes(idleBytes),
    agentIdleLoadedMebibytes: mebibytes(loadedBytes),
    logPosition: position,
  };
}

type System = Awaited<ReturnType<typeof startSystem>>;

/** Waits until as many targets are assigned, or as many rollouts have succeeded; returns the log's position. */
const waitForTotal = (system: System, level: 'assigned' | 'succeeded', total: number) =>
  waitFor(
    `${total} units are ${level}`,
    async (see) => {
      const status = await system.hub.api('GET', '/status');
      const targets = status.clusters.items[0]?.targets;
      see(targets);
      const reached = level === 'assigned' ? targets?.total : targets?.healthy;
      return reached >= total ? Number(status.position) : undefined;
    },
    { timeoutMs: 600_000, intervalMs: 200 },
  );

async function residentBytes(pid: number | undefined, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1_024;
}

const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
const round = (value: number): number => Math.round(value * 100) / 100;
