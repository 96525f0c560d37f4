import { mkdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from '@fairlead/shared/log';
import type { Clock } from '@fairlead/shared/time';
import { watchedTickMs } from '../limits.ts';

export type WatchedClockOptions = {
  /** In the hub's data directory, so that the time goes where the log goes. */
  readonly path: string;
  /** Read once, at the first start: watched time begins at hub time. */
  readonly clock: Clock;
  /** Milliseconds that nobody can set, such as `performance.now`. */
  readonly monotonicMs: () => number;
  readonly logger: Logger;
};

export type WatchedClock = AsyncDisposable & {
  /** Milliseconds that the hub has watched; never less than what was told before, also by an earlier process. */
  readonly watchedMs: () => number;
  /** Writes down what has been watched; the clock does it by itself twice a tick. */
  readonly tick: () => Promise<void>;
};

/**
 * Time in which a hub was there to see: it grows with a monotonic clock and by no more than one tick over any gap (a pause of
 * the process, a step of the clock, a start on another host). What it had told when it ended is not told again: the first
 * answers after a start are the last ones that the process before may have given, until the time itself has got there.
 */
export async function openWatchedClock(options: WatchedClockOptions): Promise<WatchedClock> {
  const { path, clock, monotonicMs, logger } = options;
  mkdirSync(dirname(path), { recursive: true });
  const kept = readKept(path);
  let watched = kept ?? clock.now();
  const toldBefore = kept === undefined ? watched : kept + watchedTickMs;
  let seenAt = monotonicMs();

  const sinceTick = () => Math.min(watchedTickMs, Math.max(0, monotonicMs() - seenAt));
  let writing: Promise<void> = Promise.resolve();
  const tick = (): Promise<void> => {
    // One tick at a time: what is told runs at most one tick ahead of what is written.
    writing = writing.then(async () => {
      const next = watched + sinceTick();
      const at = monotonicMs();
      await writeDurably(path, `${Math.floor(next)}\n`);
      watched = next;
      seenAt = at;
    });
    return writing;
  };
  await tick();
  const timer = setInterval(() => {
    tick().catch((error) => {
      writing = Promise.resolve();
      logger.error({ err: error, path }, 'watched time was not written: soaks stand still');
    });
  }, watchedTickMs / 2);
  timer.unref();

  return {
    watchedMs: () => Math.max(toldBefore, Math.floor(watched + sinceTick())),
    tick,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await tick();
    },
  };
}

function readKept(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const kept = Number(text.trim());
  if (/^\d+\n?$/.test(text) && Number.isSafeInteger(kept)) return kept;
  throw new Error(
    `${path} does not hold watched time: put it back from a backup, or remove it to count all soaks from hub time.`,
  );
}

/** The old text or the new one, whatever happens in between. */
async function writeDurably(path: string, text: string): Promise<void> {
  const written = `${path}.new`;
  const file = await open(written, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(written, path);
}
