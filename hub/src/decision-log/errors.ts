import { ProblemError, problem } from '@fairlead/shared/problem';
import Database from 'better-sqlite3';

/** The log was changed outside of the hub, or its disk is broken. Nothing after `position` can be trusted. */
export class DecisionLogCorruptError extends Error {
  override name = 'DecisionLogCorruptError';
  readonly position: number;
  readonly reason: string;
  constructor(position: number, reason: string, cause?: unknown) {
    super(
      `the decision log is not what was written, first at position ${position}: ${reason}. ` +
        'Restore it from a backup, or run `fairlead audit verify` for the state of the whole log',
      { cause },
    );
    this.position = position;
    this.reason = reason;
  }
}

export const isDiskCorruption = (error: unknown): error is Error =>
  error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);

/** Runs a statement; what SQLite throws comes out as `unavailable` with the cause kept private. */
export function translated<Value>(run: () => Value): Value {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    throw new ProblemError(
      problem('unavailable', `The decision log cannot be used (${error.code}).`),
      error,
    );
  }
}
