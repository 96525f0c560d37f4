import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GitError } from '../git-error.ts';
import type { GitCredentials } from '../port.ts';
import type { RemoteUrl } from '../remote-url.ts';

export type GitEnvironment = Readonly<Record<string, string | undefined>>;

const passedOn = [
  'PATH',
  'TMPDIR',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'NO_PROXY',
  'https_proxy',
  'http_proxy',
  'no_proxy',
];

/** What Git sees of the hub's environment: no user's or system's configuration, no prompt, messages in English. */
export function isolatedEnvironment(environment: GitEnvironment): Record<string, string> {
  const kept = passedOn.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(kept),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    HOME: '/nonexistent',
    LC_ALL: 'C',
  };
}

/** Settings that hold for each Git process: only named transports, no hooks, no collection, no credential programs. */
export function isolatedArguments(allowFile: boolean): string[] {
  const settings = [
    'protocol.allow=never',
    'protocol.http.allow=always',
    'protocol.https.allow=always',
    'protocol.ssh.allow=always',
    ...(allowFile ? ['protocol.file.allow=always'] : []),
    'core.hooksPath=/dev/null',
    'core.fsmonitor=false',
    'gc.auto=0',
    'maintenance.auto=false',
    'credential.helper=',
    'fetch.recurseSubmodules=false',
    'transfer.bundleURI=false',
    // A transfer below 1 KB/s for 30 s is a dead one.
    'http.lowSpeedLimit=1000',
    'http.lowSpeedTime=30',
  ];
  return settings.flatMap((setting) => ['-c', setting]);
}

export type PreparedCredentials = AsyncDisposable & { readonly variables: Record<string, string> };

/**
 * Hands credentials to one Git process through its environment and, for ssh, through private files that are gone
 * afterwards: never through arguments, which every user of the machine may read, nor through the mirror's configuration.
 */
export async function prepareCredentials(
  remote: RemoteUrl,
  credentials: GitCredentials | undefined,
): Promise<PreparedCredentials> {
  if (credentials === undefined) {
    return { variables: {}, [Symbol.asyncDispose]: async () => {} };
  }
  if (credentials.kind === 'ssh-key') {
    if (remote.protocol !== 'ssh') throw mismatch('an ssh key', remote);
    return prepareSshKey(credentials);
  }
  if (remote.origin === undefined) throw mismatch('a password or token', remote);
  return {
    // Bound to the origin, so that a redirect to another host does not get it.
    variables: {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `http.${remote.origin}/.extraHeader`,
      GIT_CONFIG_VALUE_0: `Authorization: ${authorization(credentials)}`,
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A token goes as the password of any user name, which GitHub, GitLab, Gitea and Bitbucket all accept. */
export function authorization(credentials: Exclude<GitCredentials, { kind: 'ssh-key' }>): string {
  const pair =
    credentials.kind === 'token'
      ? `x-access-token:${credentials.token.reveal()}`
      : `${credentials.username}:${credentials.password.reveal()}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

const mismatch = (given: string, remote: RemoteUrl) =>
  new GitError(
    'authentication_failed',
    `The repository's secret holds ${given}, which cannot be used with a ${remote.protocol} address.`,
  );

async function prepareSshKey(
  credentials: Extract<GitCredentials, { kind: 'ssh-key' }>,
): Promise<PreparedCredentials> {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-ssh-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const key = join(directory, 'key');
    const knownHosts = join(directory, 'known_hosts');
    await writeFile(key, `${credentials.privateKey.reveal().trimEnd()}\n`, { mode: 0o600 });
    await writeFile(knownHosts, credentials.knownHosts, { mode: 0o600 });
    const options = [
      `-i '${key}'`,
      '-F /dev/null',
      '-o BatchMode=yes',
      '-o IdentitiesOnly=yes',
      '-o StrictHostKeyChecking=yes',
      `-o UserKnownHostsFile='${knownHosts}'`,
      '-o ConnectTimeout=15',
    ];
    return {
      variables: { GIT_SSH_COMMAND: `ssh ${options.join(' ')}`, GIT_SSH_VARIANT: 'ssh' },
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
