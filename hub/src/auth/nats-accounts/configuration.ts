import type { NatsAccounts } from './nats-accounts.ts';

/**
 * The part of a server's configuration that makes it trust this hub's operator and know its accounts. `directory` is
 * where the server keeps account updates, so that a revocation outlives its restart.
 */
export async function renderAuthorization(
  accounts: NatsAccounts,
  options: { directory: string },
): Promise<string> {
  return `operator: ${accounts.operatorJwt}
system_account: ${accounts.systemAccountId}
resolver {
  type: full
  dir: ${JSON.stringify(options.directory)}
  allow_delete: false
  interval: "2m"
}
resolver_preload {
  ${accounts.systemAccountId}: ${accounts.systemAccountJwt}
  ${accounts.accountId}: ${await accounts.accountJwt()}
}
`;
}
