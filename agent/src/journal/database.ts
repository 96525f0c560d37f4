import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import Database from 'better-sqlite3';
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3';
import { journalQuarantinesMax } from '../limits.ts';
import { migrations } from './migrations.ts';

/** The journal cannot be used; the message says why and what to do. */
export class JournalError extends Error {
  override name = 'JournalError';
}

/** What is on disk is not what was written. Opening the journal again puts the file aside and starts a fresh one. */
export class JournalDamagedError extends JournalError {
  override name = 'JournalDamagedError';
}

export type JournalDatabase = {
  readonly orm: BetterSQLite3Database;
  readonly raw: Database.Database;
};

export type OpenedDatabase = JournalDatabase & {
  /** Set when a damaged file was put aside: where it is now, and what was wrong with it. */
  readonly quarantined?: { readonly file: string; readonly reason: string };
};

/** A checksum over a row's columns; a NUL keeps `a`,`bc` and `ab`,`c` apart. */
export const rowChecksum = (...columns: readonly (string | number)[]): number =>
  crc32(columns.join('\0'));

/**
 * Opens the file, or puts a damaged one aside and opens a fresh one. One process owns it: SQLite's exclusive lock ends
 * with the process, however that ends.
 */
export function openDatabase(
  file: string,
  nowMs: number,
  verify: (database: JournalDatabase) => void,
): OpenedDatabase {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    return openAndVerify(file, verify);
  } catch (error) {
    if (!isDamage(error)) throw translate(error, file);
    const aside = putAside(file, nowMs);
    const reason = error instanceof Error ? error.message : String(error);
    return { ...openAndVerify(file, verify), quarantined: { file: aside, reason } };
  }
}

function openAndVerify(file: string, verify: (database: JournalDatabase) => void): JournalDatabase {
  const raw = new Database(file, { timeout: 5_000 });
  try {
    raw.pragma('locking_mode = EXCLUSIVE');
    raw.pragma('journal_mode = WAL');
    // A commit is in the kernel's hands; what must outlive a power cut waits for `durable`, which many share.
    raw.pragma('synchronous = NORMAL');
    raw.pragma('cell_size_check = ON');
    raw.pragma('cache_size = -2048');
    raw.pragma('journal_size_limit = 8388608');
    const faults = raw.pragma('integrity_check(1)') as { integrity_check: string }[];
    const fault = faults[0]?.integrity_check;
    if (fault !== 'ok') throw new JournalDamagedError(`integrity check: ${fault}`);
    migrate(raw, file);
    const database = { raw, orm: drizzle(raw) };
    verify(database);
    return database;
  } catch (error) {
    raw.close();
    throw error;
  }
}

function migrate(raw: Database.Database, file: string): void {
  const version = raw.pragma('user_version', { simple: true }) as number;
  if (version > migrations.length) {
    throw new JournalError(
      `The journal ${file} was written by a newer agent (schema ${version}, this agent knows ` +
        `${migrations.length}). Start that agent again, or move the file away to begin a fresh one.`,
    );
  }
  for (const [index, statements] of migrations.entries()) {
    if (index < version) continue;
    raw.transaction(() => {
      raw.exec(statements);
      raw.pragma(`user_version = ${index + 1}`);
    })();
  }
}

function isDamage(error: unknown): boolean {
  if (error instanceof JournalDamagedError) return true;
  if (!(error instanceof Database.SqliteError)) return false;
  // SQLITE_ERROR here means that the schema does not hold what `user_version` promises.
  return /^SQLITE_(CORRUPT|NOTADB|ERROR)/.test(error.code);
}

function translate(error: unknown, file: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  if (/^SQLITE_(BUSY|LOCKED)/.test(error.code)) {
    return new JournalError(
      `The journal ${file} belongs to another agent process that still runs. Stop that one first.`,
      { cause: error },
    );
  }
  return new JournalError(`The journal ${file} cannot be opened: ${error.code}.`, { cause: error });
}

/** Renames the file and what belongs to it; nothing is deleted but the oldest of several earlier ones. */
function putAside(file: string, nowMs: number): string {
  const aside = `${file}.damaged-${nowMs}`;
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  const folder = dirname(file);
  const earlier = readdirSync(folder)
    .filter((name) => name.startsWith(`${basename(file)}.damaged-`) && !/-(wal|shm)$/.test(name))
    .sort();
  for (const name of earlier.slice(0, -journalQuarantinesMax)) {
    for (const suffix of ['-wal', '-shm', '']) rmSync(join(folder, name + suffix), { force: true });
  }
  return aside;
}
