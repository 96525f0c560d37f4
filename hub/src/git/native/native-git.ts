import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommitId } from '@fairlead/shared/ids';
import { gitCommandTimeoutMs, gitFetchTimeoutMs, treeBlobBytesMax } from '../../limits.ts';
import { GitError } from '../git-error.ts';
import { asCommitId } from '../object.ts';
import type { FetchRequest, Git } from '../port.ts';
import { checkBranchName, parseRemoteUrl } from '../remote-url.ts';
import {
  type GitEnvironment,
  isolatedArguments,
  isolatedEnvironment,
  prepareCredentials,
} from './environment.ts';
import { fetchFailure, pushFailure } from './fetch-failure.ts';
import { createObjectReaderPool } from './object-reader-pool.ts';
import { runGit } from './process.ts';

export type NativeGitOptions = {
  /** The program's environment; only what Git needs of it is passed on (PATH, proxies, certificates). */
  readonly environment: GitEnvironment;
  readonly binary?: string;
  /** Lets `file:` addresses through, which read the hub's own disk: for tests and the demo. */
  readonly allowFile?: boolean;
};

type CommandOptions = {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly variables?: Record<string, string>;
};

/** `Git` by the `git` binary: a process for each fetch and query, and one long-lived reader of objects a mirror. */
export function createNativeGit(options: NativeGitOptions): Git {
  const { binary = 'git', allowFile = false } = options;
  const environment = isolatedEnvironment(options.environment);
  const settings = isolatedArguments(allowFile);
  const readers = createObjectReaderPool((directory) => ({
    binary,
    environment,
    arguments: [...settings, `--git-dir=${directory}`],
  }));

  const run = (directory: string, command: readonly string[], given: CommandOptions = {}) =>
    runGit({
      binary,
      arguments: [...settings, `--git-dir=${directory}`, ...command],
      environment: { ...environment, ...given.variables },
      input: given.input,
      signal: given.signal,
      timeoutMs: given.timeoutMs ?? gitCommandTimeoutMs,
    });
  const output = async (
    directory: string,
    command: readonly string[],
    given: CommandOptions = {},
  ): Promise<string> => {
    const outcome = await run(directory, command, given);
    if (outcome.exitCode === 0) return outcome.output;
    throw new GitError(
      'git_failed',
      `git ${command[0]} failed in a mirror.`,
      new Error(outcome.errors),
    );
  };

  const resolveHead = async (directory: string, ref: string): Promise<CommitId | undefined> => {
    const found = await readers.readerOf(directory).read(ref, treeBlobBytesMax);
    return found?.type === 'commit' ? asCommitId(found.id) : undefined;
  };
  /** Checked once a process, because an `init` may have been cut off. */
  const whole = new Set<string>();
  const makeMirror = async (directory: string): Promise<void> => {
    if (whole.has(directory) && existsSync(join(directory, 'HEAD'))) return;
    await mkdir(directory, { recursive: true });
    whole.add(directory);
    const probe = await run(directory, ['rev-parse', '--is-bare-repository']);
    if (probe.exitCode === 0) return;
    await output(directory, ['init', '--bare', '--quiet', '--template=']);
    await output(directory, ['config', 'gc.auto', '0']);
    await readers.drop(directory);
  };

  const fetchMirror = async (request: FetchRequest): Promise<{ head: CommitId }> => {
    const { branch, directory, signal } = request;
    const remote = parseRemoteUrl(request.url, allowFile);
    checkBranchName(branch);
    await makeMirror(directory);
    await using credentials = await prepareCredentials(remote, request.credentials);
    const ref = `refs/fairlead/branch/${branch}`;
    const fetched = await run(
      directory,
      [
        'fetch',
        '--quiet',
        '--force',
        '--no-tags',
        '--no-write-fetch-head',
        '--no-auto-maintenance',
        '--no-recurse-submodules',
        '--',
        remote.url,
        `+refs/heads/${branch}:${ref}`,
      ],
      { signal, timeoutMs: gitFetchTimeoutMs, variables: credentials.variables },
    );
    if (fetched.exitCode !== 0) throw fetchFailure(request, fetched.errors);
    const head = await resolveHead(directory, ref);
    if (head) return { head };
    throw new GitError('git_failed', `The branch "${branch}" was fetched but is not readable.`);
  };

  return {
    fetchMirror,
    readObject: async (directory, objectId, bytesMax = treeBlobBytesMax) => {
      checkObjectId(objectId);
      const found = await readers.readerOf(directory).read(objectId, bytesMax);
      if (found) return { type: found.type, data: found.data };
      throw new GitError('object_not_found', `The mirror does not hold the object ${objectId}.`);
    },
    countFirstParents: async (directory, commit) =>
      Number(await output(directory, ['rev-list', '--first-parent', '--count', commit, '--'])),
    unreachableFrom: async (directory, head, commits) => {
      const reader = readers.readerOf(directory);
      const held: CommitId[] = [];
      const unreachable = new Set<CommitId>();
      for (const commit of new Set(commits)) {
        if (await reader.read(commit, treeBlobBytesMax)) held.push(commit);
        else unreachable.add(commit);
      }
      if (held.length === 0) return unreachable;
      // Lists what the commits reach and the head does not: a commit is in the list unless the head contains it.
      const listed = await output(directory, ['rev-list', '--stdin'], {
        input: `${[...held, `^${head}`].join('\n')}\n`,
      });
      const lines = new Set(listed.split('\n'));
      for (const commit of held) if (lines.has(commit)) unreachable.add(commit);
      return unreachable;
    },
    keepRef: async (directory, commit) => {
      const ref = `refs/fairlead/releases/${commit}`;
      const { exitCode, errors } = await run(directory, ['update-ref', ref, commit]);
      if (exitCode === 0) return;
      throw new GitError(
        'object_not_found',
        `The commit ${commit} cannot be kept: the mirror does not hold it.`,
        new Error(errors),
      );
    },
    listRemoteRefs: async (request) => {
      const remote = parseRemoteUrl(request.url, allowFile);
      await using credentials = await prepareCredentials(remote, request.credentials);
      const listed = await runGit({
        binary,
        arguments: [...settings, 'ls-remote', '--refs', '--', remote.url, `${request.prefix}*`],
        environment: { ...environment, ...credentials.variables },
        signal: request.signal,
        timeoutMs: gitCommandTimeoutMs,
      });
      if (listed.exitCode !== 0) throw fetchFailure(request, listed.errors);
      return new Map(
        listed.output
          .split('\n')
          .map((line) => line.split('\t') as [string, string])
          .filter(([, ref]) => ref?.startsWith(request.prefix))
          .map(([id, ref]) => [ref, asCommitId(id)]),
      );
    },
    pushRef: async (request) => {
      const { directory, ref, commit, expected = '', signal } = request;
      const remote = parseRemoteUrl(request.url, allowFile);
      checkObjectId(commit);
      checkBranchName(ref.replace(/^refs\/heads\//, ''));
      await using credentials = await prepareCredentials(remote, request.credentials);
      const pushed = await run(
        directory,
        [
          'push',
          '--porcelain',
          '--no-verify',
          '--no-recurse-submodules',
          `--force-with-lease=${ref}:${expected}`,
          '--',
          remote.url,
          `${commit}:${ref}`,
        ],
        { signal, timeoutMs: gitFetchTimeoutMs, variables: credentials.variables },
      );
      if (pushed.exitCode !== 0) throw pushFailure(request, pushed.errors, pushed.output);
    },
    keptRefs: async (directory) => {
      const listed = await output(directory, [
        'for-each-ref',
        '--format=%(objectname)',
        'refs/fairlead/releases/',
      ]);
      return new Set(listed.split('\n').filter((line) => line !== '') as CommitId[]);
    },
    dropRef: async (directory, commit) => {
      checkObjectId(commit);
      await output(directory, ['update-ref', '-d', `refs/fairlead/releases/${commit}`]);
    },
    close: () => readers.close(),
  };
}

/** Anything but an id could be an expression that Git evaluates. */
function checkObjectId(text: string): void {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text)) return;
  throw new GitError('object_not_found', `"${text.slice(0, 80)}" is not an object id.`);
}
