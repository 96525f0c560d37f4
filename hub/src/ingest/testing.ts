import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterId } from '@fairlead/shared/ids';
import { createLogger } from '@fairlead/shared/log';
import { systemClock } from '@fairlead/shared/time';
import { createUser } from '@nats-io/nkeys';
import { connect, jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { findTool } from '../../../deploy/tools/index.ts';
import { openCertificateAuthority } from '../auth/ca/index.ts';
import { agentSubjects, openNatsAccounts } from '../auth/nats-accounts/index.ts';
import { startEmbeddedNats } from './embedded-nats.ts';

export const silent = createLogger('test', 'silent');

/** Waits for a level with a limit, and says what was seen last. */
export async function eventually<Value>(
  what: string,
  read: () => Value | Promise<Value>,
  accept: (value: Value) => boolean,
  timeoutMs = 10_000,
): Promise<Value> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (accept(value)) return value;
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${timeoutMs} ms; last seen: ${JSON.stringify(value)}`);
    }
    await pause(10);
  }
}

/** A hub's keys and its nats-server, in a new directory or one of before. */
export async function startBus(directory?: string) {
  const root = directory ?? (await mkdtemp(join(tmpdir(), 'fairlead-bus-')));
  const authority = await openCertificateAuthority({ directory: root, at: Date.now() });
  const accounts = await openNatsAccounts({ directory: root });
  const options = {
    binary: await findTool('nats-server'),
    directory: join(root, 'nats'),
    hosts: ['127.0.0.1', 'localhost'],
    authority,
    accounts,
    clock: systemClock,
    logger: silent,
  };
  const nats = await startEmbeddedNats(options);
  return {
    root,
    authority,
    accounts,
    nats,
    options,
    bus: { urls: [`127.0.0.1:${nats.port}`], caPem: authority.caPem },
    [Symbol.asyncDispose]: () => nats.close(),
  };
}
export type Bus = Awaited<ReturnType<typeof startBus>>;

/** Connects as the agent of a cluster, with a user that the hub's accounts issue. */
export async function connectAgent(
  bus: Bus,
  cluster: ClusterId,
  overrides: { caPem?: string; expiresAt?: number; reconnect?: boolean } = {},
): Promise<{
  connection: NatsConnection;
  publicKey: string;
  /** With the same user token. */
  connectAgain: () => Promise<NatsConnection>;
}> {
  const keys = createUser();
  const jwt = await bus.accounts.issueAgentUser({
    clusterId: cluster,
    publicKey: keys.getPublicKey(),
    expiresAt: overrides.expiresAt ?? Date.now() + 3_600_000,
  });
  const connectAgain = () =>
    connect({
      servers: bus.bus.urls,
      authenticator: jwtAuthenticator(jwt, keys.getSeed()),
      tls: { ca: overrides.caPem ?? bus.bus.caPem },
      inboxPrefix: agentSubjects(cluster).inboxPrefix,
      reconnect: overrides.reconnect ?? true,
      maxReconnectAttempts: overrides.reconnect === false ? 0 : -1,
      reconnectTimeWait: 50,
      reconnectJitterTLS: 50,
      timeout: 3_000,
    });
  return { connection: await connectAgain(), publicKey: keys.getPublicKey(), connectAgain };
}
