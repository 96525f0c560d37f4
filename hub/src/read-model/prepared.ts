import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Orm } from './orm.ts';

/**
 * An insert of whole rows, prepared once: building the statement for each row costs more than running it. Where a row
 * with the same `key` exists, the columns of `replace` get the new values.
 */
export function preparedInsert<Table extends SQLiteTable>(
  orm: Orm,
  table: Table,
  conflict?: {
    readonly key: readonly SQLiteColumn[];
    readonly replace: readonly (keyof Table['$inferInsert'] & string)[];
  },
): (row: Table['$inferInsert']) => void {
  const columns = Object.entries(getTableColumns(table));
  const values = Object.fromEntries(columns.map(([name]) => [name, sql.placeholder(name)]));
  const nothing = Object.fromEntries(columns.map(([name]) => [name, null]));
  const insert = orm.insert(table).values(values as Table['$inferInsert']);
  const replaced = columns.filter(([name]) => conflict?.replace.includes(name as never));
  const statement =
    conflict === undefined
      ? insert.prepare()
      : insert
          .onConflictDoUpdate({
            target: [...conflict.key],
            set: Object.fromEntries(
              replaced.map(([name, column]) => [name, sql.raw(`excluded."${column.name}"`)]),
            ) as never,
          })
          .prepare();
  return (row) => {
    statement.run({ ...nothing, ...row });
  };
}

/**
 * An update of the row that has these key columns, prepared once for each set of columns that it changes: the folds change
 * a few columns of a row in ever the same combinations.
 */
export function preparedUpdate<Table extends SQLiteTable>(
  orm: Orm,
  table: Table,
  key: readonly (keyof Table['$inferInsert'] & string)[],
): (keyValues: readonly string[], change: Partial<Table['$inferInsert']>) => void {
  const columns = getTableColumns(table);
  const where = and(
    ...key.map((name) => eq(columns[name] as SQLiteColumn, sql.placeholder(`key ${name}`))),
  );
  const prepare = (names: readonly string[]) =>
    orm
      .update(table)
      .set(Object.fromEntries(names.map((name) => [name, sql.placeholder(name)])) as never)
      .where(where)
      .prepare();
  const statements = new Map<string, ReturnType<typeof prepare>>();
  return (keyValues, change) => {
    const names = Object.keys(change).filter((name) => change[name as never] !== undefined);
    if (names.length === 0) return;
    const shape = names.join();
    const statement = statements.get(shape) ?? prepare(names);
    statements.set(shape, statement);
    const keys = Object.fromEntries(key.map((name, index) => [`key ${name}`, keyValues[index]]));
    statement.run({ ...keys, ...change });
  };
}
