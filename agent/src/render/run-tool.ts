import { spawn } from 'node:child_process';
import { err, ok, type Result } from '@fairlead/shared/result';
import { renderErrorBytesMax, renderKillGraceMs } from '../limits.ts';

export type ToolRun = {
  readonly file: string;
  readonly arguments: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Standard input; none when absent. */
  readonly input?: string | Buffer;
  readonly durationMsMax: number;
  readonly outputBytesMax: number;
  readonly signal: AbortSignal;
};

export type ToolFailure = {
  readonly kind: 'missing' | 'aborted' | 'too-slow' | 'too-large' | 'failed';
  /** What the tool wrote to standard error, cut to a limit. */
  readonly message: string;
  /** Of `failed`; undefined when a signal ended it. */
  readonly exitCode?: number;
};

/**
 * Runs a program to its end and gives its standard output. It gets only the given input and environment, and a
 * process group of its own, so that whatever it starts ends with it.
 */
export function runTool(run: ToolRun): Promise<Result<Buffer, ToolFailure>> {
  return new Promise((resolve) => {
    if (run.signal.aborted) {
      resolve(err({ kind: 'aborted', message: 'ended before it began' }));
      return;
    }
    const child = spawn(run.file, run.arguments, {
      cwd: run.directory,
      env: run.environment,
      stdio: [run.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    // A tool that ends before it has read everything closes the pipe; its exit code tells the rest.
    child.stdin?.on('error', () => {});
    child.stdin?.end(run.input);
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    let outputBytes = 0;
    let errorBytes = 0;
    let stopped: ToolFailure | undefined;
    let killTimer: NodeJS.Timeout | undefined;

    const kill = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // The group has ended by itself.
      }
    };
    const stop = (failure: ToolFailure): void => {
      if (stopped !== undefined) return;
      stopped = failure;
      kill('SIGTERM');
      killTimer = setTimeout(() => kill('SIGKILL'), renderKillGraceMs);
    };
    const onAbort = (): void => stop({ kind: 'aborted', message: 'ended on request' });
    const timer = setTimeout(
      () => stop({ kind: 'too-slow', message: `took longer than ${run.durationMsMax} ms` }),
      run.durationMsMax,
    );
    run.signal.addEventListener('abort', onAbort, { once: true });

    child.stdout?.on('data', (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes <= run.outputBytesMax) output.push(chunk);
      else {
        stop({ kind: 'too-large', message: `wrote more than ${run.outputBytesMax} bytes` });
      }
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (errorBytes < renderErrorBytesMax) errors.push(chunk);
      errorBytes += chunk.length;
    });

    const settle = (result: Result<Buffer, ToolFailure>): void => {
      clearTimeout(timer);
      clearTimeout(killTimer);
      run.signal.removeEventListener('abort', onAbort);
      // A grandchild that outlived its parent goes too.
      kill('SIGKILL');
      resolve(result);
    };
    child.on('error', (error: NodeJS.ErrnoException) =>
      settle(err({ kind: 'missing', message: `${run.file}: ${error.code ?? error.message}` })),
    );
    child.on('close', (code, signal) => {
      if (stopped !== undefined) settle(err(stopped));
      else if (code === 0) settle(ok(Buffer.concat(output)));
      else {
        const text = Buffer.concat(errors).subarray(0, renderErrorBytesMax).toString('utf8').trim();
        const end = signal === null ? `exit code ${code}` : `signal ${signal}`;
        settle(
          err({
            kind: 'failed',
            message: text === '' ? end : text,
            ...(code === null ? {} : { exitCode: code }),
          }),
        );
      }
    });
  });
}
