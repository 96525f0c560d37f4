import { eq } from 'drizzle-orm';
import { JournalDamagedError, type JournalDatabase, rowChecksum } from './database.ts';
import { facts } from './schema.ts';

export type FactName = 'agent_epoch' | 'audit_sequence' | 'report_sequence' | 'accepted_epoch';

export function readFact(database: JournalDatabase, name: FactName): string | undefined {
  const row = database.orm.select().from(facts).where(eq(facts.name, name)).get();
  if (row === undefined) return undefined;
  if (row.checksum !== rowChecksum(row.name, row.value)) {
    throw new JournalDamagedError(`fact ${name} has another checksum`);
  }
  return row.value;
}

export function writeFact(database: JournalDatabase, name: FactName, value: string): void {
  const checksum = rowChecksum(name, value);
  database.orm
    .insert(facts)
    .values({ name, value, checksum })
    .onConflictDoUpdate({ target: facts.name, set: { value, checksum } })
    .run();
}

export const readNumberFact = (database: JournalDatabase, name: FactName): number =>
  Number(readFact(database, name) ?? '0');
