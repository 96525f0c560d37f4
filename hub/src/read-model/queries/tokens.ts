import { asc, eq, sql } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import { tokenTable } from '../schema.ts';

export type TokenView = typeof tokenTable.$inferSelect;

export function tokenQueries(orm: Orm) {
  const byHash = orm
    .select()
    .from(tokenTable)
    .where(eq(tokenTable.hash, sql.placeholder('hash')))
    .prepare();
  const all = orm
    .select()
    .from(tokenTable)
    .orderBy(asc(tokenTable.issuedAt), asc(tokenTable.id))
    .prepare();
  return {
    /** A revoked one too: the caller looks at `revokedAt`. */
    findTokenByHash: (hash: string): TokenView | undefined => byHash.get({ hash }),
    allTokens: (): TokenView[] => all.all(),
  };
}
