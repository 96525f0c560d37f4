import { GitError } from './git-error.ts';

export type RemoteProtocol = 'http' | 'https' | 'ssh' | 'file';

export type RemoteUrl = {
  readonly protocol: RemoteProtocol;
  readonly url: string;
  /** Scheme, host and port of an http or https address. */
  readonly origin?: string;
};

const scpForm = /^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!\/\/)[^\s]+$/;

/**
 * Accepts http, https, ssh (also as `user@host:path`) and, only where `allowFile` says so, file. Other transports run
 * programs (`ext::`) or read the hub's own disk.
 */
export function parseRemoteUrl(text: string, allowFile: boolean): RemoteUrl {
  if (scpForm.test(text)) return { protocol: 'ssh', url: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const protocol = url?.protocol.slice(0, -1);
  if (url === undefined || text.includes('::') || /\s/.test(text)) {
    throw new GitError(
      'url_refused',
      `The repository address "${withoutPassword(text)}" is not a URL: use https://host/path or user@host:path.`,
    );
  }
  if (url.password !== '' || (url.username !== '' && protocol !== 'ssh')) {
    throw new GitError(
      'url_refused',
      'The repository address holds credentials: put them into a secret and name it in spec.credentials.',
    );
  }
  switch (protocol) {
    case 'http':
    case 'https':
      return { protocol, url: text, origin: url.origin };
    case 'ssh':
      return { protocol, url: text };
    case 'file':
      if (allowFile) return { protocol, url: text };
  }
  throw new GitError(
    'url_refused',
    `The repository address uses "${protocol}:", which the hub does not fetch from: use https or ssh.`,
  );
}

const withoutPassword = (text: string): string => text.replace(/\/\/[^/@]*@/, '//***@');

/** The rules of git-check-ref-format, and no leading dash. */
export function checkBranchName(branch: string): void {
  const faulty =
    branch === '' ||
    branch.length > 244 ||
    branch === '@' ||
    /^[-/.]|[/.]$|\.\.|\/\/|\/\.|@\{|\.lock(\/|$)/.test(branch) ||
    hasForbiddenCharacter(branch);
  if (faulty) {
    throw new GitError('branch_not_found', `"${branch}" cannot be the name of a Git branch.`);
  }
}

const hasForbiddenCharacter = (text: string): boolean =>
  [...text].some((character) => character <= ' ' || '\u007f~^:?*[\\'.includes(character));
