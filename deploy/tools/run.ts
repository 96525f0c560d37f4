// Runs one short-lived program and keeps the end of its output.

import { spawn } from 'node:child_process';
import { buildOutputMaxCharacters } from './limits.ts';

export type RunOptions = {
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Where standard output is wanted whole; otherwise its end is kept with standard error's. */
  readonly wholeOutput?: boolean;
};

export type RunResult = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/**
 * The result of a program that ran to its end, whatever its exit code.
 * Rejects when it could not be started, ran out of time or was aborted. The program gets its own
 * process group, so that a compiler's children end with it.
 */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  options.signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let failure: unknown;
    const end = (reason: unknown) => {
      failure = reason;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It ended by itself in the meantime.
      }
    };
    const timer = setTimeout(() => {
      end(new Error(`${command} ${args.join(' ')} took longer than ${options.timeoutMs} ms.`));
    }, options.timeoutMs);
    const abort = () => end(options.signal?.reason);
    options.signal?.addEventListener('abort', abort, { once: true });

    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = options.wholeOutput ? stdout + text : tail(stdout + text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = tail(stderr + text);
    });
    child.on('error', (error) => {
      failure ??= error;
      if (child.pid === undefined) finish(null);
    });
    child.on('close', (code) => finish(code));

    function finish(code: number | null): void {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      if (failure === undefined) resolve({ code, stdout, stderr });
      else reject(failure);
    }
  });
}

function tail(text: string): string {
  return text.slice(-buildOutputMaxCharacters);
}
