export type GitErrorCode =
  /** The address has a form or a protocol that the hub does not use. */
  | 'url_refused'
  | 'repository_unreachable'
  /** The host answers "too many requests"; `retryAfterMs` is its own word on it, where it was heard. */
  | 'rate_limited'
  | 'authentication_failed'
  | 'branch_not_found'
  /** The remote did not take a ref: it holds something else, or a rule of the host forbids it. */
  | 'push_refused'
  | 'object_not_found'
  | 'path_not_found'
  /** A submodule where a directory or a file was needed. */
  | 'submodule_found'
  | 'limit_exceeded'
  | 'timed_out'
  | 'aborted'
  /** The mirror or Git itself failed; the cause says how. */
  | 'git_failed';

/** The message is public text that names the place and the remedy; the cause is private and goes to the log. */
export class GitError extends Error {
  override name = 'GitError';
  readonly code: GitErrorCode;
  retryAfterMs?: number;
  constructor(code: GitErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export const isGitError = (value: unknown, code?: GitErrorCode): value is GitError =>
  value instanceof GitError && (code === undefined || value.code === code);
