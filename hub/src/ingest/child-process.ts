import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { busStopTimeoutMs } from '../limits.ts';

export type Child = {
  readonly process: ChildProcess;
  readonly processId: number;
  /** Settles when the process is gone. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** The last of what it wrote to standard error. */
  readonly errorOutput: () => string;
  readonly stop: () => Promise<void>;
};

const errorOutputCharactersMax = 4_096;

/**
 * Starts a program that cannot outlive this process. A shell waits on a pipe that only this process holds open: when
 * it ends in any way, `kill -9` included, the pipe closes and the shell stops the program. Both run in process groups
 * of their own, so that a Ctrl-C in the terminal reaches only the hub, which then stops them in its order.
 */
export function startChild(command: string, parameters: readonly string[]): Child {
  const child = spawn(command, parameters, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  let errorOutput = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errorOutput = (errorOutput + text).slice(-errorOutputCharactersMax);
  });
  const guard =
    child.pid === undefined
      ? undefined
      : spawn('/bin/sh', ['-c', 'read _; kill -TERM "$0" 2>/dev/null', String(child.pid)], {
          detached: true,
          stdio: ['pipe', 'ignore', 'ignore'],
        });
  guard?.on('error', () => undefined);
  guard?.stdin?.on('error', () => undefined);

  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', (error) => {
      errorOutput += error.message;
      resolve({ code: null, signal: null });
    });
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  // The guard goes first: the number of a program that has ended may soon name another one.
  exited.then(() => guard?.kill('SIGKILL'));

  return {
    process: child,
    processId: child.pid ?? -1,
    exited,
    errorOutput: () => errorOutput.trim(),
    stop: async () => {
      child.kill('SIGTERM');
      const ended = await Promise.race([
        exited.then(() => true),
        pause(busStopTimeoutMs, false, { ref: false }),
      ]);
      if (!ended) child.kill('SIGKILL');
      await exited;
    },
  };
}

/**
 * Ends a program that an earlier hub left behind: the guard above may itself have been killed. Only a process whose
 * command line holds `marker` is ours; the number in the file may have been given to another one since.
 */
export async function stopStale(processIdPath: string, marker: string): Promise<boolean> {
  const processId = Number((await readFile(processIdPath, 'utf8').catch(() => '')).trim());
  const isOurs = async () => (await commandLine(processId)).includes(marker);
  if (!Number.isInteger(processId) || processId <= 1 || !(await isOurs())) return false;
  signalProcess(processId, 'SIGTERM');
  const deadline = Date.now() + busStopTimeoutMs;
  while (await isOurs()) {
    if (Date.now() > deadline) signalProcess(processId, 'SIGKILL');
    await pause(25);
  }
  return true;
}

function signalProcess(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function commandLine(processId: number): Promise<string> {
  try {
    return await readFile(`/proc/${processId}/cmdline`, 'utf8');
  } catch {
    // No /proc on this system, or no such process.
    const found = await promisify(execFile)('ps', [
      '-o',
      'command=',
      '-p',
      String(processId),
    ]).catch(() => ({ stdout: '' }));
    return found.stdout;
  }
}
