import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';

/** SHA-256 of every row of every table, by the table's name. */
export function hashTables(path: string): Record<string, string> {
  const database = new Database(path, { readonly: true });
  try {
    const names = database
      .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
      .pluck()
      .all() as string[];
    return Object.fromEntries(
      names.sort().map((name) => {
        const columns = database.prepare(`SELECT * FROM "${name}"`).columns().length;
        const order = Array.from({ length: columns }, (_, index) => index + 1).join(', ');
        const rows = database.prepare(`SELECT * FROM "${name}" ORDER BY ${order}`).raw();
        const hash = createHash('sha256');
        for (const row of rows.iterate()) hash.update(JSON.stringify(row));
        return [name, hash.digest('hex')];
      }),
    );
  } finally {
    database.close();
  }
}
