import { getTableColumns, sql } from 'drizzle-orm';
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
