import type { Database } from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';

export type Orm = ReturnType<typeof createOrm>;

/** Columns keep the names that the schema gives them. */
export const createOrm = (database: Database) => drizzle({ client: database });
