import { eq, lt, sql } from 'drizzle-orm';
import type { JournalDatabase } from './database.ts';
import { gitObjects } from './schema.ts';

/** Small Git objects as rows: a thousand units bring thousands of them, and a file with its own sync costs more than a row. */
export type GitObjectRows = {
  /** All in one transaction; what was there under an id is replaced. */
  readonly put: (rows: readonly GitObjectRow[], nowMs: number) => void;
  readonly get: (id: string) => Buffer | undefined;
  readonly has: (id: string) => boolean;
  readonly remove: (ids: readonly string[]) => void;
  readonly idsStoredBefore: (timeMs: number) => string[];
};

export type GitObjectRow = { readonly id: string; readonly content: Buffer };

export function createGitObjectRows({ orm, raw }: JournalDatabase): GitObjectRows {
  const id = sql.placeholder('id');
  const insert = orm
    .insert(gitObjects)
    .values({
      id,
      storedAtMs: sql.placeholder('storedAtMs'),
      content: sql.placeholder('content'),
    })
    .onConflictDoUpdate({
      target: gitObjects.id,
      set: { storedAtMs: sql`excluded.stored_at_ms`, content: sql`excluded.content` },
    })
    .prepare();
  const byId = orm
    .select({ content: gitObjects.content })
    .from(gitObjects)
    .where(eq(gitObjects.id, id))
    .prepare();
  const known = orm
    .select({ id: gitObjects.id })
    .from(gitObjects)
    .where(eq(gitObjects.id, id))
    .prepare();
  const removeOne = orm.delete(gitObjects).where(eq(gitObjects.id, id)).prepare();
  const putAll = raw.transaction((rows: readonly GitObjectRow[], storedAtMs: number) => {
    for (const row of rows) insert.run({ ...row, storedAtMs });
  });
  const removeAll = raw.transaction((ids: readonly string[]) => {
    for (const removed of ids) removeOne.run({ id: removed });
  });
  return {
    put: putAll,
    get: (wanted) => byId.get({ id: wanted })?.content,
    has: (wanted) => known.get({ id: wanted }) !== undefined,
    remove: removeAll,
    idsStoredBefore: (timeMs) =>
      orm
        .select({ id: gitObjects.id })
        .from(gitObjects)
        .where(lt(gitObjects.storedAtMs, timeMs))
        .all()
        .map((row) => row.id),
  };
}
