import { closeSync, fdatasync, openSync } from 'node:fs';

/**
 * Resolves when every write that was made before the call is on disk. Callers at the same time share one sync, and the
 * event loop goes on meanwhile.
 */
export type Durable = { readonly sync: () => Promise<void>; readonly close: () => void };

/**
 * Writes are in the kernel's hands when they return, so they outlive the process however it ends; only a power cut can
 * take the newest ones, and always all from some write on. What must outlive that as well waits for `sync`. The log is
 * synced through a descriptor of its own: SQLite takes no locks on the log, so closing it releases none.
 */
export function createDurable(databaseFile: string): Durable {
  let descriptor: number | undefined;
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let isClosed = false;

  const syncOnce = (): Promise<void> =>
    new Promise((resolve, reject) => {
      if (isClosed) return resolve();
      try {
        descriptor ??= openSync(`${databaseFile}-wal`, 'r+');
      } catch (error) {
        // No log yet: nothing was written since it was opened.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return resolve();
        throw error;
      }
      fdatasync(descriptor, (error) => (error ? reject(error) : resolve()));
    });

  const start = (): Promise<void> => {
    const current = syncOnce().finally(() => {
      running = undefined;
      if (isClosed) release();
    });
    running = current;
    return current;
  };

  const release = (): void => {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
  };

  return {
    sync: () => {
      if (running === undefined) return start();
      // The sync under way may have begun before the caller's write.
      next ??= running
        .catch(() => undefined)
        .then(() => {
          next = undefined;
          return start();
        });
      return next;
    },
    close: () => {
      isClosed = true;
      if (running === undefined) release();
    },
  };
}
