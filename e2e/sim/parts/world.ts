import { isDeepStrictEqual } from 'node:util';
import type { ClusterId, StageName } from '@fairlead/shared/ids';
import type { AuditEntry } from '../../../agent/src/domain/link/index.ts';
import { createCommandHandler } from '../../../hub/src/commands/index.ts';
import {
  createMemoryLogDisk,
  type MemoryLogDisk,
  openMemoryDecisionLog,
} from '../../../hub/src/decision-log/index.ts';
import type { CommitStatus } from '../../../hub/src/domain/promotion/index.ts';
import type { Assignment } from '../../../hub/src/domain/rollout/index.ts';
import type { Observe } from '../oracle/observation.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { createChance } from '../world/chance.ts';
import { createMachineClock, type MachineClock, randomOf } from '../world/clock.ts';
import { createNetwork, type Network } from '../world/network.ts';
import { createProcess, type SimulatedProcess } from '../world/process.ts';
import { createRepository, type Repository } from '../world/repository.ts';
import type { Trace } from '../world/trace.ts';
import type { VirtualTime } from '../world/virtual-time.ts';
import { createWatch } from '../world/watch.ts';
import { type AgentHost, createAgentHost, type HubSide } from './agent-host.ts';
import { type BusStore, pipelineName, type SimulatedHub, startHub } from './hub.ts';
import { assignmentOnWire } from './wire.ts';

/** The whole system: one hub, its disk and bus, the repository, the network, and the machines of the agents. */
export type World = {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly repository: Repository;
  readonly network: Network;
  readonly hosts: ReadonlyMap<string, AgentHost>;
  readonly logDisk: MemoryLogDisk;
  readonly hubClock: MachineClock;
  /** The hub that runs now. */
  readonly hub: () => SimulatedHub | undefined;
  readonly startHub: () => void;
  readonly crashHub: (boundaries: number, downMs: number) => void;
  /** A crash that was to come does not come. */
  readonly spareHub: () => void;
  /** How the log, or what is folded from it anew, differs from what the hub has; nothing when they are the same. */
  readonly replayFault: () => Promise<string | undefined>;
  readonly addHost: (name: string) => AgentHost;
  readonly hubIds: () => string;
  /** By commit. */
  readonly statuses: Map<string, CommitStatus>;
};

export function createWorld(options: {
  readonly scenario: Scenario;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly observe: Observe;
}): World {
  const { scenario, time, trace, observe } = options;
  const chance = createChance(`world ${scenario.seed}`);
  const repository = createRepository();
  const hosts = new Map<string, AgentHost>();
  const byId = new Map<ClusterId, AgentHost>();
  const network: Network = createNetwork({
    time,
    chance: chance.fork('network'),
    faults: scenario.network,
    onReach: (cluster) => reachChanged(cluster),
  });
  const hubClock = createMachineClock(time);
  const hubRandom = randomOf(chance.fork('hub ids'), 'h');
  const logDisk = witnessedDisk(observe);
  const watch = createWatch(time);
  const statuses = new Map<string, CommitStatus>();
  const bus: BusStore = { reports: [], audits: [] };
  let hubProcess: SimulatedProcess | undefined;
  let hub: SimulatedHub | undefined;
  let hubLives = 0;
  let hubDownMs = 1_000;
  /** What each agent was told over its open watch. */
  const told = new Map<string, Map<string, number>>();
  /** Virtual times since when, or until when, an agent can be heard. */
  const reach = new Map<ClusterId, { heard: boolean; sinceMs: number }>();
  let hubStartedAtMs = 0;

  const canBeHeard = (host: AgentHost) => host.isUp() && !network.isCut(host.name);
  const reachChanged = (name: string) => {
    const host = hosts.get(name);
    if (!host) return;
    const heard = canBeHeard(host);
    if (reach.get(host.id)?.heard === heard) return;
    reach.set(host.id, { heard, sinceMs: time.nowMs() });
    hub?.reachChanged();
    if (heard) host.reconnect();
  };
  const presenceOf = (id: ClusterId) => {
    const host = byId.get(id);
    const known = reach.get(id);
    if (!host || !known) return undefined;
    const heardAtMs = known.heard ? time.nowMs() : known.sinceMs;
    if (heardAtMs < hubStartedAtMs) return undefined;
    const lastSeenAt = hubClock.shownAt(heardAtMs);
    return { lastSeenAt, instanceId: host.instanceId(), agentVersion: '1.0.0' };
  };

  const tell = async (host: AgentHost) => {
    const teller = hub;
    if (!teller?.process.isAlive() || !teller.readModel.isMember(host.name)) return;
    const offered = await teller.offered(host.id);
    const held = told.get(host.name);
    if (!held || teller !== hub) return;
    const labels = teller.readModel.labelsOf(host.name);
    for (const { unlessNew, ...assignment } of offered) {
      const unit = `${assignment.pipeline}/${assignment.stage}`;
      if (unlessNew || (held.get(unit) ?? 0) >= assignment.generation) continue;
      held.set(unit, assignment.generation);
      const message = assignmentOnWire(assignment, { epoch: 1, labels });
      network.send(host.name, () => host.hear(message));
      if (network.goesStray()) network.send(host.name, () => goStray(host, assignment));
    }
  };

  const goStray = (host: AgentHost, assignment: Assignment) => {
    const stray = hub && strayReportOf(hub, host, { assignment, repository, at: hubClock.now() });
    if (!stray) return;
    trace.say(
      `${host.name}: reports generation ${stray.generation} of ${stray.commit.slice(0, 6)}`,
    );
    bus.reports.push(stray);
    hub?.takeReport(stray);
  };

  const hubSide: HubSide = {
    hello: (host, known) => {
      if (!hub?.process.isAlive()) return;
      told.set(host.name, new Map(known.map(({ unit, generation }) => [unit, generation])));
      void tell(host);
    },
    report: (host, { sequence, report }) => {
      const stage = report.unit.split('/')[1] as StageName;
      const received: BusStore['reports'][number] = {
        pipeline: pipelineName,
        stage,
        cluster: host.id,
        agentEpoch: host.agentEpoch,
        sequence,
        generation: report.generation,
        commit: report.commit,
        phase: report.phase,
        health: report.health.toLowerCase() as BusStore['reports'][number]['health'],
        message: report.message,
        terminal: report.terminal,
        // The bus runs on the hub's machine and stamps what it stores.
        receivedAt: hubClock.now(),
        objectsTotal: report.objectsTotal,
        pruneHeldObjects: report.pruneHeldObjects,
        pruneHeldDigest: report.pruneHeldDigest,
      };
      bus.reports.push(received);
      trace.note(`report ${host.name} ${stage} ${sequence} ${report.phase} ${report.health}`);
      hub?.takeReport(received);
    },
    audit: (host, batch) => {
      const events = batch.map(({ sequence, entry }) => auditedEvent(sequence, entry));
      const stored = {
        cluster: host.name,
        clusterId: host.id,
        agentEpoch: host.agentEpoch,
        events,
      };
      bus.audits.push(stored);
      hub?.takeAudit(stored);
    },
  };

  const start = () => {
    if (hubProcess?.isAlive()) return;
    hubLives++;
    hubStartedAtMs = time.nowMs();
    const mine = createProcess({
      time,
      onBoundary: (name) => trace.note(`hub ${name}`),
      onEnd: () => {
        trace.say('hub: killed');
        hub = undefined;
        told.clear();
        time.after(hubDownMs, start);
      },
    });
    hubProcess = mine;
    const started = startHub({
      process: mine,
      disk: logDisk,
      bus,
      repository,
      time,
      clock: hubClock,
      random: hubRandom,
      chance: chance.fork(`hub life ${hubLives}`),
      witness: {
        snapshotTaken: (snapshot) => observe({ type: 'snapshot', snapshot }),
        reportSeen: (report) => observe({ type: 'report-seen', report }),
        repeated: (events) => observe({ type: 'repeated', events }),
      },
      watch,
      statuses,
      presenceOf,
      onFreezesChanged: () => {
        for (const host of hosts.values()) void tell(host);
      },
      onAssignments: (cluster) => {
        const host = byId.get(cluster);
        if (host) void tell(host);
      },
      onWatermark: (cluster, agentEpoch, sequence) => {
        network.send(cluster, () => hosts.get(cluster)?.acknowledged(agentEpoch, sequence));
      },
    });
    void started.then((running) => {
      if (!mine.isAlive()) return;
      trace.say('hub: started');
      hub = running;
      for (const host of hosts.values()) if (canBeHeard(host)) host.reconnect();
    });
  };

  return {
    time,
    trace,
    repository,
    network,
    hosts,
    logDisk,
    hubClock,
    hub: () => (hub?.process.isAlive() ? hub : undefined),
    startHub: start,
    crashHub: (boundaries, downMs) => {
      hubDownMs = downMs;
      if (boundaries === 0) hubProcess?.end();
      else hubProcess?.endAfter(boundaries);
    },
    spareHub: () => hubProcess?.endAfter(Number.POSITIVE_INFINITY),
    replayFault: () => replayFault(logDisk, hub),
    addHost: (name) => {
      const id = `cluster0${name}` as ClusterId;
      const host = createAgentHost({
        name,
        id,
        time,
        chance: chance.fork(`agent ${name}`),
        repository,
        network,
        hub: hubSide,
        witness: {
          accepted: (assignment) => {
            trace.say(
              `${name}: accepted ${assignment.stage} generation ${assignment.generation} ` +
                `(${assignment.disposition} ${assignment.commit.slice(0, 6)})`,
            );
            observe({ type: 'accepted', host, assignment });
          },
          audited: (sequence, entry) => {
            trace.note(`${name} audit ${sequence} ${entry.kind}`);
            observe({ type: 'audited', host, sequence, entry });
          },
          removes: (address) => observe({ type: 'removes', host, address }),
        },
        onBoundary: (boundary) => trace.note(boundary),
        onReach: () => reachChanged(name),
        onPowerLost: () => observe({ type: 'power-lost', host }),
      });
      hosts.set(name, host);
      byId.set(id, host);
      return host;
    },
    hubIds: hubRandom.nextId,
    statuses,
  };
}

/**
 * A healthy report on an older generation, or on another commit. It stands between the last report of the target and its
 * next one, so only until the agent speaks again.
 */
function strayReportOf(
  { readModel }: SimulatedHub,
  { id, agentEpoch }: AgentHost,
  about: { assignment: Assignment; repository: Repository; at: number },
): BusStore['reports'][number] | undefined {
  const { assignment, repository, at: receivedAt } = about;
  const before = readModel
    .reportsOf(pipelineName)
    .find(({ cluster, stage }) => cluster === id && stage === assignment.stage);
  // An agent that has settled may have nothing more to say for long.
  if (!before || before.generation >= assignment.generation) return undefined;
  if (assignment.disposition !== 'run') return undefined;
  const other = repository.all().find(({ id: commit }) => commit !== assignment.commit)?.id;
  const isOlder = before.sequence % 2 === 0 || !other;
  return {
    ...before,
    agentEpoch,
    sequence: before.sequence + 0.5,
    generation: isOlder ? before.generation : assignment.generation,
    commit: isOlder ? assignment.commit : other,
    phase: 'settled',
    health: 'healthy',
    terminal: false,
    receivedAt,
  };
}

async function replayFault(
  disk: MemoryLogDisk,
  hub: SimulatedHub | undefined,
): Promise<string | undefined> {
  if (!hub) return 'no hub runs';
  const log = await openMemoryDecisionLog({ disk });
  const fresh = createCommandHandler({ log, clock: { now: () => 0 } });
  const [kept, folded] = [
    await hub.commands.pipelineState(pipelineName),
    await fresh.pipelineState(pipelineName),
  ];
  return isDeepStrictEqual(kept, folded) ? undefined : 'the states differ';
}

/** The oracle hears of an entry when it is committed, whether or not its writer lives to hear of it. */
function witnessedDisk(observe: Observe): MemoryLogDisk {
  const disk = createMemoryLogDisk();
  return {
    ...disk,
    commit: (rows) => {
      disk.commit(rows);
      for (const row of rows) observe({ type: 'entry', row });
    },
  };
}

export const auditedEvent = (sequence: number, entry: AuditEntry) => {
  const [pipeline = '', stage = ''] = entry.unit.split('/');
  const { generation, commit, kind, message, object, details } = entry;
  return {
    sequence,
    occurredAt: 0,
    pipeline,
    stage,
    generation,
    commit,
    kind,
    message,
    ...(object ? { object } : {}),
    ...(details ? { details } : {}),
  };
};
