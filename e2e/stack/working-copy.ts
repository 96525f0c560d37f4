// A person's clone of a repository: files are written, committed and pushed with native git and a fixed
// configuration.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runCommand } from './command.ts';
import { gitEnvironment } from './environment.ts';

export type CommitOptions = {
  readonly allowEmpty?: boolean;
  /** Author and committer date in a form that git reads, for example 2026-01-31T12:00:00Z. */
  readonly date?: string;
  readonly author?: { readonly name: string; readonly email: string };
  /** An SSH private key's file to sign with. */
  readonly sshSigningKey?: string;
};

export type PushOptions = {
  readonly force?: boolean;
  /** What to push to which branch; defaults to the current branch to the one of the same name. */
  readonly refspec?: string;
};

export type WorkingCopy = {
  readonly directory: string;
  write(path: string, text: string): Promise<void>;
  /** Removes a file or a folder. */
  remove(path: string): Promise<void>;
  /** Commits every change in the folder; resolves with the commit's id. */
  commit(message: string, options?: CommitOptions): Promise<string>;
  push(options?: PushOptions): Promise<void>;
  pull(): Promise<void>;
  /** Moves the branch to a commit and drops all changes. */
  resetHard(commit: string): Promise<void>;
  /** The id of the current commit. */
  head(): Promise<string>;
  /** Anything else; resolves with standard output. */
  git(...args: string[]): Promise<string>;
};

const identity = { name: 'Test Author', email: 'author@example.com' };

/** Clones into the folder, which is created; an empty repository becomes an empty branch main. */
export async function workingCopy(
  gitUrl: string,
  directory: string,
  branch = 'main',
): Promise<WorkingCopy> {
  await mkdir(directory, { recursive: true });
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    runCommand('git', args, {
      cwd: directory,
      env: {
        ...gitEnvironment(),
        GIT_AUTHOR_NAME: identity.name,
        GIT_AUTHOR_EMAIL: identity.email,
        GIT_COMMITTER_NAME: identity.name,
        GIT_COMMITTER_EMAIL: identity.email,
        ...env,
      },
    });
  const git = (...args: string[]) => run(args);

  await git('init', '--quiet', `--initial-branch=${branch}`);
  await git('config', 'gc.auto', '0');
  await git('remote', 'add', 'origin', gitUrl);
  await git('fetch', '--quiet', 'origin');
  const known = await git('for-each-ref', '--format=%(refname)', `refs/remotes/origin/${branch}`);
  if (known.trim() !== '') await git('reset', '--quiet', '--hard', `origin/${branch}`);

  return {
    directory,
    async write(path, text) {
      const file = join(directory, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    },
    async remove(path) {
      await rm(join(directory, path), { recursive: true });
    },
    async commit(message, options = {}) {
      await git('add', '--all');
      const { date, author, sshSigningKey } = options;
      const signing =
        sshSigningKey === undefined
          ? []
          : ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${sshSigningKey}`];
      await run(
        [
          ...signing,
          'commit',
          '--quiet',
          `--message=${message}`,
          ...(options.allowEmpty ? ['--allow-empty'] : []),
          ...(sshSigningKey === undefined ? [] : ['--gpg-sign']),
        ],
        {
          ...(date === undefined ? {} : { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }),
          ...(author === undefined
            ? {}
            : { GIT_AUTHOR_NAME: author.name, GIT_AUTHOR_EMAIL: author.email }),
        },
      );
      return (await git('rev-parse', 'HEAD')).trim();
    },
    async push(options = {}) {
      const refspec = options.refspec ?? 'HEAD';
      await git('push', '--quiet', ...(options.force ? ['--force'] : []), 'origin', refspec);
    },
    async pull() {
      await git('pull', '--quiet', '--ff-only', 'origin', branch);
    },
    async resetHard(commit) {
      await git('reset', '--quiet', '--hard', commit);
    },
    head: async () => (await git('rev-parse', 'HEAD')).trim(),
    git,
  };
}
