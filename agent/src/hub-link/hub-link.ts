import { Wake } from '@fairlead/proto';
import type { Logger } from '@fairlead/shared/log';
import type { Clock, Random } from '@fairlead/shared/time';
import type { Assignment, UnitPlan } from '../domain/link/index.ts';
import type { Journal, ObjectStore } from '../journal/index.ts';
import type { OfferedRuns } from '../verification/index.ts';
import { createAuditPump } from './audit-pump.ts';
import { type BusSession, type BusStatus, createBus } from './bus.ts';
import { createFetchTree, type FetchTree } from './fetch-tree.ts';
import type { IdentitySource, IdentityStatus } from './identity.ts';
import { createPulse, pause } from './pause.ts';
import { createPlans } from './plans.ts';
import { createReportPump } from './report-pump.ts';
import { createResultPump } from './result-pump.ts';
import { createAssignmentWatch, type WatchStatus } from './watch.ts';
import { encodeBeat } from './wire.ts';

export type HubLinkDependencies = {
  readonly identity: IdentitySource;
  readonly journal: Journal;
  readonly objects: ObjectStore;
  readonly agentVersion: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Ends everything; `run` then returns. */
  readonly signal: AbortSignal;
  /** Called for each assignment that the hub sends; whether it is accepted is the receiver's decision. */
  readonly onAssignment: (assignment: Assignment) => void;
  /** What an assignment would change; the hub asks before it gives it. */
  readonly preview: (assignment: Assignment, signal: AbortSignal) => Promise<UnitPlan>;
  /** Called with each list of open runs that the hub sends. */
  readonly onVerificationRuns: (runs: OfferedRuns) => void;
  /** What is wanted soon of the same commit; it may come along with what is wanted now. */
  readonly upcoming?: (like: Assignment) => Promise<readonly Assignment[]>;
  readonly onSnapshot?: (assignmentsTotal: number) => void;
  readonly limits?: HubLinkLimits;
};

/** Waits that tests shorten. */
export type HubLinkLimits = {
  readonly watchIdleMsMax?: number;
  readonly busReconnectSpreadMs?: number;
  readonly auditResendMs?: number;
  readonly reportIntervalMs?: number;
};

export type HubLinkStatus = {
  readonly identity: IdentityStatus;
  readonly watch: WatchStatus;
  readonly bus: BusStatus;
};

export type HubLink = {
  /** Keeps the link until the signal aborts. Losing the hub is no failure. */
  readonly run: () => Promise<void>;
  readonly fetchTree: FetchTree;
  readonly status: () => HubLinkStatus;
};

export function createHubLink(dependencies: HubLinkDependencies): HubLink {
  const { identity, journal, clock, random, logger, signal } = dependencies;
  const limits = dependencies.limits ?? {};
  const auditChanged = createPulse();
  const reportsChanged = createPulse();
  const resultsChanged = createPulse();
  // Tells two live processes with one certificate apart.
  const instanceId = random.nextId();

  const watch = createAssignmentWatch({
    identity,
    journal,
    agentVersion: dependencies.agentVersion,
    instanceId,
    clock,
    random,
    logger,
    onAssignment: dependencies.onAssignment,
    onSnapshot: dependencies.onSnapshot ?? (() => undefined),
    onWatermark: auditChanged.pulse,
    onPlanRequest: createPlans({ identity, preview: dependencies.preview, logger, signal }),
    onVerificationRuns: dependencies.onVerificationRuns,
    idleMsMax: limits.watchIdleMsMax,
  });
  const pumpAudit = createAuditPump({
    journal,
    clock,
    random,
    logger,
    changed: auditChanged,
    resendMs: limits.auditResendMs,
  });
  const pumpReports = createReportPump({
    journal,
    clock,
    random,
    logger,
    changed: reportsChanged,
    intervalMs: limits.reportIntervalMs,
  });

  const pumpResults = createResultPump({
    journal,
    clock,
    random,
    logger,
    changed: resultsChanged,
  });

  const beat = async (session: BusSession, sessionSignal: AbortSignal): Promise<void> => {
    while (!sessionSignal.aborted) {
      const outbox = journal.outboxStatus();
      session.publishBeat(
        encodeBeat({
          instanceId,
          agentVersion: dependencies.agentVersion,
          sentAtMs: clock.now(),
          unitsTotal: journal.assignmentsTotal(),
          auditOutboxLength: outbox.auditLength,
          auditSequence: outbox.auditSequence,
          agentEpoch: journal.agentEpoch(),
        }),
      );
      await pause(session.beatIntervalMs, sessionSignal);
    }
  };

  const bus = createBus({
    identity,
    random,
    logger,
    reconnectSpreadMs: limits.busReconnectSpreadMs,
    onSession: async (session, sessionSignal) => {
      await Promise.all([
        beat(session, sessionSignal),
        pumpAudit(session, sessionSignal),
        pumpReports(session, sessionSignal),
        pumpResults(session, sessionSignal),
      ]);
    },
    onWake: (payload) => {
      try {
        const wake = Wake.decode(payload);
        if (wake.assignments) watch.reopen();
        if (wake.reports) {
          journal.requeueReports();
          journal.requeueResults();
        }
      } catch {
        // A hint that cannot be read is no hint.
      }
    },
  });

  return {
    run: async () => {
      const unsubscribe = [
        journal.onOutbox('audit', auditChanged.pulse),
        journal.onOutbox('report', reportsChanged.pulse),
        journal.onOutbox('result', resultsChanged.pulse),
      ];
      try {
        await Promise.all([identity.run(signal), watch.run(signal), bus.run(signal)]);
      } finally {
        for (const end of unsubscribe) end();
      }
    },
    fetchTree: createFetchTree({
      identity,
      journal,
      objects: dependencies.objects,
      upcoming: dependencies.upcoming ?? (async () => []),
      clock,
      signal,
    }),
    status: () => ({ identity: identity.status(), watch: watch.status(), bus: bus.status() }),
  };
}
