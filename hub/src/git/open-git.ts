import { execFile } from 'node:child_process';
import type { Logger } from '@fairlead/shared/log';
import { gitVersionMsMax } from '../limits.ts';
import { createIsomorphicGit } from './isomorphic/isomorphic-git.ts';
import { createNativeGit, type NativeGitOptions } from './native/native-git.ts';
import type { Git } from './port.ts';

/** The git binary where there is one; else the slower implementation in JavaScript, which takes http and https only. */
export async function openGit(options: NativeGitOptions & { logger: Logger }): Promise<Git> {
  const { binary = 'git', environment, logger } = options;
  const version = await new Promise<string | undefined>((resolve) => {
    execFile(
      binary,
      ['--version'],
      { env: { PATH: environment.PATH }, timeout: gitVersionMsMax },
      (error, stdout) => resolve(error ? undefined : stdout.trim()),
    );
  });
  if (version !== undefined) {
    logger.info({ version }, 'repositories are read by the git program');
    return createNativeGit(options);
  }
  logger.warn({ binary }, 'there is no git program: repositories are read more slowly without it');
  return createIsomorphicGit();
}
