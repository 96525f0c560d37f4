import { setTimeout as pause } from 'node:timers/promises';
import { connect, jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import type { BusCredentials } from '../auth/nats-accounts/index.ts';
import {
  busConnectTimeoutMs,
  busPingIntervalMs,
  busReconnectJitterMs,
  busReconnectWaitMs,
} from '../limits.ts';

export type BusOptions = {
  /** `host:port` or `tls://host:port`, each. */
  readonly urls: readonly string[];
  /** PEM of the authorities that may have signed the server's certificate. */
  readonly caPem: string;
};

/** Connects for good: waits for the first connection until `signal` aborts, and reconnects for ever. */
export async function connectBus(
  options: BusOptions & { credentials: BusCredentials; name: string; signal?: AbortSignal },
): Promise<NatsConnection> {
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      return await connectOnce({ ...options, reconnect: true });
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isTransient(error)) throw error;
    }
    await pause(busReconnectWaitMs + Math.random() * busReconnectJitterMs, undefined, {
      signal: options.signal,
    });
  }
}

export const connectOnce = (
  options: BusOptions & { credentials: BusCredentials; name: string; reconnect: boolean },
): Promise<NatsConnection> =>
  connect({
    servers: [...options.urls],
    name: options.name,
    authenticator: jwtAuthenticator(options.credentials.jwt, options.credentials.seed),
    tls: { ca: options.caPem },
    timeout: busConnectTimeoutMs,
    pingInterval: busPingIntervalMs,
    maxPingOut: 2,
    reconnect: options.reconnect,
    maxReconnectAttempts: -1,
    reconnectTimeWait: busReconnectWaitMs,
    reconnectJitter: busReconnectJitterMs,
    reconnectJitterTLS: busReconnectJitterMs,
    // A server that restarts with an older account would otherwise end the hub's connection for good.
    ignoreAuthErrorAbort: true,
  });

/** A fault that time may heal; a programmer's mistake (a bad option) is not. */
const isTransient = (error: unknown): boolean =>
  !(error instanceof TypeError) && (error as { name?: string }).name !== 'InvalidArgumentError';
