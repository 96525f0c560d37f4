import type { Database } from 'better-sqlite3';

/**
 * In order; a database's `user_version` counts those that it has. A released migration never changes: the shape in
 * `schema.ts` is what all of them together make.
 */
const migrations: readonly string[] = [
  `CREATE TABLE admissions (
     position              INTEGER PRIMARY KEY,
     pipeline              TEXT    NOT NULL,
     stage                 TEXT    NOT NULL,
     release               TEXT    NOT NULL,
     rollout_id            TEXT    NOT NULL,
     definition_revision   INTEGER NOT NULL,
     at                    INTEGER NOT NULL,
     actor_kind            TEXT    NOT NULL,
     actor_name            TEXT    NOT NULL,
     gates                 TEXT    NOT NULL
   ) STRICT`,
  `CREATE INDEX admissions_stage ON admissions (pipeline, stage, position)`,
  `CREATE TABLE agent_epochs (
     cluster_id    TEXT    NOT NULL,
     agent_epoch   TEXT    NOT NULL,
     ordinal       INTEGER NOT NULL,
     PRIMARY KEY (cluster_id, agent_epoch)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE audit_index (
     position   INTEGER PRIMARY KEY,
     stream     TEXT    NOT NULL,
     type       TEXT    NOT NULL,
     pipeline   TEXT,
     stage      TEXT,
     cluster    TEXT,
     "commit"   TEXT
   ) STRICT`,
  `CREATE INDEX audit_type ON audit_index (type, position)`,
  `CREATE INDEX audit_stage ON audit_index (pipeline, stage, position)`,
  `CREATE INDEX audit_cluster ON audit_index (cluster, position)`,
  `CREATE TABLE log_checkpoint (
     id                   INTEGER PRIMARY KEY,
     position             INTEGER NOT NULL,
     hash                 TEXT    NOT NULL,
     projection_version   INTEGER NOT NULL
   ) STRICT`,
  `CREATE TABLE clusters (
     id                       TEXT    PRIMARY KEY,
     name                     TEXT    NOT NULL,
     project                  TEXT    NOT NULL,
     labels                   TEXT    NOT NULL,
     claims                   TEXT    NOT NULL,
     status                   TEXT    NOT NULL,
     status_since             INTEGER NOT NULL,
     connection               TEXT    NOT NULL,
     quarantined              INTEGER NOT NULL,
     revoked                  INTEGER NOT NULL,
     last_seen_at             INTEGER,
     agent_version            TEXT,
     added_at                 INTEGER NOT NULL,
     enrolled_at              INTEGER,
     nats_public_key          TEXT,
     certificate_serial       TEXT,
     certificate_expires_at   INTEGER,
     join_token_expires_at    INTEGER,
     removed_at               INTEGER
   ) STRICT`,
  `CREATE INDEX clusters_name ON clusters (name, removed_at)`,
  `CREATE TABLE pipeline_revisions (
     pipeline     TEXT    NOT NULL,
     revision     INTEGER NOT NULL,
     definition   TEXT    NOT NULL,
     PRIMARY KEY (pipeline, revision)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE pipelines (
     name         TEXT    PRIMARY KEY,
     project      TEXT    NOT NULL,
     repository   TEXT    NOT NULL,
     revision     INTEGER NOT NULL,
     definition   TEXT    NOT NULL,
     removed      INTEGER NOT NULL
   ) STRICT`,
  `CREATE TABLE release_stages (
     pipeline   TEXT    NOT NULL,
     "commit"   TEXT    NOT NULL,
     stage      TEXT    NOT NULL,
     state      TEXT    NOT NULL,
     at         INTEGER NOT NULL,
     PRIMARY KEY (pipeline, "commit", stage)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE releases (
     pipeline        TEXT    NOT NULL,
     "commit"        TEXT    NOT NULL,
     position        INTEGER NOT NULL,
     subject         TEXT    NOT NULL,
     author_name     TEXT    NOT NULL,
     author_email    TEXT    NOT NULL,
     committed_at    INTEGER NOT NULL,
     discovered_at   INTEGER NOT NULL,
     orphaned        INTEGER NOT NULL,
     PRIMARY KEY (pipeline, "commit")
   ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX releases_position ON releases (pipeline, position, "commit")`,
  `CREATE TABLE report_checkpoint (
     id                INTEGER PRIMARY KEY,
     stream_sequence   INTEGER NOT NULL
   ) STRICT`,
  `CREATE TABLE report_objects (
     cluster_id   TEXT    NOT NULL,
     pipeline     TEXT    NOT NULL,
     stage        TEXT    NOT NULL,
     ordinal      INTEGER NOT NULL,
     group_name   TEXT    NOT NULL,
     kind         TEXT    NOT NULL,
     namespace    TEXT    NOT NULL,
     name         TEXT    NOT NULL,
     health       TEXT    NOT NULL,
     message      TEXT    NOT NULL,
     PRIMARY KEY (cluster_id, pipeline, stage, ordinal)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE reports (
     cluster_id           TEXT    NOT NULL,
     pipeline             TEXT    NOT NULL,
     stage                TEXT    NOT NULL,
     agent_epoch          TEXT    NOT NULL,
     epoch_ordinal        INTEGER NOT NULL,
     sequence             INTEGER NOT NULL,
     generation           INTEGER NOT NULL,
     "commit"             TEXT    NOT NULL,
     phase                TEXT    NOT NULL,
     health               TEXT    NOT NULL,
     message              TEXT    NOT NULL,
     terminal             INTEGER NOT NULL,
     received_at          INTEGER NOT NULL,
     objects_total        INTEGER NOT NULL,
     objects_healthy      INTEGER NOT NULL,
     objects_truncated    INTEGER NOT NULL,
     prune_held_objects   INTEGER NOT NULL,
     PRIMARY KEY (cluster_id, pipeline, stage)
   ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX reports_pipeline ON reports (pipeline, stage, cluster_id)`,
  `CREATE TABLE repositories (
     name              TEXT    PRIMARY KEY,
     definition        TEXT    NOT NULL,
     head              TEXT,
     head_seen_at      INTEGER,
     failure_message   TEXT,
     failure_since     INTEGER
   ) STRICT`,
  `CREATE TABLE rollouts (
     id            TEXT    PRIMARY KEY,
     position      INTEGER NOT NULL,
     pipeline      TEXT    NOT NULL,
     stage         TEXT    NOT NULL,
     release       TEXT    NOT NULL,
     kind          TEXT    NOT NULL,
     generation    INTEGER NOT NULL,
     state         TEXT    NOT NULL,
     started_at    INTEGER NOT NULL,
     deadline_at   INTEGER NOT NULL,
     ended_at      INTEGER,
     message       TEXT
   ) STRICT`,
  `CREATE INDEX rollouts_position ON rollouts (position)`,
  `CREATE INDEX rollouts_stage ON rollouts (pipeline, stage, position)`,
  `CREATE TABLE rollout_targets (
     rollout_id     TEXT    NOT NULL,
     cluster_id     TEXT    NOT NULL,
     cluster_name   TEXT    NOT NULL,
     batch          INTEGER NOT NULL,
     ordinal        INTEGER NOT NULL,
     state          TEXT    NOT NULL,
     message        TEXT,
     at             INTEGER,
     PRIMARY KEY (rollout_id, cluster_id)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE stages (
     pipeline            TEXT    NOT NULL,
     name                TEXT    NOT NULL,
     ordinal             INTEGER NOT NULL,
     defined             INTEGER NOT NULL,
     "after"             TEXT    NOT NULL,
     promote             TEXT    NOT NULL,
     current_release     TEXT,
     succeeded_release   TEXT,
     succeeded_at        INTEGER,
     rollout_id          TEXT,
     held_reason         TEXT,
     held_automatic      INTEGER,
     held_since          INTEGER,
     health              TEXT    NOT NULL,
     health_message      TEXT    NOT NULL,
     health_since        INTEGER,
     PRIMARY KEY (pipeline, name)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE targets (
     cluster_id     TEXT    NOT NULL,
     pipeline       TEXT    NOT NULL,
     stage          TEXT    NOT NULL,
     cluster_name   TEXT    NOT NULL,
     disposition    TEXT    NOT NULL,
     generation     INTEGER NOT NULL,
     "commit"       TEXT    NOT NULL,
     path           TEXT    NOT NULL,
     cause          TEXT    NOT NULL,
     assigned_at    INTEGER NOT NULL,
     assignment     TEXT    NOT NULL,
     PRIMARY KEY (cluster_id, pipeline, stage)
   ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX targets_stage ON targets (pipeline, stage, cluster_name, cluster_id)`,
  `CREATE INDEX targets_cluster ON targets (cluster_name, pipeline, stage, cluster_id)`,
  `CREATE TABLE tokens (
     id           TEXT    PRIMARY KEY,
     name         TEXT    NOT NULL,
     hash         TEXT    NOT NULL,
     role         TEXT    NOT NULL,
     issued_at    INTEGER NOT NULL,
     revoked_at   INTEGER
   ) STRICT`,
  `CREATE INDEX tokens_hash ON tokens (hash)`,
  `INSERT INTO log_checkpoint (id, position, hash, projection_version) VALUES (1, 0, '', 0)`,
  `INSERT INTO report_checkpoint (id, stream_sequence) VALUES (1, 0)`,
  `ALTER TABLE reports ADD COLUMN prune_held TEXT NOT NULL DEFAULT '[]'`,
  `ALTER TABLE reports ADD COLUMN prune_held_digest TEXT NOT NULL DEFAULT ''`,
  `ALTER TABLE stages ADD COLUMN held_withdrawal TEXT`,
  `ALTER TABLE clusters ADD COLUMN ahead TEXT`,
  `ALTER TABLE reports ADD COLUMN drifts_total INTEGER NOT NULL DEFAULT 0`,
  `ALTER TABLE reports ADD COLUMN ignored_total INTEGER NOT NULL DEFAULT 0`,
  `CREATE TABLE report_drifts (
     cluster_id          TEXT    NOT NULL,
     pipeline            TEXT    NOT NULL,
     stage               TEXT    NOT NULL,
     ordinal             INTEGER NOT NULL,
     group_name          TEXT    NOT NULL,
     kind                TEXT    NOT NULL,
     namespace           TEXT    NOT NULL,
     name                TEXT    NOT NULL,
     state               TEXT    NOT NULL,
     change              TEXT    NOT NULL,
     managers            TEXT    NOT NULL,
     differences         TEXT    NOT NULL,
     differences_total   INTEGER NOT NULL,
     PRIMARY KEY (cluster_id, pipeline, stage, ordinal)
   ) STRICT, WITHOUT ROWID`,
  `ALTER TABLE reports ADD COLUMN healthy_since INTEGER`,
  `ALTER TABLE reports ADD COLUMN healthy_since_sequence INTEGER`,
  `ALTER TABLE reports ADD COLUMN health_breaks INTEGER NOT NULL DEFAULT 0`,
  `ALTER TABLE rollouts ADD COLUMN batch INTEGER NOT NULL DEFAULT 0`,
  `ALTER TABLE rollouts ADD COLUMN paused_reason TEXT`,
  `ALTER TABLE rollouts ADD COLUMN paused_at INTEGER`,
  `ALTER TABLE rollouts ADD COLUMN undoes TEXT`,
  `ALTER TABLE rollouts ADD COLUMN rollback_declined TEXT`,
  `ALTER TABLE rollout_targets ADD COLUMN previous TEXT`,
  `ALTER TABLE tokens ADD COLUMN subject TEXT`,
  `ALTER TABLE tokens ADD COLUMN person_groups TEXT`,
  `ALTER TABLE tokens ADD COLUMN emails TEXT`,
  `ALTER TABLE tokens ADD COLUMN permissions TEXT`,
  `CREATE TABLE approvals (
     id                    TEXT    PRIMARY KEY,
     position              INTEGER NOT NULL,
     pipeline              TEXT    NOT NULL,
     stage                 TEXT    NOT NULL,
     release               TEXT    NOT NULL,
     state                 TEXT    NOT NULL,
     definition_revision   INTEGER NOT NULL,
     requested_by          TEXT,
     requested_at          INTEGER NOT NULL,
     expires_at            INTEGER,
     ended_at              INTEGER,
     message               TEXT,
     required              INTEGER NOT NULL,
     voters                TEXT    NOT NULL,
     including             TEXT    NOT NULL,
     votes                 TEXT    NOT NULL
   ) STRICT`,
  `CREATE INDEX approvals_state ON approvals (state, position)`,
  `CREATE INDEX approvals_release ON approvals (pipeline, stage, release)`,
  `CREATE TABLE statuses (
     repository    TEXT    NOT NULL,
     "commit"      TEXT    NOT NULL,
     name          TEXT    NOT NULL,
     state         TEXT    NOT NULL,
     description   TEXT    NOT NULL,
     url           TEXT,
     at            INTEGER NOT NULL,
     position      INTEGER NOT NULL,
     early         INTEGER NOT NULL,
     PRIMARY KEY (repository, "commit", name)
   ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX statuses_early ON statuses (repository, early, position)`,
  `ALTER TABLE stages ADD COLUMN ref_note TEXT`,
  `CREATE TABLE verification_runs (
     run_id       TEXT    PRIMARY KEY,
     pipeline     TEXT    NOT NULL,
     stage        TEXT    NOT NULL,
     commit_id    TEXT    NOT NULL,
     name         TEXT    NOT NULL,
     in_stage     TEXT    NOT NULL,
     cluster_id   TEXT    NOT NULL,
     cluster_name TEXT    NOT NULL,
     asked_by     TEXT,
     started_at   INTEGER NOT NULL,
     deadline_at  INTEGER NOT NULL,
     ended_at     INTEGER,
     outcome      TEXT,
     message      TEXT,
     revokes      INTEGER NOT NULL,
     run_order    TEXT    NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX verification_runs_open ON verification_runs (cluster_id, ended_at);
   CREATE INDEX verification_runs_pipeline ON verification_runs (pipeline, started_at);
   CREATE TABLE metric_analyses (
     run_id     TEXT    PRIMARY KEY,
     pipeline   TEXT    NOT NULL,
     stage      TEXT    NOT NULL,
     commit_id  TEXT    NOT NULL,
     name       TEXT    NOT NULL,
     started_at INTEGER NOT NULL,
     ended_at   INTEGER,
     rule       TEXT    NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX metric_analyses_open ON metric_analyses (ended_at);
   CREATE TABLE verification_results (
     run_id        TEXT    PRIMARY KEY,
     cluster_id    TEXT    NOT NULL,
     outcome       TEXT    NOT NULL,
     message       TEXT    NOT NULL,
     log_tail      TEXT    NOT NULL,
     log_truncated INTEGER NOT NULL,
     received_at   INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE metric_samples (
     run_id  TEXT    NOT NULL,
     ordinal INTEGER NOT NULL,
     at      INTEGER NOT NULL,
     value   REAL,
     message TEXT    NOT NULL,
     PRIMARY KEY (run_id, ordinal)
   ) STRICT, WITHOUT ROWID`,
];

/** The file is of a newer program; it can be deleted, because everything in it can be read again. */
export class ReadModelNewerError extends Error {
  override name = 'ReadModelNewerError';
}

/** Brings the database to the newest shape in one transaction. */
export function migrate(database: Database): void {
  const steps = database.transaction(() => {
    const version = database.pragma('user_version', { simple: true }) as number;
    if (version > migrations.length) {
      throw new ReadModelNewerError(
        `the read model has version ${version}, this program knows up to ${migrations.length}`,
      );
    }
    for (const statement of migrations.slice(version)) database.exec(statement);
    database.pragma(`user_version = ${migrations.length}`);
  });
  steps.immediate();
}
