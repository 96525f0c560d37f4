import type { Database } from 'better-sqlite3';
import type { DecisionLog, RecordedEvent } from '../decision-log/index.ts';
import { readModelBatchEntriesMax } from '../limits.ts';
import type { Fold, FoldBatch } from './fold/index.ts';

/** Grows when the fold of an entry changes, so that tables of an older fold are folded anew at the next start. */
export const projectionVersion = 4;

export type Checkpoint = { readonly position: number; readonly hash: string };

export function readCheckpoint(database: Database): Checkpoint & { projectionVersion: number } {
  const row = database
    .prepare(
      'SELECT position, hash, projection_version AS projectionVersion FROM log_checkpoint WHERE id = 1',
    )
    .get();
  return row as Checkpoint & { projectionVersion: number };
}

/** Whether the tables are a fold, by this program, of a prefix of this log. */
export async function isOfLog(database: Database, log: DecisionLog): Promise<boolean> {
  const checkpoint = readCheckpoint(database);
  if (checkpoint.position === 0) return true;
  if (checkpoint.projectionVersion !== projectionVersion) return false;
  const [entry] = await log.readAfter(checkpoint.position - 1, 1);
  return entry !== undefined && entry.hash === checkpoint.hash;
}

/** Returns a function that folds a batch and moves the checkpoint in the same transaction. */
export function createBatchWriter(database: Database, fold: Fold) {
  const moveCheckpoint = database.prepare(
    'UPDATE log_checkpoint SET position = ?, hash = ?, projection_version = ? WHERE id = 1',
  );
  return database.transaction((batch: FoldBatch, entries: readonly RecordedEvent[]): Checkpoint => {
    let checkpoint: Checkpoint = { position: 0, hash: '' };
    for (const entry of entries) {
      fold(batch, entry);
      checkpoint = { position: entry.position, hash: entry.hash };
    }
    moveCheckpoint.run(checkpoint.position, checkpoint.hash, projectionVersion);
    return checkpoint;
  }).immediate;
}

/** Folds until the log has no more, and calls back after each batch. */
export async function followLog(options: {
  readonly log: DecisionLog;
  readonly from: Checkpoint;
  readonly newBatch: () => FoldBatch;
  readonly write: ReturnType<typeof createBatchWriter>;
  readonly onBatch: (checkpoint: Checkpoint, batch: FoldBatch) => void;
  readonly stopped: () => boolean;
}): Promise<void> {
  let position = options.from.position;
  while (!options.stopped()) {
    const entries = await options.log.readAfter(position, readModelBatchEntriesMax);
    if (entries.length === 0 || options.stopped()) return;
    const batch = options.newBatch();
    const checkpoint = options.write(batch, entries);
    position = checkpoint.position;
    options.onBatch(checkpoint, batch);
    // A long fold must not hold up the requests of a running hub.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
