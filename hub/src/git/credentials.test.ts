import { secret } from '@fairlead/shared/config';
import { expect, test } from 'vitest';
import { readGitCredentials } from './index.ts';

const read = (keys: Record<string, string>) =>
  readGitCredentials('shop', async (key) =>
    keys[key] === undefined ? undefined : secret(keys[key]),
  );

test('a token, a user with a password and an SSH key are taken by what the secret holds', async () => {
  expect(await read({ token: 't' })).toMatchObject({ kind: 'token' });
  expect(await read({ username: 'me', password: 'p' })).toMatchObject({
    kind: 'basic',
    username: 'me',
  });
  expect(await read({ 'ssh-key': 'k', 'known-hosts': 'h' })).toMatchObject({ kind: 'ssh-key' });
});

test('a secret without credentials is an error that names it and what it lacks', async () => {
  await expect(read({ username: 'me' })).rejects.toThrow(/secret shop has neither token/);
});
