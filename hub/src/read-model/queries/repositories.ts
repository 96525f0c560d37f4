import { asc, eq, gt, sql } from 'drizzle-orm';
import type { Orm } from '../orm.ts';
import { repositoryTable } from '../schema.ts';
import { afterText, type Page, type PageRequest, pageOf } from './page.ts';

export type RepositoryView = typeof repositoryTable.$inferSelect;

export function repositoryQueries(orm: Orm) {
  const byName = orm
    .select()
    .from(repositoryTable)
    .where(eq(repositoryTable.name, sql.placeholder('name')))
    .prepare();
  const all = orm.select().from(repositoryTable).orderBy(asc(repositoryTable.name)).prepare();
  const after = orm
    .select()
    .from(repositoryTable)
    .where(gt(repositoryTable.name, sql.placeholder('after')))
    .orderBy(asc(repositoryTable.name))
    .limit(sql.placeholder('limit'))
    .prepare();
  return {
    findRepository: (name: string): RepositoryView | undefined => byName.get({ name }),
    allRepositories: (): RepositoryView[] => all.all(),
    listRepositories: (page: PageRequest): Page<RepositoryView> =>
      pageOf(after.all({ after: afterText(page), limit: page.limit + 1 }), page.limit, (row) => [
        row.name,
      ]),
  };
}
