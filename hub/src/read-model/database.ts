import { closeSync, openSync, rmSync } from 'node:fs';
import type { Logger } from '@fairlead/shared/log';
import { ProblemError, problem } from '@fairlead/shared/problem';
import Database from 'better-sqlite3';
import { migrate, ReadModelNewerError } from './migrations.ts';

/** Opens or makes the file. One that is broken or of a newer program is made anew: all of it can be read again. */
export function openDatabase(path: string, logger: Logger): Database.Database {
  try {
    return openOnce(path);
  } catch (error) {
    if (!isUnusable(error)) throw unavailable(path, error);
    logger.warn({ err: error, path }, 'the read model cannot be used and is made anew');
  }
  try {
    removeDatabase(path);
    return openOnce(path);
  } catch (error) {
    throw unavailable(path, error);
  }
}

export function removeDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
}

function openOnce(path: string): Database.Database {
  // It holds hashes of tokens and what runs where, so only its owner may read it from the first moment on.
  closeSync(openSync(path, 'a', 0o600));
  const database = new Database(path);
  try {
    database.pragma('journal_mode = WAL');
    // A transaction lost with the power is folded again; the checkpoint is lost with its rows.
    database.pragma('synchronous = NORMAL');
    const check = database.pragma('quick_check(1)', { simple: true });
    if (check !== 'ok') throw new BrokenFileError(String(check));
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

class BrokenFileError extends Error {
  override name = 'BrokenFileError';
}

function isUnusable(error: unknown): boolean {
  if (error instanceof BrokenFileError || error instanceof ReadModelNewerError) return true;
  const code = error instanceof Database.SqliteError ? error.code : '';
  return code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_ERROR';
}

const unavailable = (path: string, cause: unknown) =>
  new ProblemError(problem('unavailable', `The read model ${path} cannot be opened.`), cause);
