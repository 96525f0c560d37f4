import Database from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { type DecisionLogFixture, describeDecisionLog } from './conformance.ts';
import { createMemoryLogDisk, type MemoryLogDisk, openMemoryDecisionLog } from './index.ts';
import type { LogRow } from './schema.ts';

// Thousands of appends take seconds where another program has the processor.
vi.setConfig({ testTimeout: 60_000 });

async function openFixture(): Promise<DecisionLogFixture> {
  const disk = createMemoryLogDisk();
  const log = await openMemoryDecisionLog({ disk });
  return {
    log,
    openAnother: (options) => openMemoryDecisionLog({ disk, ...options }),
    execute: async (statements) => disk.overwrite(changed(disk, statements)),
    [Symbol.asyncDispose]: () => log.close(),
  };
}

/** The rows as the statements of an intruder leave them. */
function changed(disk: MemoryLogDisk, statements: string): LogRow[] {
  using database = {
    sql: new Database(':memory:'),
    [Symbol.dispose]() {
      this.sql.close();
    },
  };
  const { sql } = database;
  sql.exec(`CREATE TABLE log (position INTEGER PRIMARY KEY, stream TEXT, version INTEGER, type TEXT,
    recorded_at INTEGER, actor_kind TEXT, actor_name TEXT, data TEXT, hash TEXT)`);
  const insert = sql.prepare(`INSERT INTO log VALUES (@position, @stream, @version, @type,
    @recordedAt, @actorKind, @actorName, @data, @hash)`);
  for (const row of disk.rows()) insert.run(row);
  sql.exec(statements);
  return sql
    .prepare(`SELECT position, stream, version, type, recorded_at AS recordedAt,
      actor_kind AS actorKind, actor_name AS actorName, data, hash FROM log ORDER BY position`)
    .all() as LogRow[];
}

describeDecisionLog('memory', openFixture);

const request = {
  stream: 'a',
  expectedVersion: 0,
  events: [
    { type: 'CommandRefused', command: 'test', subject: 'a', code: 'test', detail: '' } as const,
  ],
  actor: { kind: 'hub', name: 'test' } as const,
  at: 1,
};

test.each([
  { dies: 'append', kept: 0 },
  { dies: 'appended', kept: 1 },
])('a process that ends at "$dies" leaves $kept entries behind', async ({ dies, kept }) => {
  const disk = createMemoryLogDisk();
  const log = await openMemoryDecisionLog({
    disk,
    boundary: (at) => (at === dies ? new Promise(() => {}) : Promise.resolve()),
  });
  void log.append(request);
  await new Promise((resolve) => setImmediate(resolve));
  const after = await openMemoryDecisionLog({ disk });
  expect(await after.headPosition()).toBe(kept);
  expect(await after.verify()).toMatchObject({ valid: true, position: kept });
});
