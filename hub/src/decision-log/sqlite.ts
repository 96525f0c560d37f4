import { closeSync, openSync } from 'node:fs';
import type { Logger } from '@fairlead/shared/log';
import { ProblemError, problem } from '@fairlead/shared/problem';
import { err, ok, type Result } from '@fairlead/shared/result';
import Database from 'better-sqlite3';
import { and, asc, desc, eq, gt, gte, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { alias } from 'drizzle-orm/sqlite-core';
import { appendEventsMax, logBusyTimeoutMs, logPageEntriesMax } from '../limits.ts';
import { type ChainEnd, chainFault, genesisHash } from './chain.ts';
import { checkedEvent, notify, recordedEvent, rowOf } from './entry.ts';
import { DecisionLogCorruptError, isDiskCorruption, translated } from './errors.ts';
import { migrate } from './migrations.ts';
import type {
  AppendRequest,
  DecisionLog,
  RecordedEvent,
  Verification,
  VersionConflict,
} from './port.ts';
import { logTable } from './schema.ts';
import { createTogether } from './together.ts';

export type SqliteDecisionLogOptions = {
  readonly path: string;
  readonly logger?: Logger;
  /** Off only for a tool that reports on a broken log; the hub itself never serves one. */
  readonly verifyOnOpen?: boolean;
};

/** The first release whose write-ahead log cannot lose a commit when two connections reset it at once. */
const sqliteVersionMin = [3, 51, 3] as const;

/**
 * Opens or creates the log and walks its whole chain. Throws `DecisionLogCorruptError` when an entry was changed, and
 * `ProblemError` (`unavailable`) when the file cannot be used. Any number of processes may have it open.
 */
export async function openSqliteDecisionLog(
  options: SqliteDecisionLogOptions,
): Promise<DecisionLog> {
  const database = openDatabase(options.path);
  const log = createLog(database, options.logger);
  if (options.verifyOnOpen !== false) {
    const verification = await log.verify();
    if (!verification.valid) {
      database.close();
      throw new DecisionLogCorruptError(verification.position, verification.reason);
    }
  }
  return log;
}

function openDatabase(path: string): Database.Database {
  try {
    // The log holds hashes of tokens and who did what, so only its owner may read it from the first moment on.
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
    const database = new Database(path, { timeout: logBusyTimeoutMs });
    refuseOldSqlite(database);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    migrate(database);
    return database;
  } catch (error) {
    if (isDiskCorruption(error)) throw new DecisionLogCorruptError(0, error.message, error);
    throw new ProblemError(
      problem('unavailable', `The decision log ${path} cannot be opened.`),
      error,
    );
  }
}

function refuseOldSqlite(database: Database.Database): void {
  const version = database.prepare('SELECT sqlite_version()').pluck().get() as string;
  const parts = version.split('.').map(Number);
  const differs = sqliteVersionMin.findIndex((part, index) => parts[index] !== part);
  if (differs !== -1 && (parts[differs] ?? 0) < (sqliteVersionMin[differs] ?? 0)) {
    throw new Error(`SQLite ${version} is older than ${sqliteVersionMin.join('.')}`);
  }
}

function prepareStatements(database: Database.Database) {
  const orm = drizzle(database);
  const previous = alias(logTable, 'previous');
  const placeholder = sql.placeholder;
  return {
    // `get` takes one row; a bound limit would make SQLite plan the statement anew at each run.
    last: orm.select().from(logTable).orderBy(desc(logTable.position)).prepare(),
    versionOf: orm
      .select({ version: logTable.version })
      .from(logTable)
      .where(eq(logTable.stream, placeholder('stream')))
      .orderBy(desc(logTable.version))
      .prepare(),
    insert: orm
      .insert(logTable)
      .values({
        position: placeholder('position'),
        stream: placeholder('stream'),
        version: placeholder('version'),
        type: placeholder('type'),
        recordedAt: placeholder('recordedAt'),
        actorKind: placeholder('actorKind'),
        actorName: placeholder('actorName'),
        data: placeholder('data'),
        hash: placeholder('hash'),
      })
      .prepare(),
    from: orm
      .select()
      .from(logTable)
      .where(gte(logTable.position, placeholder('position')))
      .orderBy(asc(logTable.position))
      .limit(placeholder('limit'))
      .prepare(),
    ofStream: orm
      .select({ row: logTable, previousHash: previous.hash })
      .from(logTable)
      .leftJoin(previous, eq(previous.position, sql`${logTable.position} - 1`))
      .where(
        and(eq(logTable.stream, placeholder('stream')), gt(logTable.version, placeholder('after'))),
      )
      .orderBy(asc(logTable.version))
      .limit(placeholder('limit'))
      .prepare(),
    /** SQLite keeps it apart from the table, so entries cut off the end are missed. */
    everAppended: database
      .prepare(`SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'`)
      .pluck(),
  };
}

function createLog(database: Database.Database, logger: Logger | undefined): DecisionLog {
  const statements = prepareStatements(database);
  const listeners = new Set<(headPosition: number) => void>();
  // The newest entry that this process wrote or verified: an end cut off together with SQLite's own counter is missed.
  let witnessed: ChainEnd = { position: 0, hash: genesisHash };

  const chainEnd = (): ChainEnd => {
    const last = statements.last.get();
    if (last === undefined) return { position: 0, hash: genesisHash };
    return { position: last.position, hash: last.hash };
  };

  const write = database.transaction((requests: readonly AppendRequest[]) => {
    const recorded: RecordedEvent[] = [];
    let end = chainEnd();
    const expect = (stream: string, expectedVersion: number): number => {
      const actualVersion = statements.versionOf.get({ stream })?.version ?? 0;
      if (actualVersion === expectedVersion) return actualVersion;
      const code = 'version_conflict';
      throw new ConflictSignal({ code, stream, expectedVersion, actualVersion });
    };
    // Before anything is written: a guard is about what the deciders saw, not about what this append adds.
    for (const { guards = [] } of requests) {
      for (const { stream, version } of guards) expect(stream, version);
    }
    for (const request of requests) {
      const actualVersion = expect(request.stream, request.expectedVersion);
      request.events.forEach((event, index) => {
        const row = rowOf(request, event, end, actualVersion + index + 1);
        statements.insert.run(row);
        recorded.push(recordedEvent(row));
        end = { position: row.position, hash: row.hash };
      });
    }
    return { recorded, end };
  });

  type Written = { readonly recorded: RecordedEvent[]; readonly end: ChainEnd };
  type Outcome = Result<Written, unknown>;

  /** A conflict, or an event that cannot be written, is its own append's alone; a fault of the database is everyone's. */
  const writeOne = (requests: readonly AppendRequest[]): Outcome => {
    try {
      return ok(write(requests));
    } catch (error) {
      if (error instanceof Database.SqliteError) throw error;
      return err(error);
    }
  };
  const writeAll = database.transaction((appends: readonly (readonly AppendRequest[])[]) =>
    appends.map(writeOne),
  );

  const appends = createTogether<readonly AppendRequest[], Outcome>({
    run: (waiting) => {
      const outcomes = translated(() => writeAll.immediate(waiting));
      const before = witnessed.position;
      for (const outcome of outcomes) {
        if (outcome.ok && outcome.value.recorded.length > 0) witnessed = outcome.value.end;
      }
      if (witnessed.position !== before) notify(listeners, witnessed.position, logger);
      return outcomes;
    },
    sizeOf: eventsIn,
    sizeMax: appendEventsMax,
  });

  const appendAll = async (
    requests: readonly AppendRequest[],
  ): Promise<Result<readonly RecordedEvent[], VersionConflict>> => {
    if (eventsIn(requests) > appendEventsMax) {
      throw new ProblemError(
        problem('payload_too_large', `An append takes at most ${appendEventsMax} events.`),
      );
    }
    const outcome = await appends.add(requests);
    if (outcome.ok) return ok(outcome.value.recorded);
    if (outcome.error instanceof ConflictSignal) return err(outcome.error.conflict);
    throw outcome.error;
  };

  return {
    append: (request) => appendAll([request]),
    appendAll,
    readStream: async function* (stream, fromVersion = 1) {
      let after = fromVersion - 1;
      // Those who follow a stream ask before each decision, and mostly there is nothing new; this costs a tenth of the page.
      const newest = translated(() => statements.versionOf.get({ stream }))?.version;
      if (newest === undefined || newest <= after) return;
      for (;;) {
        const page = translated(() =>
          statements.ofStream.all({ stream, after, limit: logPageEntriesMax }),
        );
        for (const { row, previousHash } of page) {
          yield checkedEvent(row, previousHash);
          after = row.version;
        }
        if (page.length < logPageEntriesMax) return;
      }
    },
    lastOfStream: async (stream) => {
      const version = translated(() => statements.versionOf.get({ stream }))?.version;
      if (version === undefined) return undefined;
      const [found] = statements.ofStream.all({ stream, after: version - 1, limit: 1 });
      return found && checkedEvent(found.row, found.previousHash);
    },
    readAfter: async (position, limit) => {
      const rows = translated(() =>
        // One entry more than asked for: the hash of the one before the first is needed to check it.
        statements.from.all({ position, limit: Math.min(limit, logPageEntriesMax) + 1 }),
      );
      let end: ChainEnd = { position, hash: genesisHash };
      if (position > 0) {
        const before = rows.shift();
        if (before === undefined || before.position > position) {
          if (before === undefined) return [];
          throw new DecisionLogCorruptError(position, `entry ${position} is missing`);
        }
        end = before;
      }
      return rows.slice(0, limit).map((row) => {
        const reason = chainFault(end, row);
        if (reason !== undefined) throw new DecisionLogCorruptError(end.position + 1, reason);
        end = row;
        return recordedEvent(row);
      });
    },
    headPosition: async () => translated(chainEnd).position,
    onAppended: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    verify: async (after) => {
      const verification = await verifyChain(
        statements,
        after ?? { position: 0, hash: genesisHash },
        witnessed,
      );
      if (verification.valid && verification.position >= witnessed.position) {
        witnessed = { position: verification.position, hash: verification.hash };
      }
      return verification;
    },
    close: async () => {
      appends.flush();
      listeners.clear();
      database.close();
    },
  };
}

const eventsIn = (requests: readonly AppendRequest[]): number =>
  requests.reduce((total, { events }) => total + events.length, 0);

type Statements = ReturnType<typeof prepareStatements>;

async function verifyChain(
  statements: Statements,
  from: ChainEnd,
  witnessed: ChainEnd,
): Promise<Verification> {
  let end = from;
  const invalid = (position: number, reason: string): Verification => ({
    valid: false,
    position,
    reason,
  });
  try {
    if (from.position > 0) {
      const [start] = statements.from.all({ position: from.position, limit: 1 });
      if (start?.position !== from.position || start.hash !== from.hash) {
        return invalid(from.position, 'the verified entry to start after is gone or was changed');
      }
    }
    for (;;) {
      const page = statements.from.all({ position: end.position + 1, limit: logPageEntriesMax });
      for (const row of page) {
        const reason = chainFault(end, row);
        if (reason !== undefined) return invalid(end.position + 1, reason);
        end = { position: row.position, hash: row.hash };
        if (end.position === witnessed.position && end.hash !== witnessed.hash) {
          return invalid(end.position, 'the entry is not the one that this process wrote');
        }
      }
      if (page.length < logPageEntriesMax) break;
      // A long walk must not hold up the requests of a running hub.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const everAppended = Math.max(statements.everAppended.get() as number, witnessed.position);
    if (everAppended > end.position) {
      return invalid(end.position + 1, `the log was cut: ${everAppended} entries were written`);
    }
    return { valid: true, position: end.position, hash: end.hash };
  } catch (error) {
    if (isDiskCorruption(error)) return invalid(end.position + 1, error.message);
    return translated(() => {
      throw error;
    });
  }
}

/** Leaves a transaction with its rollback; never seen outside this file. */
class ConflictSignal extends Error {
  readonly conflict: VersionConflict;
  constructor(conflict: VersionConflict) {
    super(conflict.code);
    this.conflict = conflict;
  }
}
