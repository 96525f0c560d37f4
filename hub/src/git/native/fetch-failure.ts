import { GitError } from '../git-error.ts';
import type { FetchRequest, PushRequest, RemoteRequest } from '../port.ts';

type Request = RemoteRequest & Partial<Pick<FetchRequest, 'branch' | 'directory'>>;

/**
 * Git tells why a fetch failed in words alone, which are stable under LC_ALL=C; each pattern is of Git's, libcurl's or
 * OpenSSH's messages.
 */
export function fetchFailure(request: Request, errors: string): GitError {
  const cause = new Error(errors);
  if (/couldn't find remote ref/i.test(errors)) {
    return new GitError(
      'branch_not_found',
      `${request.url} has no branch "${request.branch}".`,
      cause,
    );
  }
  if (/HTTP 429|error: 429/i.test(errors)) {
    return new GitError(
      'rate_limited',
      `${request.url} answers that it is asked too often.`,
      cause,
    );
  }
  if (/Host key verification failed/i.test(errors)) {
    return new GitError(
      'authentication_failed',
      `${request.url} showed a host key that the secret's known_hosts does not hold.`,
      cause,
    );
  }
  if (
    /could not read Username|Authentication failed|HTTP 40[13]|error: 40[13]|Permission denied \(|invalid credentials|Access denied/i.test(
      errors,
    )
  ) {
    return new GitError(
      'authentication_failed',
      request.credentials
        ? `${request.url} does not accept the repository's credentials: renew its secret.`
        : `${request.url} asks for credentials: name a secret in spec.credentials.`,
      cause,
    );
  }
  if (/mismatched algorithms/i.test(errors)) {
    return new GitError(
      'git_failed',
      `${request.url} has another hash algorithm than its mirror: remove the mirror ${request.directory}.`,
      cause,
    );
  }
  if (/transport '.*' not allowed/i.test(errors)) {
    return new GitError('url_refused', `${request.url} leads to a transport that is off.`, cause);
  }
  if (
    /unable to access|could not resolve host|Connection refused|Connection timed out|Could not read from remote|does not appear to be a git repository|not found|hung up|early EOF|RPC failed|does not exist/i.test(
      errors,
    )
  ) {
    return new GitError(
      'repository_unreachable',
      `${request.url} could not be reached: ${lastLine(errors)}`,
      cause,
    );
  }
  return new GitError('git_failed', `Fetching ${request.url} failed: ${lastLine(errors)}`, cause);
}

/** The same for a push; `output` is of `git push --porcelain`, whose lines with `!` tell about refs that were not taken. */
export function pushFailure(request: PushRequest, errors: string, output: string): GitError {
  const failure = fetchFailure(request, errors);
  const refused = /^!\t\S+\t(.*)$/m.exec(output)?.[1];
  if (refused === undefined && failure.code !== 'git_failed') return failure;
  const reason = (refused ?? lastLine(errors)).slice(0, 300);
  return new GitError(
    'push_refused',
    `${request.url} did not take ${request.ref}: ${reason}`,
    new Error(errors),
  );
}

/** The last line that says something, without any credentials that an address may hold. */
const lastLine = (errors: string): string =>
  (errors.split('\n').findLast((line) => /^(fatal|error|remote):/.test(line)) ?? 'no reason given')
    .replace(/\/\/[^/@\s]*@/g, '//')
    .slice(0, 300);
