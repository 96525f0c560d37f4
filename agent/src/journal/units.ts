import { asc, count, eq, sql } from 'drizzle-orm';
import { type Assignment, unitIdOf } from '../domain/link/index.ts';
import type { Inventory, ReconcileJournal } from '../reconcile/index.ts';
import {
  JournalDamagedError,
  type JournalDatabase,
  JournalError,
  rowChecksum,
} from './database.ts';
import { readNumberFact, writeFact } from './facts.ts';
import { assignments, inventories } from './schema.ts';

export type UnitJournal = Omit<ReconcileJournal, 'durable'> & {
  readonly assignmentsTotal: () => number;
  /** Raises the hub epoch that assignments may have; a smaller one changes nothing. */
  readonly acceptEpoch: (epoch: number) => void;
};

/** What the agent holds of each unit: its accepted assignment and what it owns in the cluster. */
export function createUnitJournal(database: JournalDatabase): UnitJournal {
  const { orm } = database;
  const saveAssignment = orm
    .insert(assignments)
    .values({
      unit: sql.placeholder('unit'),
      epoch: sql.placeholder('epoch'),
      generation: sql.placeholder('generation'),
      body: sql.placeholder('body'),
      checksum: sql.placeholder('checksum'),
    })
    .onConflictDoUpdate({
      target: assignments.unit,
      set: {
        epoch: sql`excluded.epoch`,
        generation: sql`excluded.generation`,
        body: sql`excluded.body`,
        checksum: sql`excluded.checksum`,
      },
      setWhere: sql`(excluded.epoch, excluded.generation) >= (assignments.epoch, assignments.generation)`,
    })
    .prepare();
  const countAssignments = orm.select({ rows: count() }).from(assignments).prepare();
  const saveInventory = orm
    .insert(inventories)
    .values({
      unit: sql.placeholder('unit'),
      body: sql.placeholder('body'),
      checksum: sql.placeholder('checksum'),
    })
    .onConflictDoUpdate({
      target: inventories.unit,
      set: { body: sql`excluded.body`, checksum: sql`excluded.checksum` },
    })
    .prepare();
  const loadInventory = orm
    .select()
    .from(inventories)
    .where(eq(inventories.unit, sql.placeholder('unit')))
    .prepare();

  // Asked for with each assignment; nobody else writes it, because one process owns the journal.
  let acceptedEpoch = readNumberFact(database, 'accepted_epoch');

  return {
    acceptedEpoch: () => acceptedEpoch,
    acceptEpoch: (epoch) => {
      if (epoch <= acceptedEpoch) return;
      writeFact(database, 'accepted_epoch', String(epoch));
      acceptedEpoch = epoch;
    },

    saveAssignment: (assignment) => {
      const unit = unitIdOf(assignment);
      const body = JSON.stringify(assignment);
      const { epoch, generation } = assignment;
      const checksum = rowChecksum(unit, epoch, generation, body);
      const { changes } = saveAssignment.run({ unit, epoch, generation, body, checksum });
      if (changes === 0) {
        throw new JournalError(
          `Unit ${unit} holds a newer assignment than epoch ${epoch}, generation ${generation}.`,
        );
      }
    },

    assignmentsTotal: () => countAssignments.get()?.rows ?? 0,

    loadAssignments: () =>
      orm
        .select()
        .from(assignments)
        .orderBy(asc(assignments.unit))
        .all()
        .map((row) => {
          if (row.checksum !== rowChecksum(row.unit, row.epoch, row.generation, row.body)) {
            throw new JournalDamagedError(`the assignment of ${row.unit} has another checksum`);
          }
          return JSON.parse(row.body) as Assignment;
        }),

    saveInventory: (unit, inventory) => {
      const body = JSON.stringify(inventory);
      saveInventory.run({ unit, body, checksum: rowChecksum(unit, body) });
    },
    loadInventory: (unit) => {
      const row = loadInventory.get({ unit });
      return row === undefined ? undefined : inventoryOf(row);
    },
    removeInventory: (unit) => {
      orm.delete(inventories).where(eq(inventories.unit, unit)).run();
    },
  };
}

export function verifyUnits(database: JournalDatabase): void {
  createUnitJournal(database).loadAssignments();
  for (const row of database.orm.select().from(inventories).all()) inventoryOf(row);
}

function inventoryOf(row: { unit: string; body: string; checksum: number }): Inventory {
  if (row.checksum !== rowChecksum(row.unit, row.body)) {
    throw new JournalDamagedError(`the inventory of ${row.unit} has another checksum`);
  }
  return JSON.parse(row.body) as Inventory;
}
