import type {
  KnownAssignment,
  WatchAssignmentsRequest,
  WatchAssignmentsResponse,
} from '@fairlead/proto';
import type { ClusterId } from '@fairlead/shared/ids';
import { type ServerWritableStream, status } from '@grpc/grpc-js';
import { verificationsFeature } from '../domain/promotion/index.ts';
import type { Assignment, VerificationOrder } from '../domain/rollout/index.ts';
import {
  agentFeatureCharactersMax,
  agentFeaturesMax,
  keepAliveIntervalMs,
  knownAssignmentsMax,
} from '../limits.ts';
import { assignmentMessage, verificationRunMessages } from './assignment-message.ts';
import { CallError, type Peer, send } from './call.ts';
import type { OfferedAssignment } from './offered.ts';

export type Watermark = { readonly agentEpoch: string; readonly sequence: number };

/** One open watch of one agent process. */
export type Watch = {
  readonly peer: Peer;
  readonly instanceId: string;
  readonly agentVersion: string;
  readonly features: readonly string[];
  /** The assignments or the verification runs of its cluster may have changed. */
  readonly assignmentsChanged: () => void;
  readonly auditAppended: (watermark: Watermark) => void;
  readonly requestPlan: (request: PlanAsked) => void;
  /** Ends the call with a reason; what is being sent is given up. */
  readonly end: (reason: CallError) => void;
  /** Settles when the watch is over; rejects with why, unless the agent hung up. */
  readonly run: () => Promise<void>;
};

type Call = ServerWritableStream<WatchAssignmentsRequest, WatchAssignmentsResponse>;

type WatchOptions = {
  readonly assignmentsOf: (
    cluster: ClusterId,
  ) => readonly OfferedAssignment[] | Promise<readonly OfferedAssignment[]>;
  /** Open runs of verifications, oldest first. */
  readonly ordersOf: (cluster: ClusterId) => readonly VerificationOrder[];
  readonly epoch: () => number | Promise<number>;
  /** The agent holds what this log does not know, and no operator has said that the log counts. */
  readonly isWithheld: (epoch: number) => Promise<boolean>;
  readonly clusterLabels: () => Promise<Readonly<Record<string, string>>>;
  readonly watermarks: readonly Watermark[];
};

/** An assignment that is not given, to ask what it would change. */
export type PlanAsked = { readonly requestId: string; readonly assignment: Assignment };

type Held = { readonly epoch: number; readonly generation: number };

/**
 * Brings one agent to what its cluster is assigned and keeps it there. Nothing is queued: a change only notes that there
 * is one, and what is sent is read at the moment of sending, so a slow agent costs the hub no memory and gets the newest.
 */
export function createWatch(call: Call, peer: Peer, options: WatchOptions): Watch {
  const { known, instanceId, agentVersion, features } = call.request;
  const held = new Map(known.map((item) => [keyOf(item), heldOf(item)]));
  const watermarks = new Map(options.watermarks.map((mark) => [mark.agentEpoch, mark.sequence]));
  const plansAsked: PlanAsked[] = [];
  const over = Promise.withResolvers<void>();
  let isOver = false;
  let changed = true;
  /** The ids of the runs that were listed last; undefined before the first list. */
  let runsListed: string | undefined;
  let woken = Promise.withResolvers<void>();

  const finish = (reason?: CallError) => {
    if (isOver) return;
    isOver = true;
    if (reason === undefined) over.resolve();
    else over.reject(reason);
    woken.resolve();
  };
  call.once('cancelled', () => finish());
  call.once('close', () => finish());

  const put = async (update: WatchAssignmentsResponse['update']): Promise<void> => {
    if (!(await send(call, { update }))) finish();
  };

  const putAssignments = async (differs: (held: Held | undefined, next: Held) => boolean) => {
    const epoch = await options.epoch();
    // Saying nothing changes nothing: absence is never an order.
    if (await options.isWithheld(epoch)) return 0;
    const assignments = await options.assignmentsOf(peer.clusterId);
    const clusterLabels = await options.clusterLabels();
    for (const assignment of assignments) {
      if (isOver) break;
      const next = { epoch, generation: assignment.generation };
      const before = held.get(keyOf(assignment));
      if (!differs(before, next)) continue;
      // It stays different, so it is looked at again with each change, and given when it is no longer kept back.
      if (assignment.unlessNew && (before?.generation ?? 0) < next.generation) continue;
      const message = assignmentMessage(assignment, { epoch, clusterLabels });
      await put({ $case: 'assignment', assignment: message });
      held.set(keyOf(assignment), next);
    }
    return assignments.length;
  };

  const putRuns = async () => {
    if (!features.includes(verificationsFeature) || isOver) return;
    const epoch = await options.epoch();
    if (await options.isWithheld(epoch)) return;
    const clusterLabels = await options.clusterLabels();
    const runs = verificationRunMessages(options.ordersOf(peer.clusterId), {
      epoch,
      clusterLabels,
    });
    const ids = runs.map(({ runId }) => runId).join(' ');
    if (ids === runsListed) return;
    await put({ $case: 'verificationRuns', verificationRuns: { epoch, runs } });
    runsListed = ids;
  };

  const putPlanRequests = async () => {
    for (let asked = plansAsked.shift(); asked && !isOver; asked = plansAsked.shift()) {
      const epoch = await options.epoch();
      const clusterLabels = await options.clusterLabels();
      const assignment = assignmentMessage(asked.assignment, { epoch, clusterLabels });
      const { requestId } = asked;
      await put({ $case: 'planRequest', planRequest: { requestId, assignment } });
    }
  };

  const pump = async (): Promise<void> => {
    changed = false;
    const assignmentsTotal = await putAssignments(isDifferent);
    if (!isOver) await put({ $case: 'snapshotComplete', snapshotComplete: { assignmentsTotal } });
    await putRuns();
    while (!isOver) {
      if (changed) {
        changed = false;
        await putAssignments(isNewer);
        await putRuns();
      }
      for (const [agentEpoch, sequence] of watermarks) {
        watermarks.delete(agentEpoch);
        await put({ $case: 'auditWatermark', auditWatermark: { agentEpoch, sequence } });
      }
      await putPlanRequests();
      if (isOver || changed || watermarks.size > 0 || plansAsked.length > 0) continue;
      if (await idle(woken.promise)) {
        await put({ $case: 'keepAlive', keepAlive: {} });
      }
      woken = Promise.withResolvers();
    }
  };

  return {
    peer,
    instanceId,
    agentVersion,
    features,
    assignmentsChanged: () => {
      changed = true;
      woken.resolve();
    },
    auditAppended: ({ agentEpoch, sequence }) => {
      watermarks.set(agentEpoch, Math.max(sequence, watermarks.get(agentEpoch) ?? 0));
      woken.resolve();
    },
    requestPlan: (asked) => {
      plansAsked.push(asked);
      woken.resolve();
    },
    end: finish,
    run: async () => {
      const pumping = pump();
      await Promise.race([over.promise, pumping]);
    },
  };
}

export function checkWatchRequest({ known, instanceId, features }: WatchAssignmentsRequest): void {
  const isLong = features.some(({ length }) => length > agentFeatureCharactersMax);
  if (features.length > agentFeaturesMax || isLong) {
    throw new CallError(
      status.INVALID_ARGUMENT,
      `features: at most ${agentFeaturesMax} words of ${agentFeatureCharactersMax} characters are read`,
    );
  }
  if (!/^[A-Za-z0-9-]{1,64}$/.test(instanceId)) {
    throw new CallError(
      status.INVALID_ARGUMENT,
      'instance_id must have 1 to 64 letters, digits and "-"',
    );
  }
  if (known.length > knownAssignmentsMax) {
    throw new CallError(
      status.INVALID_ARGUMENT,
      `${known.length} known assignments; at most ${knownAssignmentsMax} are read`,
    );
  }
}

const keyOf = (target: { pipeline: string; stage: string }) => `${target.pipeline}/${target.stage}`;
const heldOf = ({ epoch, generation }: KnownAssignment): Held => ({ epoch, generation });

const isDifferent = (held: Held | undefined, next: Held): boolean =>
  held?.epoch !== next.epoch || held.generation !== next.generation;

const isNewer = (held: Held | undefined, next: Held): boolean =>
  held === undefined ||
  next.epoch > held.epoch ||
  (next.epoch === held.epoch && next.generation > held.generation);

/** True when nothing woke the watch for as long as a connection may be silent. */
function idle(woken: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, keepAliveIntervalMs, true);
    woken.then(() => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}
