import { err, ok } from '@fairlead/shared/result';
import { expect, test } from 'vitest';
import { createAdminTokenOnce, createAuthenticator, newToken, tokenHash } from './index.ts';

const stored = (token: string, revokedAt: number | null = null) => {
  const known = {
    id: 't1',
    name: 'ci',
    hash: tokenHash(token),
    role: 'viewer' as const,
    revokedAt,
  };
  return createAuthenticator((hash) => (hash === known.hash ? known : undefined));
};

test('a token is 32 random bytes behind a prefix that scanners can find', () => {
  expect(newToken()).toMatch(/^fl_[\w-]{43}$/);
  expect(newToken()).not.toBe(newToken());
});

test('the token that was issued is recognised, by name and role', () => {
  const token = newToken();
  expect(stored(token)(token)).toEqual({
    name: 'ci',
    role: 'viewer',
    subject: 'ci',
    groups: [],
    emails: [],
    permissions: [],
  });
});

test.each([
  ['another token', newToken()],
  ['the hash of the token', tokenHash('x')],
  ['nothing', ''],
  ['a very long text', 'fl_'.repeat(100_000)],
])('%s is nobody', (_what, text) => {
  expect(stored(newToken())(text)).toBeUndefined();
});

test('a revoked token is nobody', () => {
  const token = newToken();
  expect(stored(token, 5)(token)).toBeUndefined();
});

test('the first token is issued once, and only its hash is handed over', async () => {
  const issued: { hash: string; role: string }[] = [];
  const deps = {
    tokensTotal: async () => issued.length,
    issueToken: async (token: { hash: string; role: 'admin' | 'viewer' }) => {
      issued.push(token);
      return ok(undefined);
    },
    nextId: () => 'id',
  };
  const token = await createAdminTokenOnce(deps);
  expect(issued).toMatchObject([{ hash: tokenHash(token ?? ''), role: 'admin' }]);
  expect(JSON.stringify(issued)).not.toContain(token);
  expect(await createAdminTokenOnce(deps)).toBeUndefined();
});

test('of two replicas at their first start one issues the token', async () => {
  const token = await createAdminTokenOnce({
    tokensTotal: async () => 0,
    issueToken: async () => err({ code: 'token_already_exists', detail: '' }),
    nextId: () => 'id',
  });
  expect(token).toBeUndefined();
});
