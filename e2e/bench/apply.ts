import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
/** So many that a hub does not take an agent that is stopped for a turn for one that is gone. */
const turnsTotal = 16;
/** Between turns the controllers finish what the turn before has left them; nobody is charged for it. */
const settleMs = 700;

export type ApplyOptions = {
  readonly unitsTotal: number;
  /** The agent's program; without it, the bundle that the images ship is made and measured. */
  readonly program?: string;
};

/**
 * Units of four objects, each a pipeline of its own, applied and judged healthy by the agent's bundle on one control
 * plane, beside a bare loop of applies of the same objects on the same control plane. The two take turns: the loop runs
 * while the agent is stopped by a signal, so that neither has the faster hours of the machine or the emptier cluster. The
 * units are assigned while the agent is stopped, so its time holds everything from the first word of them until the hub
 * has recorded the success of the last. Processor seconds are by program.
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

  agent.process.sendSignal('SIGSTOP');
  for (const name of ['bare', namespace]) await controlPlane.kubectl(['create', 'namespace', name]);
  const position = await assignUnits(system, unitsTotal);
  say(`hub: ${unitsTotal} units assigned`);

  const unitsUpTo = (turn: number) => Math.round((unitsTotal * turn) / turnsTotal);
  const loop = createStopwatch(async (turn) => {
    await bareLoop(controlPlane, 'bare', { from: unitsUpTo(turn), to: unitsUpTo(turn + 1) });
  });
  const agentTurns = createStopwatch(async (turn) => {
    agent.process.sendSignal('SIGCONT');
    if (turn < turnsTotal - 1) await settledUnits(agent, unitsUpTo(turn + 1), { intervalMs: 500 });
    else await waitForTotal(system, 'succeeded', unitsTotal, { intervalMs: 250 });
    agent.process.sendSignal('SIGSTOP');
  });
  for (let turn = 0; turn < turnsTotal; turn++) {
    const loopSeconds = await loop.take(turn);
    await sleep(settleMs);
    const seconds = await agentTurns.take(turn);
    await sleep(settleMs);
    say(`${unitsUpTo(turn + 1)}: loop ${loopSeconds.toFixed(1)} s, agent ${seconds.toFixed(1)} s`);
  }
  agent.process.sendSignal('SIGCONT');
  const peakBytes = await residentBytes(agent.process.pid, 'VmHWM');
  const [bareSeconds, agentSeconds] = [loop.seconds(), agentTurns.seconds()];
  say(`loop: ${bareSeconds.toFixed(1)} s for ${unitsTotal * 4} objects`);
  say(`  processor seconds ${JSON.stringify(loop.processorSeconds())}`);
  say(`agent: ${agentSeconds.toFixed(1)} s, peak ${mebibytes(peakBytes)} MiB`);
  say(`  processor seconds ${JSON.stringify(agentTurns.processorSeconds())}`);
  await sleep(idleSeconds * 1_000);
  const loadedBytes = await residentBytes(agent.process.pid, 'VmRSS');
  say(`agent idle with ${unitsTotal} units: ${mebibytes(loadedBytes)} MiB`);
  const restart = await restartUnchanged({ agent, controlPlane, unitsTotal });
  say(`restart with nothing changed: in sync after ${restart.seconds} s, ${restart.writes} writes`);

  const ratio = agentSeconds / bareSeconds;
  say(`the agent took ${ratio.toFixed(2)} times the bare loop`);
  return {
    unitsTotal,
    objectsTotal: unitsTotal * 4,
    bareSeconds: round(bareSeconds),
    agentSeconds: round(agentSeconds),
    ratio: round(ratio),
    bareProcessorSeconds: loop.processorSeconds(),
    agentProcessorSeconds: agentTurns.processorSeconds(),
    restartSeconds: restart.seconds,
    restartWrites: restart.writes,
    agentPeakMebibytes: mebibytes(peakBytes),
    agentIdleEmptyMebibytes: mebibytes(idleBytes),
    agentIdleLoadedMebibytes: mebibytes(loadedBytes),
    logPosition: position,
  };
}

/** Adds up the time and the processor seconds of the turns that somebody takes. */
function createStopwatch(turn: (index: number) => Promise<void>) {
  let totalSeconds = 0;
  const used: Record<string, number> = {};
  return {
    /** Returns the seconds of this turn. */
    take: async (index: number): Promise<number> => {
      const before = await processorSeconds();
      const startedAt = performance.now();
      await turn(index);
      const seconds = (performance.now() - startedAt) / 1_000;
      totalSeconds += seconds;
      for (const [program, more] of Object.entries(await processorSeconds(before))) {
        used[program] = (used[program] ?? 0) + more;
      }
      return seconds;
    },
    seconds: () => totalSeconds,
    processorSeconds: (): Record<string, number> =>
      Object.fromEntries(
        Object.entries(used).map(([program, seconds]) => [program, Math.round(seconds)]),
      ),
  };
}

type Restarted = Pick<SystemCluster, 'agent' | 'controlPlane'> & { readonly unitsTotal: number };

/** From the agent's start until every unit is known to be in sync, and the objects that it wrote meanwhile. */
async function restartUnchanged({ agent, controlPlane, unitsTotal }: Restarted) {
  const before = await appliesTotal(controlPlane);
  const startedAt = Date.now();
  await agent.process.restart();
  await settledUnits(agent, unitsTotal, { intervalMs: 50 });
  const seconds = round((Date.now() - startedAt) / 1_000);
  return { seconds, writes: (await appliesTotal(controlPlane)) - before };
}

/** By the agent's own word, which costs the hub nothing. */
const settledUnits = (
  agent: SystemCluster['agent'],
  total: number,
  { intervalMs }: { intervalMs: number },
): Promise<true> =>
  waitFor(
    `${total} units are settled`,
    async (see) => {
      const text = await agent.metrics();
      const settled = Number(/^fairlead_agent_units_settled (\d+)$/m.exec(text)?.[1]);
      see(settled);
      return settled >= total;
    },
    { timeoutMs: 600_000, intervalMs },
  );

/** Server-side applies that the API server has answered; only the agent and the bare loop send any. */
async function appliesTotal(controlPlane: ControlPlane): Promise<number> {
  const text: string = await controlPlane.request('GET', '/metrics');
  const counts = [...text.matchAll(/^apiserver_request_total\{.*verb="APPLY".*\} (\S+)$/gm)];
  return counts.reduce((sum, [, value]) => sum + Number(value), 0);
}
