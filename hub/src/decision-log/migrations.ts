import type { Database } from 'better-sqlite3';

/**
 * In order; a database's `user_version` counts those that it has. A released migration never changes: the shape in
 * `schema.ts` is what all of them together make.
 */
const migrations: readonly string[] = [
  `CREATE TABLE log (
     position    INTEGER PRIMARY KEY AUTOINCREMENT,
     stream      TEXT    NOT NULL,
     version     INTEGER NOT NULL,
     type        TEXT    NOT NULL,
     recorded_at INTEGER NOT NULL,
     actor_kind  TEXT    NOT NULL,
     actor_name  TEXT    NOT NULL,
     data        TEXT    NOT NULL,
     hash        TEXT    NOT NULL,
     CONSTRAINT log_stream_version UNIQUE (stream, version)
   ) STRICT`,
];

/** Brings the database to the newest shape, each step in its own transaction, so a kill leaves a whole version. */
export function migrate(database: Database): void {
  const step = database.transaction(() => {
    const version = database.pragma('user_version', { simple: true }) as number;
    if (version > migrations.length) {
      throw new Error(
        `the decision log has version ${version}, this program knows up to ${migrations.length}: ` +
          'start the newer program that wrote it',
      );
    }
    const statement = migrations[version];
    if (statement === undefined) return false;
    database.exec(statement);
    database.pragma(`user_version = ${version + 1}`);
    return true;
  });
  while (step.immediate());
}
