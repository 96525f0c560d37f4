// One run of a program to its end.

import { execFile } from 'node:child_process';
import { inheritedEnvironment } from './environment.ts';
import { commandOutputMaxBytes, commandTimeoutMs } from './limits.ts';

export type CommandOptions = {
  readonly cwd?: string;
  /** Added to PATH, HOME and TMPDIR; nothing else of this process's environment is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly signal?: AbortSignal;
};

/** Standard output; rejects with the program's standard error when it fails. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      {
        cwd: options.cwd,
        env: { ...inheritedEnvironment(), ...options.env },
        signal: options.signal,
        timeout: commandTimeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: commandOutputMaxBytes,
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const line = [command, ...args].join(' ');
        const reason = error.killed ? `took longer than ${commandTimeoutMs} ms` : stderr.trim();
        reject(new Error(`${line}: ${reason || error.message}`, { cause: error }));
      },
    );
    // A program that ends without reading its input is no failure of ours.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.stdin ?? '');
  });
}
