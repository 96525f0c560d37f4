import type { ClusterId } from '@fairlead/shared/ids';
import type { Assignment, UnitId } from '../../../agent/src/domain/link/index.ts';
import { type AgentDisk, createAgentDisk } from '../world/agent-disk.ts';
import type { Chance } from '../world/chance.ts';
import { createMachineClock, type MachineClock, randomOf } from '../world/clock.ts';
import { createSimulatedCluster, type SimulatedCluster } from '../world/cluster.ts';
import type { Network } from '../world/network.ts';
import { createProcess, type SimulatedProcess } from '../world/process.ts';
import type { Repository } from '../world/repository.ts';
import type { VirtualTime } from '../world/virtual-time.ts';
import { type AgentWitness, type SimulatedAgent, startAgent } from './agent.ts';

/** What the hub's side of the link takes from an agent. */
export type HubSide = {
  readonly hello: (host: AgentHost, known: readonly Known[]) => void;
  readonly report: (host: AgentHost, waiting: ReportMessage) => void;
  readonly audit: (host: AgentHost, batch: AuditMessage) => void;
};

export type Known = { readonly unit: UnitId; readonly generation: number };
export type ReportMessage =
  ReturnType<AgentDisk['content']>['reports'] extends ReadonlyMap<UnitId, infer Waiting>
    ? Waiting
    : never;
export type AuditMessage = ReturnType<AgentDisk['content']>['audit'];

/** The machine of one agent: its cluster and disk stay, its programs come and go. */
export type AgentHost = {
  readonly name: string;
  readonly id: ClusterId;
  readonly agentEpoch: string;
  readonly cluster: SimulatedCluster;
  readonly disk: AgentDisk;
  readonly clock: MachineClock;
  readonly isUp: () => boolean;
  readonly instanceId: () => string;
  readonly start: () => void;
  readonly crash: (how: { boundaries: number; downMs: number; losesPower: boolean }) => void;
  /** A crash that was to come does not come. */
  readonly spare: () => void;
  readonly hear: (assignment: Assignment) => void;
  readonly acknowledged: (agentEpoch: string, sequence: number) => void;
  /** The link works again. */
  readonly reconnect: () => void;
};

const helloIntervalMs = 40_000;
const resendMs = 8_000;
const auditWindowEvents = 32;

export function createAgentHost(options: {
  readonly name: string;
  readonly id: ClusterId;
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly repository: Repository;
  readonly network: Network;
  readonly hub: HubSide;
  readonly witness: AgentWitness;
  readonly onBoundary: (name: string) => void;
  readonly onReach: () => void;
  readonly onPowerLost: () => void;
}): AgentHost {
  const { name, id, time, chance, network, hub } = options;
  const disk = createAgentDisk();
  const clock = createMachineClock(time);
  const cluster = createSimulatedCluster(time, chance.fork('cluster'));
  const random = randomOf(chance.fork('ids'), 'a');
  const agentEpoch = `epoch-of-${name}`;
  let process: SimulatedProcess | undefined;
  let agent: SimulatedAgent | undefined;
  let instances = 0;
  let nextFlush: { readonly atMs: number; readonly cancel: () => void } | undefined;
  let cancelHello = () => {};
  let losesPower = false;
  let downMs = 1_000;

  const start = () => {
    if (process?.isAlive()) return;
    instances++;
    const mine = createProcess({
      time,
      onBoundary: (boundary) => options.onBoundary(`${name} ${boundary}`),
      onEnd: () => {
        if (losesPower) {
          disk.losePower();
          options.onPowerLost();
        }
        losesPower = false;
        agent = undefined;
        options.onReach();
        time.after(downMs, start);
      },
    });
    process = mine;
    nextFlush = undefined;
    void startAgent({
      process: mine,
      disk,
      cluster,
      repository: options.repository,
      time,
      clock,
      random,
      chance: chance.fork(`life ${instances}`),
      witness: options.witness,
      onOutbox: () => flushSoon(mine),
    }).then((started) => {
      if (!mine.isAlive()) return;
      agent = started;
      options.onReach();
      hello(mine);
      flushSoon(mine);
    });
  };

  /** Opens the watch with the generations that are held; the hub answers with what differs. */
  const hello = (mine: SimulatedProcess) => {
    if (!mine.isAlive()) return;
    const known = [...disk.content().assignments].map(([unit, { generation }]) => ({
      unit,
      generation,
    }));
    network.send(name, () => hub.hello(host, known));
    cancelHello();
    cancelHello = time.after(helloIntervalMs + chance.below(5_000), () => {
      if (mine === process) hello(mine);
    });
  };

  const flushSoon = (mine: SimulatedProcess, delayMs = 20) => {
    const atMs = time.nowMs() + delayMs;
    if (nextFlush !== undefined && nextFlush.atMs <= atMs) return;
    nextFlush?.cancel();
    const cancel = time.after(delayMs, () => {
      if (mine !== process) return;
      nextFlush = undefined;
      if (mine.isAlive()) void flush(mine);
    });
    nextFlush = { atMs, cancel };
  };

  /** Sends what waits once it is sure to be kept, and again while nobody confirms it. */
  const flush = async (mine: SimulatedProcess) => {
    const content = disk.content();
    if (content.reports.size === 0 && content.audit.length === 0) return;
    await mine.boundary('sync', chance.below(6));
    disk.synced(content);
    for (const [unit, waiting] of content.reports) {
      network.send(name, () => {
        hub.report(host, waiting);
        network.send(name, () => {
          if (mine.mayWrite('report sent')) disk.reportSent(unit, waiting.sequence);
        });
      });
    }
    const batch = content.audit.slice(0, auditWindowEvents);
    if (batch.length > 0) network.send(name, () => hub.audit(host, batch));
    flushSoon(mine, resendMs);
  };

  const host: AgentHost = {
    name,
    id,
    agentEpoch,
    cluster,
    disk,
    clock,
    isUp: () => agent !== undefined && process?.isAlive() === true,
    instanceId: () => `${name}-${instances}`,
    start,
    crash: (how) => {
      losesPower = how.losesPower;
      downMs = how.downMs;
      if (how.boundaries === 0) process?.end();
      else process?.endAfter(how.boundaries);
    },
    spare: () => process?.endAfter(Number.POSITIVE_INFINITY),
    hear: (assignment) => {
      if (!agent || !process?.isAlive()) return;
      agent.reconciler.offer(assignment);
    },
    acknowledged: (epoch, sequence) => {
      if (epoch !== agentEpoch || !process?.mayWrite('acknowledge audit')) return;
      disk.removeAuditThrough(sequence);
      flushSoon(process);
    },
    reconnect: () => {
      if (process?.isAlive() && agent) hello(process);
    },
  };
  return host;
}
