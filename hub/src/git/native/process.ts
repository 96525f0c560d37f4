import { type ChildProcess, spawn } from 'node:child_process';
import { gitErrorOutputBytesMax, gitOutputBytesMax } from '../../limits.ts';
import { GitError } from '../git-error.ts';

export type GitRun = {
  readonly binary: string;
  readonly arguments: readonly string[];
  readonly environment: Record<string, string>;
  readonly input?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
};

export type GitOutcome = {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
};

/** Runs Git to its end. Throws `timed_out`, `aborted`, `limit_exceeded`, or `git_failed` when it cannot be started. */
export function runGit(run: GitRun): Promise<GitOutcome> {
  return new Promise((resolve, reject) => {
    if (run.signal?.aborted) return reject(abortedError());
    // A process group of its own, so that Git's transport programs end with it.
    const child = spawn(run.binary, run.arguments, {
      env: run.environment,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    let failure: GitError | undefined;
    const stop = (reason: GitError) => {
      failure ??= reason;
      endGroup(child);
    };
    const onAbort = () => stop(abortedError());
    run.signal?.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(
      () => stop(new GitError('timed_out', `Git took longer than ${run.timeoutMs} ms.`)),
      run.timeoutMs,
    );
    const output: Buffer[] = [];
    let outputBytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes > gitOutputBytesMax) {
        stop(new GitError('limit_exceeded', `Git printed more than ${gitOutputBytesMax} bytes.`));
      } else output.push(chunk);
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      // The last lines name the cause.
      errors = (errors + chunk.toString('utf8')).slice(-gitErrorOutputBytesMax);
    });
    const finish = () => {
      clearTimeout(timer);
      run.signal?.removeEventListener('abort', onAbort);
    };
    child.once('error', (error) => {
      finish();
      reject(startError(run.binary, error));
    });
    child.once('close', (exitCode) => {
      finish();
      if (failure) return reject(failure);
      resolve({ exitCode: exitCode ?? -1, output: Buffer.concat(output).toString('utf8'), errors });
    });
    // Git may end before it has read everything; its exit code tells the story.
    child.stdin.on('error', () => {});
    child.stdin.end(run.input ?? '');
  });
}

export const startError = (binary: string, cause: unknown): GitError =>
  new GitError('git_failed', `"${binary}" could not be started: install Git 2.36 or later.`, cause);

const abortedError = () => new GitError('aborted', 'The Git operation was ended by the hub.');

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}
