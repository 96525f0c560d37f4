// Bearer tokens of people and CI: how they are made, kept as hashes, and recognised. Issuing one is a decision, so the
// caller passes the command in. Imports `result`, `domain/hub`
// and Node's crypto.
export { createAdminTokenOnce, type IssueToken } from './first-token.ts';
export {
  type Authenticated,
  createAuthenticator,
  type KnownToken,
  newJoinToken,
  newToken,
  type TokenRole,
  tokenHash,
} from './tokens.ts';
