import { join } from 'node:path';
import {
  type ControlPlane,
  type SystemCluster,
  startSystem,
  temporaryDirectory,
  waitFor,
} from '../stack/index.ts';
import { bareLoop } from './bare-loop.ts';
import {
  assignUnits,
  makeAgentBundle,
  mebibytes,
  namespace,
  residentBytes,
  round,
  waitForTotal,
} from './load-units.ts';
import { processorSeconds } from './processor-seconds.ts';

const idleSeconds = 20;

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
  const agentProgram = program ?? (await makeAgentBundle(join(directory.path, 'bundle')));
  await using system = await startSystem({
    directory: directory.path,
    clusters: [{ name: 'production-1', labels: { environment: 'production' } }],
    agentProgram,
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

  const position = await assignUnits(system, unitsTotal);
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
