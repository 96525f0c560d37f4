import { eq, sql } from 'drizzle-orm';
import { JournalDamagedError, type JournalDatabase, rowChecksum } from './database.ts';
import { facts } from './schema.ts';

export type FactName = 'agent_epoch' | 'audit_sequence' | 'report_sequence' | 'accepted_epoch';

const prepare = ({ orm }: JournalDatabase) => ({
  read: orm
    .select()
    .from(facts)
    .where(eq(facts.name, sql.placeholder('name')))
    .prepare(),
  write: orm
    .insert(facts)
    .values({
      name: sql.placeholder('name'),
      value: sql.placeholder('value'),
      checksum: sql.placeholder('checksum'),
    })
    .onConflictDoUpdate({
      target: facts.name,
      set: { value: sql`excluded.value`, checksum: sql`excluded.checksum` },
    })
    .prepare(),
});

/** Facts are read and written with every report and event, so their statements are prepared once. */
const prepared = new WeakMap<JournalDatabase['raw'], ReturnType<typeof prepare>>();

function statements(database: JournalDatabase): ReturnType<typeof prepare> {
  const known = prepared.get(database.raw);
  if (known) return known;
  const fresh = prepare(database);
  prepared.set(database.raw, fresh);
  return fresh;
}

export function readFact(database: JournalDatabase, name: FactName): string | undefined {
  const row = statements(database).read.get({ name });
  if (row === undefined) return undefined;
  if (row.checksum !== rowChecksum(row.name, row.value)) {
    throw new JournalDamagedError(`fact ${name} has another checksum`);
  }
  return row.value;
}

export function writeFact(database: JournalDatabase, name: FactName, value: string): void {
  statements(database).write.run({ name, value, checksum: rowChecksum(name, value) });
}

export const readNumberFact = (database: JournalDatabase, name: FactName): number =>
  Number(readFact(database, name) ?? '0');
