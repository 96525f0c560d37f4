import type { NatsAccounts } from '../auth/nats-accounts/index.ts';
import { busRequestTimeoutMs } from '../limits.ts';
import { type BusOptions, connectOnce } from './bus-connection.ts';

export type AccountUpdater = () => Promise<void>;

/**
 * Gives the server the account as it is now. The server checks its live connections against it and cuts those whose
 * user is revoked. Rejects when the server did not take it.
 */
export async function pushAccount(options: BusOptions & { accounts: NatsAccounts }): Promise<void> {
  const { accounts } = options;
  const connection = await connectOnce({
    ...options,
    credentials: accounts.systemCredentials,
    name: 'hub-system',
    reconnect: false,
  });
  try {
    const answer = await connection.request('$SYS.REQ.CLAIMS.UPDATE', await accounts.accountJwt(), {
      timeout: busRequestTimeoutMs,
    });
    const { data, error } = answer.json<{
      data?: { code: number };
      error?: { description?: string };
    }>();
    if (error !== undefined || data?.code !== 200) {
      throw new Error(`the bus refused the account: ${error?.description ?? answer.string()}`);
    }
  } finally {
    await connection.close();
  }
}
