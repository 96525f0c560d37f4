import {
  type Assignment,
  type AuditEntry,
  type UnitId,
  type UnitReport,
  unitIdOf,
} from '../../../agent/src/domain/link/index.ts';

export type WaitingAudit = { readonly sequence: number; readonly entry: AuditEntry };
export type WaitingReport = { readonly sequence: number; readonly report: UnitReport };

type Content = {
  readonly assignments: ReadonlyMap<UnitId, Assignment>;
  /** JSON, so that nobody can change what is on the disk through a reference. */
  readonly inventories: ReadonlyMap<UnitId, string>;
  readonly audit: readonly WaitingAudit[];
  readonly auditSequence: number;
  readonly reports: ReadonlyMap<UnitId, WaitingReport>;
  readonly reportSequence: number;
};

/**
 * What an agent's journal keeps. A write outlives the process at once; a loss of power takes all writes since the last
 * sync, as the kernel may not have brought them to the disk.
 */
export type AgentDisk = {
  readonly content: () => Content;
  /** What was there when the sync began survives a loss of power from its end on. */
  readonly synced: (upTo: Content) => void;
  readonly losePower: () => void;
  readonly saveAssignment: (assignment: Assignment) => void;
  readonly saveInventory: (unit: UnitId, text: string) => void;
  readonly removeInventory: (unit: UnitId) => void;
  readonly appendAudit: (entry: AuditEntry) => WaitingAudit;
  readonly removeAuditThrough: (sequence: number) => void;
  readonly putReport: (report: UnitReport) => void;
  readonly reportSent: (unit: UnitId, sequence: number) => void;
};

const emptyContent: Content = {
  assignments: new Map(),
  inventories: new Map(),
  audit: [],
  auditSequence: 0,
  reports: new Map(),
  reportSequence: 0,
};

export function createAgentDisk(): AgentDisk {
  let content = emptyContent;
  let synced = emptyContent;
  const change = (next: Partial<Content>) => {
    content = { ...content, ...next };
  };
  const without = <Value>(map: ReadonlyMap<UnitId, Value>, unit: UnitId) =>
    new Map([...map].filter(([key]) => key !== unit));
  return {
    content: () => content,
    synced: (upTo) => {
      synced = upTo;
    },
    losePower: () => {
      content = synced;
    },
    saveAssignment: (assignment) =>
      change({ assignments: new Map(content.assignments).set(unitIdOf(assignment), assignment) }),
    saveInventory: (unit, text) =>
      change({ inventories: new Map(content.inventories).set(unit, text) }),
    removeInventory: (unit) => change({ inventories: without(content.inventories, unit) }),
    appendAudit: (entry) => {
      const waiting = { sequence: content.auditSequence + 1, entry };
      change({ audit: [...content.audit, waiting], auditSequence: waiting.sequence });
      return waiting;
    },
    removeAuditThrough: (through) =>
      change({ audit: content.audit.filter(({ sequence }) => sequence > through) }),
    putReport: (report) => {
      const sequence = content.reportSequence + 1;
      const reports = new Map(content.reports).set(report.unit, { sequence, report });
      change({ reports, reportSequence: sequence });
    },
    reportSent: (unit, sequence) => {
      if (content.reports.get(unit)?.sequence !== sequence) return;
      change({ reports: without(content.reports, unit) });
    },
  };
}
