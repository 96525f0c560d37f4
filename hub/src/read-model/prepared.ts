import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Orm } from './orm.ts';

/** A column's encoder would make `false` or the text `null` of nothing, so nothing is left out or written as NULL. */
const isNothing = (value: unknown): boolean => value === undefined || value === null;

/**
 * An insert of rows, prepared once for each set of columns that they have: building the statement for each row costs more
 * than running it. Where a row with the same `key` exists, the columns of `replace` get the new values.
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
  const replaced = columns.filter(([name]) => conflict?.replace.includes(name as never));
  const prepare = (names: readonly string[]) => {
    const values = Object.fromEntries(names.map((name) => [name, sql.placeholder(name)]));
    const insert = orm.insert(table).values(values as Table['$inferInsert']);
    return conflict === undefined
      ? insert.prepare()
      : insert
          .onConflictDoUpdate({
            target: [...conflict.key],
            set: Object.fromEntries(
              replaced.map(([name, column]) => [name, sql.raw(`excluded."${column.name}"`)]),
            ) as never,
          })
          .prepare();
  };
  const statementFor = byShape(prepare);
  return (row) => {
    const given = Object.keys(row).filter((name) => !isNothing(row[name as never]));
    statementFor(given).run(row);
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
  const prepare = (names: readonly string[]) => {
    const assigned = names.map((name) => {
      const isCleared = name.endsWith(cleared);
      const column = isCleared ? name.slice(0, -cleared.length) : name;
      return [column, isCleared ? sql`NULL` : sql.placeholder(column)];
    });
    return orm
      .update(table)
      .set(Object.fromEntries(assigned) as never)
      .where(where)
      .prepare();
  };
  const statementFor = byShape(prepare);
  return (keyValues, change) => {
    const names = Object.entries(change)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => (value === null ? `${name}${cleared}` : name));
    if (names.length === 0) return;
    const keys = Object.fromEntries(key.map((name, index) => [`key ${name}`, keyValues[index]]));
    statementFor(names).run({ ...keys, ...change });
  };
}

/** Marks a column that is set to NULL in the shape of an update. */
const cleared = ' cleared';

function byShape<Statement>(prepare: (names: readonly string[]) => Statement) {
  const statements = new Map<string, Statement>();
  return (names: readonly string[]): Statement => {
    const shape = names.join();
    const known = statements.get(shape) ?? prepare(names);
    statements.set(shape, known);
    return known;
  };
}
