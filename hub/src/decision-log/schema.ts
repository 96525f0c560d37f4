import { integer, sqliteTable, text, unique } from 'drizzle-orm/sqlite-core';

/** One table holds the log. `data` is the event's JSON without its type, stored and hashed as exactly this text. */
export const logTable = sqliteTable(
  'log',
  {
    position: integer('position').primaryKey({ autoIncrement: true }),
    stream: text('stream').notNull(),
    version: integer('version').notNull(),
    type: text('type').notNull(),
    recordedAt: integer('recorded_at').notNull(),
    actorKind: text('actor_kind', { enum: ['person', 'agent', 'hub'] }).notNull(),
    actorName: text('actor_name').notNull(),
    data: text('data').notNull(),
    hash: text('hash').notNull(),
  },
  (table) => [unique('log_stream_version').on(table.stream, table.version)],
);

export type LogRow = typeof logTable.$inferSelect;
