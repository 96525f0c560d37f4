import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** What a token allows: a viewer reads, an administrator also changes. */
export type TokenRole = 'admin' | 'viewer';

/** A token as the hub keeps it: its hash, never itself. */
export type KnownToken = {
  readonly id: string;
  readonly name: string;
  readonly hash: string;
  readonly role: TokenRole;
  readonly revokedAt: number | null;
};

export type Authenticated = { readonly name: string; readonly role: TokenRole };

const tokenPattern = /^fl_[A-Za-z0-9_-]{43}$/;

/** 32 random bytes: so many that a plain SHA-256 of it cannot be searched. The prefix lets scanners find leaked ones. */
export const newToken = (): string => `fl_${randomBytes(32).toString('base64url')}`;

/** For one enrolment of one cluster. */
export const newJoinToken = (): string => `flj_${randomBytes(32).toString('base64url')}`;

export const tokenHash = (token: string): string =>
  createHash('sha256').update(token).digest('hex');

/**
 * Returns a function that says who a bearer token is, or nothing. It is looked up by its hash, and the hashes are
 * compared in constant time, so an answer's time tells nothing of a token.
 */
export function createAuthenticator(findTokenByHash: (hash: string) => KnownToken | undefined) {
  return (token: string): Authenticated | undefined => {
    if (!tokenPattern.test(token)) return undefined;
    const hash = tokenHash(token);
    const known = findTokenByHash(hash);
    if (known === undefined || known.revokedAt !== null) return undefined;
    return timingSafeEqual(Buffer.from(hash), Buffer.from(known.hash))
      ? { name: known.name, role: known.role }
      : undefined;
  };
}
