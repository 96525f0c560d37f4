import type { ClusterId, PipelineName } from '@fairlead/shared/ids';
import { createLogger } from '@fairlead/shared/log';
import type { Clock, Instant, Random } from '@fairlead/shared/time';
import { type OfferedAssignment, offeredAssignments } from '../../../hub/src/agent-link/index.ts';
import { type CommandHandler, createCommandHandler } from '../../../hub/src/commands/index.ts';
import {
  type Actor,
  type DecisionLog,
  type MemoryLogDisk,
  openMemoryDecisionLog,
} from '../../../hub/src/decision-log/index.ts';
import { inForce, nextFreezeChange } from '../../../hub/src/domain/freeze/index.ts';
import {
  type CommitStatus,
  type PipelineEvent,
  type Snapshot,
  snapshotOf,
} from '../../../hub/src/domain/promotion/index.ts';
import { watchedTickMs } from '../../../hub/src/limits.ts';
import {
  createFleetReactor,
  createFreezeReactor,
  createPromotionReactor,
  type Presence,
} from '../../../hub/src/reactors/index.ts';
import { people } from '../scenario/people.ts';
import type { Chance } from '../world/chance.ts';
import type { SimulatedProcess } from '../world/process.ts';
import type { Repository } from '../world/repository.ts';
import type { VirtualTime } from '../world/virtual-time.ts';
import type { Watch } from '../world/watch.ts';
import { createReadModel, type ReceivedReport, type SimulatedReadModel } from './read-model.ts';

export const pipelineName = 'checkout' as PipelineName;
export const repositoryName = 'environments';

/** Messages of agents that the bus holds; they outlive every program. */
export type BusStore = {
  readonly reports: ReceivedReport[];
  /** Audit batches that no hub has confirmed yet. */
  audits: AuditBatch[];
};

export type AuditBatch = {
  readonly cluster: string;
  readonly clusterId: ClusterId;
  readonly agentEpoch: string;
  readonly events: Parameters<CommandHandler['appendAgentAudit']>[2];
};

export type HubWitness = {
  readonly snapshotTaken: (snapshot: Snapshot) => void;
  readonly reportSeen: (report: ReceivedReport) => void;
  /** Events that came of a command which was given a second time at once. */
  readonly repeated: (events: readonly PipelineEvent[]) => void;
};

export type SimulatedHub = {
  readonly process: SimulatedProcess;
  readonly commands: CommandHandler;
  readonly readModel: SimulatedReadModel;
  readonly snapshot: () => Promise<Snapshot>;
  readonly takeReport: (report: ReceivedReport) => void;
  readonly takeAudit: (batch: AuditBatch) => void;
  /** What the agent of a cluster is to be told now, and no more. */
  readonly offered: (cluster: ClusterId) => Promise<readonly OfferedAssignment[]>;
  /** A webhook came, or it is time to poll. */
  readonly lookAtRepository: () => void;
  readonly reachChanged: () => void;
  /** Does this once, when an assignment is decided and about to be recorded; it takes the place of what was to be done then. */
  readonly beforeAssignment: (act: (() => void) | undefined) => void;
};

const logger = createLogger('sim', 'silent');
const pollIntervalMs = 60_000;

export async function startHub(options: {
  readonly process: SimulatedProcess;
  readonly disk: MemoryLogDisk;
  readonly bus: BusStore;
  readonly repository: Repository;
  readonly time: VirtualTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly chance: Chance;
  readonly witness: HubWitness;
  readonly watch: Watch;
  readonly statuses: ReadonlyMap<string, CommitStatus>;
  readonly presenceOf: (cluster: ClusterId) => Presence | undefined;
  readonly onFreezesChanged: () => void;
  readonly onAssignments: (cluster: ClusterId) => void;
  readonly onWatermark: (cluster: string, agentEpoch: string, sequence: number) => void;
}): Promise<SimulatedHub> {
  const { process, bus, time, clock, random, chance, witness } = options;
  const { signal } = process;
  const opened = await openMemoryDecisionLog({
    disk: options.disk,
    boundary: (at) => process.boundary(`log ${at}`, at === 'read' ? 0 : chance.between(0, 4)),
  });
  let beforeAssignment: (() => void) | undefined;
  const log: DecisionLog = {
    ...opened,
    append: (request) => {
      const act = beforeAssignment;
      if (act && request.events.some(({ type }) => type === 'TargetAssigned')) {
        beforeAssignment = undefined;
        act();
      }
      return opened.append(request);
    },
  };
  const commands = createCommandHandler({ log, clock });
  const readModel = createReadModel();
  await follow(log, readModel);
  for (const report of bus.reports) if (readModel.recordReport(report)) witness.reportSeen(report);

  const snapshotAt = async (at: Instant): Promise<Snapshot> => {
    const freezes = await commands.freezesState();
    const freezesChangeAt = nextFreezeChange(freezes.state, at);
    const snapshot = snapshotOf({
      at,
      freezes: inForce(freezes.state, at),
      freezesVersion: freezes.version,
      ...(freezesChangeAt === undefined ? {} : { freezesChangeAt }),
      clusters: readModel.clusterSnapshots(),
      reports: readModel.reportsOf(pipelineName),
      watchedMs: options.watch.watchedMs(),
      people,
      statuses: [...options.statuses.values()],
    });
    witness.snapshotTaken(snapshot);
    return snapshot;
  };
  const loop = { commands, clock, random, signal, logger };
  const promotion = createPromotionReactor({
    ...loop,
    commands: givenTwice(options, commands),
    pipelineNames: readModel.pipelineNames,
    snapshotOf: (_, at) => snapshotAt(at),
  });
  const fleet = createFleetReactor({
    ...loop,
    clusters: readModel.clusterRows,
    presenceOf: options.presenceOf,
  });
  const freezes = createFreezeReactor({
    ...loop,
    freezes: commands.freezesState,
    onChanged: () => {
      promotion.wake();
      options.onFreezesChanged();
    },
  });
  followLater({ ...options, log, readModel }, (registrations) => {
    freezes.wake();
    promotion.wake(registrations ? undefined : [pipelineName]);
    if (registrations) fleet.wake();
  });
  const tick = () => {
    if (!process.isAlive()) return;
    options.watch.watchedMs();
    time.after(watchedTickMs / 2, tick);
  };
  tick();
  const lookAtRepository = createPoller({ ...options, commands, readModel });

  const takeAudit = async (batch: AuditBatch): Promise<void> => {
    const { cluster, clusterId, agentEpoch, events } = batch;
    const actor: Actor = { kind: 'agent', name: cluster };
    const appended = await commands.appendAgentAudit(clusterId, agentEpoch, events, actor);
    if (!appended.ok || !process.isAlive()) return;
    bus.audits = bus.audits.filter((waiting) => waiting !== batch);
    options.onWatermark(cluster, agentEpoch, appended.value.sequence);
  };
  for (const batch of bus.audits) void takeAudit(batch);

  return {
    process,
    commands,
    readModel,
    snapshot: () => snapshotAt(clock.now()),
    takeReport: (report) => {
      if (!process.isAlive() || !readModel.recordReport(report)) return;
      witness.reportSeen(report);
      promotion.wake([report.pipeline]);
    },
    takeAudit: (batch) => {
      if (process.isAlive()) void takeAudit(batch);
    },
    offered: async (cluster) => {
      const { state } = await commands.freezesState();
      const at = clock.now();
      return offeredAssignments(readModel.datedAssignmentsOf(cluster), inForce(state, at), at);
    },
    lookAtRepository,
    reachChanged: () => time.after(10, fleet.wake),
    beforeAssignment: (act) => {
      beforeAssignment = act;
    },
  };
}

/** At times a decision is asked for again on the very same snapshot, as a lost answer would make a caller do. */
function givenTwice(
  { chance, witness }: Parameters<typeof startHub>[0],
  commands: CommandHandler,
): CommandHandler {
  return {
    ...commands,
    pipeline: async (name, command, actor) => {
      let made = 'make' in command ? undefined : command;
      const remembered =
        'make' in command
          ? { ...command, make: async () => (made = await command.make()) }
          : command;
      const first = await commands.pipeline(name, remembered, actor);
      const isRepeated = command.type === 'advance' && first.ok && chance.happens(0.1);
      if (!isRepeated || made === undefined) return first;
      const again = await commands.pipeline(name, made, actor);
      const last = first.value.events.at(-1)?.version;
      // Whatever came between the two is another's.
      if (!again.ok || last === undefined || again.value.events[0]?.version !== last + 1) {
        return again.ok && again.value.events.length === 0 ? first : again;
      }
      witness.repeated(again.value.events.map(({ event }) => event));
      return again;
    },
  };
}

async function follow(log: DecisionLog, readModel: SimulatedReadModel): Promise<void> {
  for (;;) {
    const entries = await log.readAfter(readModel.position(), 500);
    if (entries.length === 0) return;
    for (const entry of entries) readModel.fold(entry);
  }
}

/** The read model comes after the log by some milliseconds, so what decides on it may be behind. */
function followLater(
  options: Parameters<typeof startHub>[0] & { log: DecisionLog; readModel: SimulatedReadModel },
  onChanged: (registrations: boolean) => void,
): void {
  const { log, readModel, time, chance, process, onAssignments } = options;
  let isDue = false;
  const catchUp = async () => {
    isDue = false;
    const entries = await log.readAfter(readModel.position(), 500);
    const assigned = new Set<ClusterId>();
    let registrations = false;
    for (const entry of entries) {
      if (entry.position <= readModel.position()) continue;
      readModel.fold(entry);
      registrations ||= entry.stream.startsWith('cluster/');
      const { event } = entry;
      if (event.type === 'TargetAssigned' || event.type === 'TargetWithdrawn') {
        assigned.add(event.cluster);
      }
    }
    if (!process.isAlive() || entries.length === 0) return;
    for (const cluster of assigned) onAssignments(cluster);
    onChanged(registrations);
  };
  log.onAppended(() => {
    if (isDue) return;
    isDue = true;
    time.after(chance.between(1, 60), () => {
      if (process.isAlive()) void catchUp();
    });
  });
}

/** Looks at the branch as the repository loop does: releases first, and where the branch stands last. */
function createPoller(
  options: Parameters<typeof startHub>[0] & {
    commands: CommandHandler;
    readModel: SimulatedReadModel;
  },
): () => void {
  const { process, repository, time, chance, commands } = options;
  const actor: Actor = { kind: 'hub', name: 'repositories' };
  let isLooking = false;
  let isHinted = false;

  const look = async () => {
    await process.boundary('fetch', chance.between(20, 400));
    const branch = repository.branch();
    const head = branch.at(-1);
    const state = await commands.pipelineState(pipelineName);
    if (!head || state.status !== 'active') return;
    const known = new Set(state.releases.map(({ commit }) => commit));
    const releases = branch
      .filter(({ id }) => !known.has(id))
      .map(({ id, position }) => ({
        commit: id,
        position,
        subject: id.slice(0, 6),
        authorName: 'Ada',
        authorEmail: 'ada@example.com',
        // Later commits carry earlier dates: nothing may depend on them.
        committedAt: 1_000_000 - position,
      }));
    const onBranch = branch.map(({ id }) => id);
    const at = options.clock.now();
    const command = { type: 'record-branch', head: head.id, releases, onBranch, at } as const;
    await commands.pipeline(pipelineName, command, actor);
    const before = await commands.repositoryState(repositoryName);
    const previous = before.status === 'defined' ? before.head?.commit : undefined;
    if (previous === head.id) return;
    const kind = !previous ? 'first' : onBranch.includes(previous as never) ? 'forward' : 'forced';
    const moved = { type: 'record-branch-moved', branch: 'main', commit: head.id, kind } as const;
    await commands.repository(
      repositoryName,
      { ...moved, ...(previous ? { previous } : {}) },
      actor,
    );
  };
  const hint = () => {
    if (!process.isAlive()) return;
    isHinted = true;
    if (isLooking) return;
    isLooking = true;
    isHinted = false;
    void look().finally(() => {
      isLooking = false;
      if (isHinted) hint();
    });
  };
  const poll = () => {
    if (!process.isAlive()) return;
    hint();
    time.after(pollIntervalMs, poll);
  };
  poll();
  return hint;
}
