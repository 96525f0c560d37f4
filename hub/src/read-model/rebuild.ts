import type { Logger } from '@fairlead/shared/log';
import type { Database } from 'better-sqlite3';
import { getTableName } from 'drizzle-orm';
import type { DecisionLog } from '../decision-log/index.ts';
import { type Checkpoint, createBatchWriter, followLog, readCheckpoint } from './checkpoint.ts';
import { openDatabase, removeDatabase } from './database.ts';
import { createFold, newBatch } from './fold/index.ts';
import { createOrm } from './orm.ts';
import { checkpointTable, logTables } from './schema.ts';

/**
 * Folds the whole log into a file beside the one in use, and then puts its tables in place of the present ones in one
 * transaction: no reader ever sees a fleet that is only half folded. Reports stay.
 */
export async function replaceLogTables(
  database: Database,
  options: { readonly path: string; readonly log: DecisionLog; readonly logger: Logger },
): Promise<Checkpoint> {
  const path = `${options.path}.rebuild`;
  removeDatabase(path);
  try {
    await foldInto(path, options);
    return copyLogTables(database, path);
  } finally {
    removeDatabase(path);
  }
}

async function foldInto(
  path: string,
  { log, logger }: { readonly log: DecisionLog; readonly logger: Logger },
): Promise<void> {
  const database = openDatabase(path, logger);
  try {
    database.pragma('synchronous = OFF');
    const orm = createOrm(database);
    await followLog({
      log,
      from: { position: 0, hash: '' },
      newBatch: () => newBatch(orm),
      write: createBatchWriter(database, createFold(orm)),
      onBatch: () => undefined,
      stopped: () => false,
    });
  } finally {
    database.close();
  }
}

function copyLogTables(database: Database, path: string): Checkpoint {
  database.prepare('ATTACH DATABASE ? AS fresh').run(path);
  try {
    database
      .transaction(() => {
        for (const table of [...logTables, checkpointTable].map(getTableName)) {
          database.exec(`DELETE FROM main."${table}"`);
          database.exec(`INSERT INTO main."${table}" SELECT * FROM fresh."${table}"`);
        }
      })
      .immediate();
  } finally {
    database.exec('DETACH DATABASE fresh');
  }
  return readCheckpoint(database);
}
