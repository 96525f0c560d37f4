import type { Result } from '@fairlead/shared/result';
import { newToken, type TokenRole, tokenHash } from './tokens.ts';

export type IssueToken = (token: {
  readonly tokenId: string;
  readonly name: string;
  readonly hash: string;
  readonly role: TokenRole;
}) => Promise<Result<unknown, { readonly code: string; readonly detail?: string }>>;

/**
 * Issues the administrator's token where the hub has no good token at all: at its first start, or after the last one
 * was revoked. The caller shows it once; nothing can show it again. Nothing is returned where there is a token.
 */
export async function createAdminTokenOnce(deps: {
  readonly tokensTotal: () => Promise<number>;
  readonly issueToken: IssueToken;
  readonly nextId: () => string;
}): Promise<string | undefined> {
  if ((await deps.tokensTotal()) > 0) return undefined;
  const token = newToken();
  const issued = await deps.issueToken({
    tokenId: deps.nextId(),
    name: 'admin',
    hash: tokenHash(token),
    role: 'admin',
  });
  if (issued.ok) return token;
  // Another replica that started at the same time was first, and shows its own.
  if (issued.error.code === 'token_already_exists') return undefined;
  throw new Error(`the first token could not be issued: ${issued.error.code}`);
}
