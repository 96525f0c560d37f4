import { blob, index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';

// Every row carries a CRC-32 over its columns, because SQLite itself does not notice a flipped bit in a page. A Git object
// needs none: its id is a digest of its content.

/** Single values: the agent epoch, the next sequences, the accepted hub epoch. */
export const facts = sqliteTable('facts', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
  checksum: integer('checksum').notNull(),
});

/** The newest accepted assignment of a unit; the row stays for ever, so that its generation never goes back. */
export const assignments = sqliteTable('assignments', {
  unit: text('unit').primaryKey(),
  epoch: integer('epoch').notNull(),
  generation: integer('generation').notNull(),
  body: text('body').notNull(),
  checksum: integer('checksum').notNull(),
});

export const inventories = sqliteTable('inventories', {
  unit: text('unit').primaryKey(),
  body: text('body').notNull(),
  checksum: integer('checksum').notNull(),
});

/** Audit events that the hub has not confirmed. `state`: 1 is an open gap record, whose count may still grow. */
export const auditOutbox = sqliteTable('audit_outbox', {
  sequence: integer('sequence').primaryKey(),
  state: integer('state').notNull(),
  body: text('body').notNull(),
  checksum: integer('checksum').notNull(),
});

/** The newest report of a unit; `pending` is 1 until the bus has it. */
export const reportOutbox = sqliteTable('report_outbox', {
  unit: text('unit').primaryKey(),
  sequence: integer('sequence').notNull(),
  pending: integer('pending').notNull(),
  body: text('body').notNull(),
  checksum: integer('checksum').notNull(),
});

/** Runs of Jobs and their results; `pending` is 1 while a result waits for the bus, `tries` counts how often it did. */
export const verificationRuns = sqliteTable('verification_runs', {
  runId: text('run_id').primaryKey(),
  pending: integer('pending').notNull(),
  tries: integer('tries').notNull(),
  body: text('body').notNull(),
  checksum: integer('checksum').notNull(),
});

/** Trees whose every object is in the object store and was verified. */
export const completeTrees = sqliteTable(
  'complete_trees',
  {
    commitId: text('commit_id').notNull(),
    root: text('root').notNull(),
    repository: text('repository').notNull(),
    usedAtMs: integer('used_at_ms').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.commitId, table.root, table.repository] }),
    index('complete_trees_root').on(table.root, table.repository, table.usedAtMs),
  ],
);

/** Git objects of a few pages, with their header. */
export const gitObjects = sqliteTable('git_objects', {
  id: text('id').primaryKey(),
  storedAtMs: integer('stored_at_ms').notNull(),
  content: blob('content', { mode: 'buffer' }).notNull(),
});
