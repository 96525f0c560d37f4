import { and, asc, count, eq, sql } from 'drizzle-orm';
import type { UnitReport } from '../domain/link/index.ts';
import { JournalDamagedError, type JournalDatabase, rowChecksum } from './database.ts';
import { readNumberFact, writeFact } from './facts.ts';
import { reportOutbox } from './schema.ts';

/** A report as it waits for the bus: the newest of its unit. */
export type ReportRecord = {
  readonly sequence: number;
  readonly observedAtMs: number;
  readonly report: UnitReport;
};

export type PendingUnit = { readonly unit: string; readonly sequence: number };

export type ReportOutbox = {
  /** Replaces the unit's older report. */
  readonly put: (report: UnitReport, observedAtMs: number) => void;
  readonly pending: (reportsMax: number) => ReportRecord[];
  /** Which units' reports wait, the oldest first, without reading the reports. */
  readonly pendingUnits: (unitsMax: number) => readonly PendingUnit[];
  /** The unit's report, if one waits. */
  readonly pendingOf: (unit: string) => ReportRecord | undefined;
  /** No effect on a unit whose newer report waits by now. */
  readonly markSent: (sent: readonly PendingUnit[]) => void;
  /** Every unit's newest report waits again, under new sequences, so that the bus does not take them for re-sends. */
  readonly requeueAll: () => void;
  readonly dropOldest: () => boolean;
  readonly pendingCount: () => number;
  readonly bytesCount: () => number;
};

type Body = { readonly observedAtMs: number; readonly report: UnitReport };
type Row = typeof reportOutbox.$inferSelect;

export function createReportOutbox(database: JournalDatabase): ReportOutbox {
  const { orm, raw } = database;
  let bytes = 0;
  for (const row of orm.select().from(reportOutbox).all()) bytes += Buffer.byteLength(row.body);
  const byUnit = orm
    .select()
    .from(reportOutbox)
    .where(eq(reportOutbox.unit, sql.placeholder('unit')))
    .prepare();
  const waiting = orm
    .select()
    .from(reportOutbox)
    .where(eq(reportOutbox.pending, 1))
    .orderBy(asc(reportOutbox.sequence))
    .limit(sql.placeholder('reportsMax'))
    .prepare();
  const waitingUnits = orm
    .select({ unit: reportOutbox.unit, sequence: reportOutbox.sequence })
    .from(reportOutbox)
    .where(eq(reportOutbox.pending, 1))
    .orderBy(asc(reportOutbox.sequence))
    .limit(sql.placeholder('unitsMax'))
    .prepare();
  const waitingCount = orm
    .select({ rows: count() })
    .from(reportOutbox)
    .where(eq(reportOutbox.pending, 1))
    .prepare();
  const insert = orm
    .insert(reportOutbox)
    .values({
      unit: sql.placeholder('unit'),
      sequence: sql.placeholder('sequence'),
      pending: sql.placeholder('pending'),
      body: sql.placeholder('body'),
      checksum: sql.placeholder('checksum'),
    })
    .onConflictDoUpdate({
      target: reportOutbox.unit,
      set: {
        sequence: sql`excluded.sequence`,
        pending: sql`excluded.pending`,
        body: sql`excluded.body`,
        checksum: sql`excluded.checksum`,
      },
    })
    .prepare();

  const write = (unit: string, sequence: number, pending: number, body: string): void => {
    const checksum = rowChecksum(unit, sequence, pending, body);
    insert.run({ unit, sequence, pending, body, checksum });
  };
  let last = readNumberFact(database, 'report_sequence');
  const nextSequence = (): number => {
    writeFact(database, 'report_sequence', String(++last));
    return last;
  };
  /** The sequence follows the transaction: one that fails must not move it. */
  const inTransaction = (work: () => void): void => {
    const before = last;
    try {
      raw.transaction(work)();
    } catch (error) {
      last = before;
      throw error;
    }
  };

  return {
    put: (report, observedAtMs) =>
      inTransaction(() => {
        const older = byUnit.get({ unit: report.unit });
        const body = JSON.stringify({ observedAtMs, report } satisfies Body);
        write(report.unit, nextSequence(), 1, body);
        bytes += Buffer.byteLength(body) - Buffer.byteLength(older?.body ?? '');
      }),

    pending: (reportsMax) => waiting.all({ reportsMax }).map(recordOf),
    pendingUnits: (unitsMax) => waitingUnits.all({ unitsMax }),
    pendingOf: (unit) => {
      const row = byUnit.get({ unit });
      return row?.pending === 1 ? recordOf(row) : undefined;
    },

    markSent: (sent) =>
      inTransaction(() => {
        for (const { unit, sequence } of sent) {
          const row = byUnit.get({ unit });
          if (row?.sequence === sequence) write(unit, sequence, 0, row.body);
        }
      }),

    requeueAll: () =>
      inTransaction(() => {
        const rows = orm.select().from(reportOutbox).orderBy(asc(reportOutbox.sequence)).all();
        for (const row of rows) write(row.unit, nextSequence(), 1, row.body);
      }),

    dropOldest: () => {
      const row = orm
        .select()
        .from(reportOutbox)
        .orderBy(asc(reportOutbox.sequence))
        .limit(1)
        .get();
      if (row === undefined) return false;
      orm
        .delete(reportOutbox)
        .where(and(eq(reportOutbox.unit, row.unit), eq(reportOutbox.sequence, row.sequence)))
        .run();
      bytes -= Buffer.byteLength(row.body);
      return true;
    },

    pendingCount: () => waitingCount.get()?.rows ?? 0,
    bytesCount: () => bytes,
  };
}

export function verifyReports(database: JournalDatabase): void {
  for (const row of database.orm.select().from(reportOutbox).all()) recordOf(row);
}

function recordOf(row: Row): ReportRecord {
  if (row.checksum !== rowChecksum(row.unit, row.sequence, row.pending, row.body)) {
    throw new JournalDamagedError(`the report of ${row.unit} has another checksum`);
  }
  return { sequence: row.sequence, ...(JSON.parse(row.body) as Body) };
}
