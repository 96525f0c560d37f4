// A supervised child process: logged to a file, awaited until ready, stopped in order, restartable, and
// gone when this process is gone.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inheritedEnvironment } from './environment.ts';
import { unwatchGroup, watchGroup } from './guard.ts';
import { logTailMaxBytes, readyTimeoutMs, stopTimeoutMs } from './limits.ts';
import { type See, waitFor } from './wait-for.ts';

export type ProcessExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type ProcessOptions = {
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to PATH, HOME and TMPDIR; nothing else of this process's environment is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Standard output and error are appended here. */
  readonly logFile: string;
  /** Asked until it answers with a truthy value; throwing means not yet. Without it a start is ready. */
  readonly ready?: (see: See) => unknown;
  readonly readyTimeoutMs?: number;
  readonly stopSignal?: NodeJS.Signals;
  readonly stopTimeoutMs?: number;
  /** Abort kills the process group and fails a start that is under way. */
  readonly signal?: AbortSignal;
  /** Called at each exit, wanted or not. */
  readonly onExit?: (exit: ProcessExit) => void;
};

export type SupervisedProcess = AsyncDisposable & {
  readonly name: string;
  readonly logFile: string;
  /** Undefined while the process does not run. */
  readonly pid: number | undefined;
  readonly running: boolean;
  /** Resolves when the current run ends; at once when none is going on. */
  readonly exited: Promise<ProcessExit>;
  /** Orderly: the stop signal to the process, and SIGKILL to its whole group at the limit. */
  stop(): Promise<ProcessExit>;
  /** SIGKILL to the whole group, as when a container is killed. */
  kill(): Promise<ProcessExit>;
  /** Stops if it runs, starts with the same arguments and waits until ready. */
  restart(): Promise<void>;
  /** Any signal to the process alone, for example SIGSTOP. */
  sendSignal(signal: NodeJS.Signals): void;
  /** The last lines of the log. */
  logTail(): Promise<string>;
};

type Run = { readonly child: ChildProcess; readonly exited: Promise<ProcessExit> };

/** Starts the process and resolves once it is ready; a failed start leaves nothing running. */
export async function startProcess(options: ProcessOptions): Promise<SupervisedProcess> {
  options.signal?.throwIfAborted();
  let run: Run | undefined;
  let lastExit: ProcessExit = { code: null, signal: null };

  async function start(): Promise<void> {
    const started = launch(options);
    run = started;
    void started.exited.then((exit) => {
      lastExit = exit;
      if (run === started) run = undefined;
      options.onExit?.(exit);
    });
    try {
      await awaitReady(options, started);
    } catch (error) {
      await kill();
      throw error;
    }
  }

  async function stop(): Promise<ProcessExit> {
    const current = run;
    if (current === undefined) return lastExit;
    current.child.kill(options.stopSignal ?? 'SIGTERM');
    // A stopped process (SIGSTOP) would not see the signal before it is continued.
    current.child.kill('SIGCONT');
    const limit = new AbortController();
    const late = sleep(options.stopTimeoutMs ?? stopTimeoutMs, 'late', { signal: limit.signal });
    const first = await Promise.race([current.exited, late.catch(() => 'late')]);
    limit.abort();
    if (first === 'late') killGroup(current.child);
    return current.exited;
  }

  async function kill(): Promise<ProcessExit> {
    const current = run;
    if (current === undefined) return lastExit;
    killGroup(current.child);
    return current.exited;
  }

  const abort = () => void kill();
  options.signal?.addEventListener('abort', abort, { once: true });
  await start();
  return {
    name: options.name,
    logFile: options.logFile,
    get pid() {
      return run?.child.pid;
    },
    get running() {
      return run !== undefined;
    },
    get exited() {
      return run?.exited ?? Promise.resolve(lastExit);
    },
    stop,
    kill,
    async restart() {
      await stop();
      options.signal?.throwIfAborted();
      await start();
    },
    sendSignal(name) {
      run?.child.kill(name);
    },
    logTail: () => tailOf(options.logFile),
    async [Symbol.asyncDispose]() {
      options.signal?.removeEventListener('abort', abort);
      await stop();
    },
  };
}

function launch(options: ProcessOptions): Run {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.command, options.args ?? [], {
    cwd: options.cwd,
    env: { ...inheritedEnvironment(), ...options.env },
    stdio: ['ignore', log, log],
    // A group of its own: one signal reaches what the child starts, and Ctrl-C reaches only the parent.
    detached: true,
  });
  closeSync(log);
  const group = child.pid;
  if (group !== undefined) watchGroup(group);
  const exited = new Promise<ProcessExit>((resolve) => {
    const end = (exit: ProcessExit) => {
      // What the child left behind in its group ends with it.
      killGroup(child);
      if (group !== undefined) unwatchGroup(group);
      resolve(exit);
    };
    child.once('exit', (code, signal) => end({ code, signal }));
    child.once('error', () => {
      if (group === undefined) end({ code: null, signal: null });
    });
  });
  return { child, exited };
}

async function awaitReady(options: ProcessOptions, run: Run): Promise<void> {
  const { name, command, logFile } = options;
  if (run.child.pid === undefined) throw new Error(`${name}: ${command} could not be started.`);
  if (options.ready === undefined) return;
  const ended = new AbortController();
  void run.exited.then((exit) => {
    const how = exit.signal === null ? `with code ${exit.code}` : `by ${exit.signal}`;
    ended.abort(new Error(`it ended ${how}`));
  });
  const signal = options.signal ? AbortSignal.any([ended.signal, options.signal]) : ended.signal;
  try {
    await waitFor(`${name} to be ready`, options.ready, {
      timeoutMs: options.readyTimeoutMs ?? readyTimeoutMs,
      signal,
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    const tail = await tailOf(logFile);
    const reason = (error as Error).message;
    throw new Error(`${name} did not become ready: ${reason}. The end of ${logFile}:\n${tail}`, {
      cause: error,
    });
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

async function tailOf(logFile: string): Promise<string> {
  try {
    await using file = await open(logFile);
    const { size } = await file.stat();
    const length = Math.min(size, logTailMaxBytes);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8');
  } catch {
    return '(no log)';
  }
}
