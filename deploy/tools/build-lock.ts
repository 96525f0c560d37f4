// One builder a tool at a time, across processes.
//
// The lock only saves work: a finished binary is renamed into place, so two builders that both believe
// they hold the lock waste minutes but corrupt nothing. That is why a stale lock may simply be removed.

import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildTimeoutMs,
  lockPollIntervalMs,
  lockStaleAfterMs,
  lockTouchIntervalMs,
} from './limits.ts';

export type LockOptions = {
  /** True once what the lock protects is there, so that nobody needs the lock any more. */
  readonly done: () => Promise<boolean>;
  readonly onWait?: (holder: string) => void;
  readonly signal?: AbortSignal;
  readonly staleAfterMs?: number;
  readonly pollIntervalMs?: number;
};

/** The lock, or undefined when another process finished the work while this one waited. */
export async function acquireBuildLock(
  lockFile: string,
  options: LockOptions,
): Promise<AsyncDisposable | undefined> {
  const staleAfterMs = options.staleAfterMs ?? lockStaleAfterMs;
  const deadline = performance.now() + buildTimeoutMs;
  let saidThatItWaits = false;
  await mkdir(dirname(lockFile), { recursive: true });
  while (true) {
    options.signal?.throwIfAborted();
    if (await options.done()) return undefined;
    if (await create(lockFile)) {
      // The last holder may have finished between the look and the lock.
      if (!(await options.done())) return hold(lockFile);
      await rm(lockFile, { force: true });
      return undefined;
    }

    const age = await ageMs(lockFile);
    if (age !== undefined && (age > staleAfterMs || !(await holderLives(lockFile)))) {
      await rm(lockFile, { force: true });
      continue;
    }
    if (!saidThatItWaits) {
      options.onWait?.(await holderOf(lockFile));
      saidThatItWaits = true;
    }
    if (performance.now() > deadline) {
      throw new Error(
        `Waited ${buildTimeoutMs} ms for another build; remove ${lockFile} if none runs.`,
      );
    }
    await sleep(options.pollIntervalMs ?? lockPollIntervalMs, undefined, {
      signal: options.signal,
    });
  }
}

async function create(lockFile: string): Promise<boolean> {
  try {
    await writeFile(lockFile, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function hold(lockFile: string): AsyncDisposable {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(lockFile, now, now).catch(() => undefined);
  }, lockTouchIntervalMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await rm(lockFile, { force: true });
    },
  };
}

async function ageMs(lockFile: string): Promise<number | undefined> {
  try {
    return Date.now() - (await stat(lockFile)).mtimeMs;
  } catch {
    return undefined;
  }
}

async function holderOf(lockFile: string): Promise<string> {
  return (await readFile(lockFile, 'utf8').catch(() => '')).trim();
}

/** False only when the lock names a process that surely is gone; an unreadable lock may be half written. */
async function holderLives(lockFile: string): Promise<boolean> {
  const holder = Number(await holderOf(lockFile));
  if (!Number.isInteger(holder) || holder <= 0) return true;
  try {
    process.kill(holder, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
