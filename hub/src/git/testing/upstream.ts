import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CommitId } from '@fairlead/shared/ids';

export type CommitOptions = {
  readonly message?: string;
  /** Path → contents; `undefined` removes. */
  readonly files?: Readonly<Record<string, string | Uint8Array | undefined>>;
  readonly executable?: readonly string[];
  readonly symlinks?: Readonly<Record<string, string>>;
  /** Path → commit of another repository. */
  readonly submodules?: Readonly<Record<string, string>>;
  /** Seconds since 1970, of author and committer. */
  readonly date?: number;
};

/** A repository with a work tree, as a developer has it; `url` is a file address for fetching. */
export type Upstream = {
  readonly directory: string;
  readonly url: string;
  readonly git: (...args: string[]) => string;
  readonly commit: (options?: CommitOptions) => CommitId;
  readonly head: () => CommitId;
};

export function createUpstream(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Upstream {
  mkdirSync(directory, { recursive: true });
  let clock = 1_700_000_000;
  const run = (args: readonly string[], date = clock): string =>
    execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
      env: {
        PATH: environment.PATH,
        HOME: '/nonexistent',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_AUTHOR_NAME: 'Ada Example',
        GIT_AUTHOR_EMAIL: 'ada@example.com',
        GIT_COMMITTER_NAME: 'Bob Example',
        GIT_COMMITTER_EMAIL: 'bob@example.com',
        GIT_AUTHOR_DATE: `${date} +0000`,
        GIT_COMMITTER_DATE: `${date} +0000`,
      },
    }).trim();
  run(['init', '--quiet', '--initial-branch=main']);
  run(['config', 'uploadpack.allowAnySHA1InWant', 'true']);
  const head = () => run(['rev-parse', 'HEAD']) as CommitId;

  return {
    directory,
    url: `file://${directory}`,
    git: (...args) => run(args),
    head,
    commit: (options = {}) => {
      for (const [path, contents] of Object.entries(options.files ?? {})) {
        const place = join(directory, path);
        if (contents === undefined) rmSync(place, { recursive: true, force: true });
        else {
          mkdirSync(dirname(place), { recursive: true });
          writeFileSync(place, contents);
        }
      }
      for (const path of options.executable ?? []) chmodSync(join(directory, path), 0o755);
      for (const [path, target] of Object.entries(options.symlinks ?? {})) {
        symlinkSync(target, join(directory, path));
      }
      run(['add', '--all']);
      for (const [path, commit] of Object.entries(options.submodules ?? {})) {
        run(['update-index', '--add', '--cacheinfo', `160000,${commit},${path}`]);
      }
      clock += 1;
      run(['commit', '--quiet', '--allow-empty', '-m', options.message ?? 'change'], options.date);
      return head();
    },
  };
}
