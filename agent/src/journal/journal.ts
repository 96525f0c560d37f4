import type { Clock, Random } from '@fairlead/shared/time';
import type { AuditEntry, UnitReport } from '../domain/link/index.ts';
import { auditOutboxRowsMax, outboxBytesMax } from '../limits.ts';
import {
  type AuditBody,
  type AuditReadOptions,
  type AuditRecord,
  createAuditOutbox,
  type JournalEventKind,
  verifyAudit,
} from './audit-outbox.ts';
import { type CompleteTrees, createCompleteTrees } from './complete-trees.ts';
import { type JournalDatabase, openDatabase } from './database.ts';
import { createDurable } from './durable.ts';
import { readFact, writeFact } from './facts.ts';
import { createGitObjectRows, type GitObjectRows } from './git-object-rows.ts';
import {
  createReportOutbox,
  type PendingUnit,
  type ReportRecord,
  verifyReports,
} from './report-outbox.ts';
import { createRunJournal, type RunJournal, verifyRuns } from './runs.ts';
import { createUnitJournal, type UnitJournal, verifyUnits } from './units.ts';
import { walFault } from './wal.ts';

export type OutboxStatus = {
  readonly auditLength: number;
  /** The last sequence that was given, waiting or not. */
  readonly auditSequence: number;
  readonly reportsPending: number;
  readonly bytes: number;
};

/**
 * Everything that the agent must still know after a crash. Calls are synchronous, and what they wrote outlives the
 * process when they return. What leaves the agent on the strength of a write waits for `durable` first: an apply for its
 * intent, a message to the hub for its sequence.
 */
export type Journal = UnitJournal &
  CompleteTrees &
  RunJournal & {
    /** Resolves when all that was written before outlives a power cut as well; callers share one sync. */
    readonly durable: () => Promise<void>;
    readonly gitObjects: GitObjectRows;
    /** Names the life of this journal's sequences. */
    readonly agentEpoch: () => string;
    readonly appendAudit: (entries: readonly AuditEntry[]) => void;
    readonly readAudit: (options: AuditReadOptions) => AuditRecord[];
    /** Sequence of the oldest event that waits; costs no read. */
    readonly firstAuditSequence: () => number | undefined;
    /**
     * The hub has the events through a sequence, so they go. A watermark beyond what this journal gave shows that the
     * disk went back in time; then the waiting events start a new life, because their sequences are taken.
     */
    readonly acknowledgeAudit: (agentEpoch: string, sequence: number) => void;
    readonly putReport: (report: UnitReport) => void;
    readonly pendingReports: (reportsMax: number) => ReportRecord[];
    readonly unitsWithPendingReports: (unitsMax: number) => readonly PendingUnit[];
    readonly pendingReportOf: (unit: string) => ReportRecord | undefined;
    readonly markReportsSent: (sent: readonly PendingUnit[]) => void;
    readonly requeueReports: () => void;
    readonly outboxStatus: () => OutboxStatus;
    /** Calls the listener after each append to that outbox; the answer ends it. */
    readonly onOutbox: (outbox: 'audit' | 'report' | 'result', listener: () => void) => () => void;
    readonly close: () => void;
  } & Disposable;

export type JournalOptions = {
  readonly file: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: { readonly auditRowsMax: number; readonly outboxBytesMax: number };
};

/** Opens the journal. A damaged file is put aside and a fresh journal, with a new agent epoch, says so in its first event. */
export function openJournal(options: JournalOptions): Journal {
  const { file, clock, random } = options;
  const limits = options.limits ?? { auditRowsMax: auditOutboxRowsMax, outboxBytesMax };
  const damagedLog = walFault(file);
  const database = openDatabase(file, clock.now(), verifyAll);
  const audit = createAuditOutbox(database, { rowsMax: limits.auditRowsMax });
  const reports = createReportOutbox(database);
  const durable = createDurable(file);
  const runs = createRunJournal(database);
  const listeners = {
    audit: new Set<() => void>(),
    report: new Set<() => void>(),
    result: new Set<() => void>(),
  };
  const notify = (outbox: keyof typeof listeners): void => {
    for (const listener of listeners[outbox]) listener();
  };

  const journalEvent = (kind: JournalEventKind, message: string, details: object): AuditBody => ({
    occurredAtMs: clock.now(),
    unit: '',
    generation: 0,
    commit: '',
    kind,
    message,
    details: JSON.stringify(details),
  });
  let agentEpoch = readFact(database, 'agent_epoch');
  const previous = agentEpoch;
  const restart = (event: AuditBody): void => {
    const next = random.nextId();
    database.raw.transaction(() => {
      writeFact(database, 'agent_epoch', next);
      audit.restart(event);
    })();
    agentEpoch = next;
  };

  if (database.quarantined !== undefined) {
    const { file: aside, reason } = database.quarantined;
    const message = `The journal was damaged and is kept as ${aside}; a fresh one begins.`;
    restart(journalEvent('JournalReplaced', message, { reason }));
  } else if (damagedLog !== undefined) {
    const message = 'The journal lost its newest writes; the waiting events begin a new life.';
    const details = { previous: previous ?? '', reason: damagedLog };
    restart(journalEvent('JournalRestarted', message, details));
  } else if (previous === undefined) {
    restart(journalEvent('JournalStarted', 'A fresh journal begins.', {}));
  }

  /** Reports make room for audit events, because they can be made again. */
  const makeRoom = (bytes: number): void => {
    while (audit.bytesCount() + reports.bytesCount() + bytes > limits.outboxBytesMax) {
      if (!reports.dropOldest()) return;
    }
  };
  const bodyOf = (entry: AuditEntry): AuditBody => ({
    occurredAtMs: clock.now(),
    unit: entry.unit,
    generation: entry.generation,
    commit: entry.commit,
    kind: entry.kind,
    message: entry.message,
    ...(entry.object === undefined ? {} : { object: entry.object }),
    details: JSON.stringify(entry.details ?? {}),
  });

  const journal: Omit<Journal, typeof Symbol.dispose> = {
    ...createUnitJournal(database),
    ...createCompleteTrees(database),
    ...runs,
    saveRun: (record) => {
      runs.saveRun(record);
      if (record.result) notify('result');
    },
    requeueResult: (runId) => {
      runs.requeueResult(runId);
      notify('result');
    },
    requeueResults: () => {
      runs.requeueResults();
      notify('result');
    },
    durable: durable.sync,
    gitObjects: createGitObjectRows(database),
    agentEpoch: () => agentEpoch ?? '',

    appendAudit: (entries) => {
      if (entries.length === 0) return;
      const bodies = entries.map(bodyOf);
      makeRoom(Buffer.byteLength(JSON.stringify(bodies)));
      const room = (): number => limits.outboxBytesMax - audit.bytesCount() - reports.bytesCount();
      audit.append(bodies, room);
      notify('audit');
    },
    readAudit: audit.read,
    firstAuditSequence: audit.firstSequence,
    acknowledgeAudit: (ofEpoch, sequence) => {
      const current = agentEpoch;
      if (ofEpoch !== current) return;
      if (sequence <= audit.lastSequence()) {
        audit.removeThrough(sequence);
        return;
      }
      const message = 'The hub has more audit events of this journal than the journal itself.';
      const details = { previous: current, hub: sequence, journal: audit.lastSequence() };
      restart(journalEvent('JournalRestarted', message, details));
      notify('audit');
    },

    putReport: (report) => {
      reports.put(report, clock.now());
      makeRoom(0);
      notify('report');
    },
    pendingReports: reports.pending,
    unitsWithPendingReports: reports.pendingUnits,
    pendingReportOf: reports.pendingOf,
    markReportsSent: reports.markSent,
    requeueReports: () => {
      reports.requeueAll();
      notify('report');
    },

    outboxStatus: () => ({
      auditLength: audit.rowsCount(),
      auditSequence: audit.lastSequence(),
      reportsPending: reports.pendingCount(),
      bytes: audit.bytesCount() + reports.bytesCount(),
    }),
    onOutbox: (outbox, listener) => {
      listeners[outbox].add(listener);
      return () => listeners[outbox].delete(listener);
    },
    close: () => {
      durable.close();
      database.raw.close();
    },
  };
  return { ...journal, [Symbol.dispose]: journal.close };
}

function verifyAll(database: JournalDatabase): void {
  for (const name of ['agent_epoch', 'accepted_epoch', 'report_sequence'] as const) {
    readFact(database, name);
  }
  verifyUnits(database);
  verifyAudit(database);
  verifyReports(database);
  verifyRuns(database);
}
