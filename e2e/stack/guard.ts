// The parent's side of guard.mjs: one guard process for all children of this process, started with the
// first of them.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const watched = new Set<number>();
let guard: ChildProcess | undefined;

/** From now on, the process group dies with this process, however this process ends. */
export function watchGroup(group: number): void {
  watched.add(group);
  if (guard === undefined || guard.exitCode !== null || guard.signalCode !== null) {
    guard = startGuard();
    for (const earlier of watched) tell(`+${earlier}`);
  } else {
    tell(`+${group}`);
  }
}

/** The group is gone; its number may be given to someone else. */
export function unwatchGroup(group: number): void {
  if (watched.delete(group)) tell(`-${group}`);
}

/** The guard's process id, for tests. */
export function guardPid(): number | undefined {
  return guard?.pid;
}

function startGuard(): ChildProcess {
  const script = join(import.meta.dirname, 'guard.mjs');
  const child = spawn(process.execPath, ['--max-semi-space-size=1', script], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Its own session, so that a signal to the parent's group leaves it to do its work.
    detached: true,
    env: {},
  });
  child.unref();
  // The pipe must not keep a parent alive that has nothing else to do.
  (child.stdin as unknown as { unref(): void }).unref();
  child.on('error', () => {});
  child.stdin?.on('error', () => {});
  return child;
}

function tell(line: string): void {
  guard?.stdin?.write(`${line}\n`);
}
