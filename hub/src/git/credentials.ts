import type { Secret } from '@fairlead/shared/config';
import type { GitCredentials } from './port.ts';

/**
 * Makes credentials of a secret's keys: `token`, or `username` and `password`, or `ssh-key` and `known-hosts`. Throws when the
 * secret has none of these, because a fetch without credentials would blame the Git host.
 */
export async function readGitCredentials(
  secretName: string,
  readKey: (key: string) => Promise<Secret | undefined>,
): Promise<GitCredentials> {
  const token = await readKey('token');
  if (token) return { kind: 'token', token };
  const username = await readKey('username');
  const password = await readKey('password');
  if (username && password) return { kind: 'basic', username: username.reveal(), password };
  const privateKey = await readKey('ssh-key');
  const knownHosts = await readKey('known-hosts');
  if (privateKey && knownHosts) {
    return { kind: 'ssh-key', privateKey, knownHosts: knownHosts.reveal() };
  }
  throw new Error(
    `The secret ${secretName} has neither token, nor username and password, nor ssh-key and known-hosts.`,
  );
}
