import { spawn } from 'node:child_process';
import { gitCommandTimeoutMs, gitObjectRequestsWaitingMax } from '../../limits.ts';
import { GitError } from '../git-error.ts';
import type { GitObject, GitObjectType } from '../port.ts';
import { startError } from './process.ts';

export type ObjectReader = {
  /** `name` is an object id or a ref; undefined when the mirror does not hold it. */
  readonly read: (
    name: string,
    bytesMax: number,
  ) => Promise<(GitObject & { id: string }) | undefined>;
  readonly waiting: () => number;
  readonly ended: () => boolean;
  readonly close: () => Promise<void>;
};

type Request = {
  readonly name: string;
  readonly bytesMax: number;
  readonly resolve: (found: (GitObject & { id: string }) | undefined) => void;
  readonly reject: (error: GitError) => void;
};

type Body = { id: string; type: GitObjectType; size: number; chunks: Buffer[]; missing: number };

export type ObjectReaderOptions = {
  readonly binary: string;
  readonly arguments: readonly string[];
  readonly environment: Record<string, string>;
};

/**
 * A long-lived `git cat-file --batch`: answers come in the order of the requests, so requests are pipelined. An object
 * above its limit is read past without being kept.
 */
export function createObjectReader(options: ObjectReaderOptions): ObjectReader {
  const child = spawn(options.binary, [...options.arguments, 'cat-file', '--batch'], {
    env: options.environment,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const waiting: Request[] = [];
  let failure: GitError | undefined;
  const closed = Promise.withResolvers<void>();
  const fail = (error: GitError) => {
    failure ??= error;
    child.kill('SIGKILL');
    for (const request of waiting.splice(0)) request.reject(failure);
  };
  const watchdog = setTimeout(() => {
    fail(new GitError('timed_out', `Git did not read an object in ${gitCommandTimeoutMs} ms.`));
  }, gitCommandTimeoutMs);
  const answered = () => {
    if (waiting.length > 0) watchdog.refresh();
    else clearTimeout(watchdog);
  };
  clearTimeout(watchdog);

  const parse = createAnswerParser((answer) => {
    const request = waiting.shift();
    answered();
    if (request === undefined) return fail(unexpected('an answer without a request'));
    if (answer.kind === 'found') return request.resolve(answer.object);
    if (answer.kind === 'missing') return request.resolve(undefined);
    if (answer.kind === 'too-large') {
      return request.reject(tooLarge(request.name, answer.size, request.bytesMax));
    }
    request.reject(unexpected(answer.line));
    fail(unexpected(answer.line));
  });
  child.stdout.on('data', (chunk: Buffer) => parse(chunk, () => waiting[0]?.bytesMax ?? 0));
  child.stdin.on('error', () => {});
  child.once('error', (error) => {
    fail(startError(options.binary, error));
    closed.resolve();
  });
  child.once('close', () => {
    clearTimeout(watchdog);
    fail(unexpected('the end of its output'));
    closed.resolve();
  });

  return {
    waiting: () => waiting.length,
    ended: () => failure !== undefined,
    read: (name, bytesMax) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        if (waiting.length >= gitObjectRequestsWaitingMax) {
          return reject(
            new GitError(
              'limit_exceeded',
              `More than ${gitObjectRequestsWaitingMax} reads wait for one mirror.`,
            ),
          );
        }
        waiting.push({ name, bytesMax, resolve, reject });
        if (waiting.length === 1) watchdog.refresh();
        child.stdin.write(`${name}\n`);
      }),
    close: () => {
      child.stdin.end();
      if (waiting.length === 0) child.kill('SIGTERM');
      return closed.promise;
    },
  };
}

type Answer =
  | { kind: 'found'; object: GitObject & { id: string } }
  | { kind: 'missing' }
  | { kind: 'too-large'; size: number }
  | { kind: 'unexpected'; line: string };

/** Splits the output: `<id> SP <type> SP <size> LF <contents> LF`, or `<name> SP missing LF`. */
function createAnswerParser(onAnswer: (answer: Answer) => void) {
  let header = Buffer.alloc(0);
  let body: Body | undefined;
  return (input: Buffer, bytesMax: () => number): void => {
    let chunk = input;
    while (chunk.length > 0) {
      if (body === undefined) {
        const end = chunk.indexOf(0x0a);
        const upTo = end === -1 ? chunk.length : end;
        header = Buffer.concat([header, chunk.subarray(0, upTo)]);
        chunk = chunk.subarray(upTo + 1);
        if (end === -1) return;
        const line = header.toString('utf8');
        header = Buffer.alloc(0);
        const match = /^([0-9a-f]+) (commit|tree|blob|tag) (\d+)$/.exec(line);
        if (match) {
          const size = Number(match[3]);
          const type = match[2] as GitObjectType;
          body = { id: match[1] ?? '', type, size, chunks: [], missing: size + 1 };
        } else if (line.endsWith(' missing')) onAnswer({ kind: 'missing' });
        else onAnswer({ kind: 'unexpected', line });
        continue;
      }
      const part = chunk.subarray(0, body.missing);
      const kept = body.size <= bytesMax();
      if (kept) body.chunks.push(part);
      body.missing -= part.length;
      chunk = chunk.subarray(part.length);
      if (body.missing > 0) return;
      const { id, type, size, chunks } = body;
      body = undefined;
      // The copy lets go of the pipe's buffer, and the last byte is the line feed after the contents.
      const data = kept ? Buffer.concat(chunks).subarray(0, size) : undefined;
      onAnswer(data ? { kind: 'found', object: { id, type, data } } : { kind: 'too-large', size });
    }
  };
}

export const tooLarge = (name: string, size: number, bytesMax: number): GitError =>
  new GitError(
    'limit_exceeded',
    `The object ${name} has ${size} bytes; at most ${bytesMax} are read.`,
  );

const unexpected = (what: string): GitError =>
  new GitError('git_failed', 'The Git object reader ended unexpectedly.', new Error(what));
