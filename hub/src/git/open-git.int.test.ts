import { createLogger } from '@fairlead/shared/log';
import { expect, test } from 'vitest';
import { openGit } from './index.ts';

const logger = createLogger('test', 'silent');
const environment = { PATH: process.env.PATH };
/** An address that only the git program takes, of a repository that does not exist. */
const request = { url: 'file:///nowhere.git', branch: 'main', directory: '/nonexistent/m.git' };

test('the git program is used where there is one', async () => {
  const git = await openGit({ environment, allowFile: true, logger });
  await expect(git.fetchMirror(request)).rejects.not.toMatchObject({ code: 'url_refused' });
  await git.close();
});

test('without a git program repositories are read over http in JavaScript', async () => {
  const git = await openGit({ environment, allowFile: true, binary: 'no-such-git', logger });
  await expect(git.fetchMirror(request)).rejects.toMatchObject({ code: 'url_refused' });
  await git.close();
});
