import { err, expectOk, ok } from '@fairlead/shared/result';
import type { Clock, Random } from '@fairlead/shared/time';
import { type Cluster, ClusterError } from '../../../agent/src/cluster/index.ts';
import type { Assignment, AuditEntry, UnitReport } from '../../../agent/src/domain/link/index.ts';
import { judgeAssignment, openPolicy } from '../../../agent/src/domain/policy/index.ts';
import {
  createReconciler,
  type ReconcileJournal,
  type Reconciler,
} from '../../../agent/src/reconcile/index.ts';
import type { AgentDisk } from '../world/agent-disk.ts';
import type { Chance } from '../world/chance.ts';
import type { SimulatedCluster } from '../world/cluster.ts';
import type { SimulatedProcess } from '../world/process.ts';
import { type Repository, renderCommit } from '../world/repository.ts';
import type { VirtualTime } from '../world/virtual-time.ts';

/** Sees what an agent does at the moment that it does it. */
export type AgentWitness = {
  readonly accepted: (assignment: Assignment) => void;
  readonly audited: (sequence: number, entry: AuditEntry) => void;
  /** Asked of the cluster, before it is served. */
  readonly removes: (address: { kind: string; namespace: string; name: string }) => void;
};

export type SimulatedAgent = {
  readonly process: SimulatedProcess;
  readonly reconciler: Reconciler;
};

/** The agent's real loop over its cluster, its disk and its Git content. */
export async function startAgent(options: {
  readonly process: SimulatedProcess;
  readonly disk: AgentDisk;
  readonly cluster: SimulatedCluster;
  readonly repository: Repository;
  readonly time: VirtualTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly chance: Chance;
  readonly witness: AgentWitness;
  /** Something waits to be sent. */
  readonly onOutbox: () => void;
}): Promise<SimulatedAgent> {
  const { process, disk, repository, witness, onOutbox } = options;
  const quiet = () => {};
  const reconciler = createReconciler({
    cluster: throughBoundaries(options),
    journal: journalOf(options),
    clock: options.clock,
    random: options.random,
    loadTree: async () => {
      await process.boundary('fetch tree', options.chance.between(5, 60));
      return ok({
        id: '',
        files: [],
        read: async () => undefined,
        folder: async () => ok('/tree'),
      });
    },
    render: async (assignment) => {
      await process.boundary('render', options.chance.between(5, 40));
      const commit = repository.find(assignment.commit);
      const objects = commit && renderCommit(commit, assignment.path);
      if (!objects) return err({ message: 'the commit cannot be rendered', terminal: true });
      if (objects.length === 0) return err({ message: 'nothing is rendered', terminal: true });
      return ok([...objects]);
    },
    onReport: (report: UnitReport) => {
      if (!process.mayWrite('put report')) return;
      disk.putReport(report);
      onOutbox();
    },
    onAudit: (entry) => {
      if (!process.mayWrite(`audit ${entry.kind}`)) return;
      const { sequence } = disk.appendAudit(entry);
      witness.audited(sequence, entry);
      onOutbox();
    },
    trust: {
      permit: async (assignment) =>
        ok(expectOk(judgeAssignment(openPolicy, assignment), 'a permit')),
      verify: async () => ok({ signer: '', warning: '' }),
    },
    agentNamespace: 'fairlead',
    signal: process.signal,
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  await reconciler.start();
  return { process, reconciler };
}

type Parts = Parameters<typeof startAgent>[0];

/** Every request may be the last thing that the process does, before or after it has its effect. */
function throughBoundaries({ cluster, process, chance, witness }: Parts): Cluster {
  const { memory } = cluster;
  const request =
    <Given extends unknown[], Value>(
      name: string,
      send: (...given: Given) => Promise<Value>,
      look: (...given: Given) => void = () => {},
    ) =>
    async (...given: Given): Promise<Value> => {
      if (process.signal.aborted) throw new ClusterError('unavailable', 'the process was killed');
      look(...given);
      await process.boundary(`before ${name}`, chance.between(0, 8));
      const answer = await send(...given);
      await process.boundary(`after ${name}`, chance.between(0, 8));
      return answer;
    };
  const ended = ({ signal }: { signal?: AbortSignal }) => signal?.throwIfAborted();
  return {
    ...memory,
    apply: request('apply', memory.apply, (_, options) => ended(options)),
    setManagedFields: request('set managed fields', memory.setManagedFields),
    get: request('get', memory.get),
    remove: request('remove', memory.remove, (address, options) => {
      ended(options);
      witness.removes(address);
    }),
    watch: (watch, onEvent) =>
      memory.watch(watch, (event) => {
        if (process.isAlive()) onEvent(event);
      }),
  };
}

function journalOf({ disk, process, chance, witness }: Parts): ReconcileJournal {
  return {
    durable: async () => {
      const upTo = disk.content();
      await process.boundary('sync', chance.between(0, 6));
      disk.synced(upTo);
    },
    acceptedEpoch: () => 1,
    saveAssignment: (assignment) => {
      if (!process.mayWrite('save assignment')) return;
      witness.accepted(assignment);
      disk.saveAssignment(assignment);
    },
    loadAssignments: () => [...disk.content().assignments.values()],
    saveInventory: (unit, inventory) => {
      if (process.mayWrite('save inventory')) disk.saveInventory(unit, JSON.stringify(inventory));
    },
    loadInventory: (unit) => {
      const text = disk.content().inventories.get(unit);
      return text === undefined ? undefined : JSON.parse(text);
    },
    removeInventory: (unit) => {
      if (process.mayWrite('remove inventory')) disk.removeInventory(unit);
    },
  };
}
