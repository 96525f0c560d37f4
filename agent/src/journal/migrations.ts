/** Applied in order, each in one transaction; `user_version` counts them. A released migration never changes. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL);
  CREATE TABLE assignments (
    unit TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE TABLE inventories (unit TEXT PRIMARY KEY, body TEXT NOT NULL, checksum INTEGER NOT NULL);
  CREATE TABLE audit_outbox (
    sequence INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE TABLE report_outbox (
    unit TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE INDEX report_outbox_pending ON report_outbox (pending, sequence);
  CREATE TABLE complete_trees (
    commit_id TEXT NOT NULL,
    root TEXT NOT NULL,
    repository TEXT NOT NULL,
    used_at_ms INTEGER NOT NULL,
    PRIMARY KEY (commit_id, root, repository)
  );
  `,
  `
  CREATE TABLE verification_runs (
    run_id TEXT PRIMARY KEY,
    pending INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE INDEX verification_runs_pending ON verification_runs (pending);
  `,
  'CREATE TABLE git_objects (id TEXT PRIMARY KEY, stored_at_ms INTEGER NOT NULL, content BLOB NOT NULL);',
  'CREATE INDEX complete_trees_root ON complete_trees (root, repository, used_at_ms);',
];
