import { asc, count, desc, gt, lte, sql } from 'drizzle-orm';
import type { AuditEntry } from '../domain/link/index.ts';
import { auditDetailsBytesMax, auditMessageBytesMax } from '../limits.ts';
import { clipText } from './clip-text.ts';
import { JournalDamagedError, type JournalDatabase, rowChecksum } from './database.ts';
import { readNumberFact, writeFact } from './facts.ts';
import { auditOutbox } from './schema.ts';

/** Kinds that the journal itself writes; they belong to no unit. */
export type JournalEventKind =
  | 'JournalStarted'
  | 'JournalReplaced'
  | 'JournalRestarted'
  | 'AuditGap';

/** An audit event as it waits for the hub. `unit` is empty for what concerns the whole agent. */
export type AuditRecord = {
  readonly sequence: number;
  readonly occurredAtMs: number;
  readonly unit: string;
  readonly generation: number;
  readonly commit: string;
  readonly kind: AuditEntry['kind'] | JournalEventKind;
  readonly message: string;
  readonly object?: AuditEntry['object'];
  /** A JSON object. */
  readonly details: string;
};

export type AuditBody = Omit<AuditRecord, 'sequence'>;

export type AuditOutbox = {
  /** Gives each event the next sequence, all in one transaction; a full outbox counts them in a gap record instead. */
  readonly append: (bodies: readonly AuditBody[], room: () => number) => void;
  /** In order, from after a sequence. An open gap record that is read is closed, because its content is now known outside. */
  readonly read: (options: AuditReadOptions) => AuditRecord[];
  readonly removeThrough: (sequence: number) => void;
  /** Of the events that wait; undefined when none does. */
  readonly firstSequence: () => number | undefined;
  readonly lastSequence: () => number;
  readonly rowsCount: () => number;
  readonly bytesCount: () => number;
  /** Gives the waiting events new sequences from 1, after `first`, for a new life of the journal. */
  readonly restart: (first: AuditBody) => void;
};

export type AuditReadOptions = {
  readonly after: number;
  readonly eventsMax: number;
  /** Of the bodies as JSON text; at least one event is returned. */
  readonly bytesMax: number;
};

type GapDetails = {
  dropped: number;
  firstAtMs: number;
  lastAtMs: number;
  kinds: Record<string, number>;
};

const rowOverheadBytes = 64;
const rowBytes = (body: string): number => Buffer.byteLength(body) + rowOverheadBytes;

export function createAuditOutbox(
  database: JournalDatabase,
  limits: { readonly rowsMax: number },
): AuditOutbox {
  const { orm, raw } = database;
  let rows = 0;
  let bytes = 0;
  let last = readNumberFact(database, 'audit_sequence');
  for (const row of orm.select().from(auditOutbox).all()) {
    rows++;
    bytes += rowBytes(row.body);
  }
  const insert = orm
    .insert(auditOutbox)
    .values({
      sequence: sql.placeholder('sequence'),
      state: sql.placeholder('state'),
      body: sql.placeholder('body'),
      checksum: sql.placeholder('checksum'),
    })
    .onConflictDoUpdate({
      target: auditOutbox.sequence,
      set: {
        state: sql`excluded.state`,
        body: sql`excluded.body`,
        checksum: sql`excluded.checksum`,
      },
    })
    .prepare();

  const ascending = orm
    .select()
    .from(auditOutbox)
    .where(gt(auditOutbox.sequence, sql.placeholder('after')))
    .orderBy(asc(auditOutbox.sequence))
    .limit(sql.placeholder('eventsMax'))
    .prepare();
  const through = orm
    .select({ rows: count(), bytes: sql<number>`sum(octet_length(${auditOutbox.body}))` })
    .from(auditOutbox)
    .where(lte(auditOutbox.sequence, sql.placeholder('sequence')))
    .prepare();
  const removeThrough = orm
    .delete(auditOutbox)
    .where(lte(auditOutbox.sequence, sql.placeholder('sequence')))
    .prepare();

  const put = (sequence: number, state: number, body: string): void => {
    insert.run({ sequence, state, body, checksum: rowChecksum(sequence, state, body) });
  };
  const push = (body: AuditBody, state = 0): void => {
    const text = JSON.stringify(clipBody(body));
    last++;
    put(last, state, text);
    rows++;
    bytes += rowBytes(text);
  };
  const newest = () => {
    const row = orm.select().from(auditOutbox).orderBy(desc(auditOutbox.sequence)).limit(1).get();
    return row === undefined ? undefined : { state: row.state, record: recordOf(row) };
  };

  const drop = (body: AuditBody): void => {
    const top = newest();
    if (top?.state !== 1) {
      push(gapOf(body), 1);
      return;
    }
    const { sequence, ...gap } = top.record;
    const text = JSON.stringify(widenGap(gap, body));
    bytes += rowBytes(text) - rowBytes(JSON.stringify(gap));
    put(sequence, 1, text);
  };

  /** Counters follow the transaction: one that fails must not move them. */
  const inTransaction = (work: () => void): void => {
    const before = { rows, bytes, last };
    try {
      raw.transaction(() => {
        work();
        writeFact(database, 'audit_sequence', String(last));
      })();
    } catch (error) {
      ({ rows, bytes, last } = before);
      throw error;
    }
  };

  return {
    append: (bodies, room) =>
      inTransaction(() => {
        for (const body of bodies) {
          const full = rows >= limits.rowsMax || rowBytes(JSON.stringify(body)) > room();
          if (full) drop(body);
          else push(body);
        }
      }),

    read: ({ after, eventsMax, bytesMax }) => {
      const result: AuditRecord[] = [];
      let size = 0;
      for (const row of ascending.all({ after, eventsMax })) {
        size += rowBytes(row.body);
        if (size > bytesMax && result.length > 0) break;
        result.push(recordOf(row));
        if (row.state === 1) put(row.sequence, 0, row.body);
      }
      return result;
    },

    removeThrough: (sequence) => {
      const gone = through.get({ sequence });
      if (gone === undefined || gone.rows === 0) return;
      removeThrough.run({ sequence });
      rows -= gone.rows;
      bytes -= gone.bytes + gone.rows * rowOverheadBytes;
    },

    restart: (first) =>
      inTransaction(() => {
        const waiting = orm.select().from(auditOutbox).orderBy(asc(auditOutbox.sequence)).all();
        orm.delete(auditOutbox).run();
        rows = 0;
        bytes = 0;
        last = 0;
        push(first);
        for (const row of waiting) {
          const { sequence: _sequence, ...body } = recordOf(row);
          push(body);
        }
      }),

    firstSequence: () => (rows === 0 ? undefined : last - rows + 1),
    lastSequence: () => last,
    rowsCount: () => rows,
    bytesCount: () => bytes,
  };
}

/** Every row is as written, and sequences have no hole up to the last one. */
export function verifyAudit(database: JournalDatabase): void {
  const found = database.orm.select().from(auditOutbox).orderBy(asc(auditOutbox.sequence)).all();
  const last = readNumberFact(database, 'audit_sequence');
  for (const [index, row] of found.entries()) {
    recordOf(row);
    if (row.sequence !== last - found.length + 1 + index) {
      throw new JournalDamagedError(`the audit outbox has a hole before ${row.sequence}`);
    }
  }
}

function recordOf(row: {
  sequence: number;
  state: number;
  body: string;
  checksum: number;
}): AuditRecord {
  if (row.checksum !== rowChecksum(row.sequence, row.state, row.body)) {
    throw new JournalDamagedError(`audit event ${row.sequence} has another checksum`);
  }
  return { sequence: row.sequence, ...(JSON.parse(row.body) as AuditBody) };
}

function clipBody(body: AuditBody): AuditBody {
  return {
    ...body,
    message: clipText(body.message, auditMessageBytesMax),
    details:
      Buffer.byteLength(body.details) <= auditDetailsBytesMax
        ? body.details
        : JSON.stringify({ truncatedBytes: Buffer.byteLength(body.details) }),
  };
}

const gapOf = (body: AuditBody): AuditBody =>
  gapBody(
    {
      dropped: 1,
      firstAtMs: body.occurredAtMs,
      lastAtMs: body.occurredAtMs,
      kinds: { [body.kind]: 1 },
    },
    body.occurredAtMs,
  );

function widenGap(gap: AuditBody, body: AuditBody): AuditBody {
  const details = JSON.parse(gap.details) as GapDetails;
  return gapBody(
    {
      dropped: details.dropped + 1,
      firstAtMs: details.firstAtMs,
      lastAtMs: body.occurredAtMs,
      kinds: { ...details.kinds, [body.kind]: (details.kinds[body.kind] ?? 0) + 1 },
    },
    gap.occurredAtMs,
  );
}

const gapBody = (details: GapDetails, occurredAtMs: number): AuditBody => ({
  occurredAtMs,
  unit: '',
  generation: 0,
  commit: '',
  kind: 'AuditGap',
  message: `The audit outbox was full; ${details.dropped} event(s) are not recorded.`,
  details: JSON.stringify(details),
});
