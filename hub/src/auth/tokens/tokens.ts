import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Permission, type Person, personOf } from '../../domain/hub/index.ts';

/** What a token allows: a viewer reads and does what its permissions say, an administrator does everything. */
export type TokenRole = 'admin' | 'viewer';

/** A token as the hub keeps it: its hash, never itself. */
export type KnownToken = {
  readonly id: string;
  readonly name: string;
  readonly hash: string;
  readonly role: TokenRole;
  readonly revokedAt: number | null;
  /** What it says of its owner; null where it says nothing. */
  readonly subject?: string | null;
  readonly groups?: readonly string[] | null;
  readonly emails?: readonly string[] | null;
  readonly permissions?: readonly Permission[] | null;
};

/** A person, by this token alone; `name` is the token's. */
export type Authenticated = Person & { readonly name: string; readonly role: TokenRole };

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
      ? authenticated(known)
      : undefined;
  };
}

function authenticated(known: KnownToken): Authenticated {
  const { name, role, subject, groups, emails, permissions } = known;
  const person = personOf({
    name,
    role,
    ...(subject ? { subject } : {}),
    ...(groups ? { groups } : {}),
    ...(emails ? { emails } : {}),
    ...(permissions ? { permissions } : {}),
  });
  return { ...person, name, role };
}
