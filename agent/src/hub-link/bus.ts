import type { Logger } from '@fairlead/shared/log';
import type { Random } from '@fairlead/shared/time';
import { type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { connect, jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import {
  busAckMsMax,
  busConnectMsMax,
  busPingMs,
  busPingsUnansweredMax,
  busReconnectSpreadMs,
  linkBackoffMsMin,
} from '../limits.ts';
import type { HubIdentity } from './hub-identity.ts';
import type { IdentitySource } from './identity.ts';
import { createBackoff, createPulse, pause } from './pause.ts';

/** One connection to the bus, as long as it lives. */
export type BusSession = {
  readonly clusterId: string;
  readonly beatIntervalMs: number;
  /** Stored once: the bus has it when this returns. Throws when it does not say so in time. */
  readonly publishStored: (
    kind: 'report' | 'audit',
    payload: Uint8Array,
    messageId: string,
  ) => Promise<void>;
  /** Not stored, nobody answers. */
  readonly publishBeat: (payload: Uint8Array) => void;
};

export type BusDependencies = {
  readonly identity: IdentitySource;
  readonly random: Random;
  readonly logger: Logger;
  /** Runs while a connection lives; its signal aborts with the connection. */
  readonly onSession: (session: BusSession, signal: AbortSignal) => Promise<void>;
  readonly onWake: (payload: Uint8Array) => void;
  readonly reconnectSpreadMs?: number;
};

export type BusStatus = { readonly state: 'connecting' | 'open'; readonly message: string };

export type Bus = {
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly status: () => BusStatus;
};

/**
 * Keeps one connection to the bus. The client's own reconnecting is off: it tries the next server at once, and a whole
 * fleet would arrive there in the same moment. Here the first try waits a random time of the spread (F30).
 */
export function createBus(dependencies: BusDependencies): Bus {
  const { identity, random, logger } = dependencies;
  const spreadMs = dependencies.reconnectSpreadMs ?? busReconnectSpreadMs;
  let state: BusStatus['state'] = 'connecting';
  let message = '';

  const open = async (current: HubIdentity): Promise<NatsConnection> => {
    const connection = await connect({
      servers: [...current.natsUrls],
      name: `fairlead-agent ${current.clusterName}`,
      authenticator: jwtAuthenticator(current.natsUserJwt, Buffer.from(current.natsSeed, 'ascii')),
      tls: { ca: current.caPem },
      inboxPrefix: `_INBOX_${current.clusterId}`,
      timeout: busConnectMsMax,
      pingInterval: busPingMs,
      maxPingOut: busPingsUnansweredMax,
      reconnect: false,
      ignoreClusterUpdates: true,
    });
    if (isEncrypted(connection)) return connection;
    await connection.close();
    throw new Error('the bus offers no TLS');
  };

  /** Serves one connection to its end; true when the agent itself ended it to use a new identity. */
  const serve = async (
    connection: NatsConnection,
    current: HubIdentity,
    signal: AbortSignal,
  ): Promise<boolean> => {
    const subject = (kind: string): string => `fairlead.v1.${current.clusterId}.${kind}`;
    const ended = new AbortController();
    const renewed = createPulse();
    let replaced = false;
    const unsubscribe = identity.onChange(() => {
      replaced = true;
      renewed.pulse();
    });
    connection.subscribe(subject('wake'), {
      callback: (error, received) => {
        if (error === null) dependencies.onWake(received.data);
      },
    });
    const js: JetStreamClient = jetstream(connection, { timeout: busAckMsMax });
    const session: BusSession = {
      clusterId: current.clusterId,
      beatIntervalMs: current.beatIntervalMs,
      publishBeat: (payload) => connection.publish(subject('beat'), payload),
      publishStored: async (kind, payload, messageId) => {
        await js.publish(subject(kind), payload, { msgID: messageId, timeout: busAckMsMax });
      },
    };
    const sessionSignal = AbortSignal.any([signal, ended.signal]);
    const work = dependencies.onSession(session, sessionSignal);
    try {
      const closed = connection.closed().then((error) => {
        if (error) message = error.message;
      });
      const aborted = new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await Promise.race([
        closed,
        aborted,
        work,
        renewed.wait(Number.MAX_SAFE_INTEGER, sessionSignal),
      ]);
    } finally {
      unsubscribe();
      ended.abort();
      state = 'connecting';
      await work.catch((error) => logger.error({ error: String(error) }, 'bus session failed'));
      await connection.close().catch(() => undefined);
    }
    return replaced;
  };

  return {
    run: async (signal) => {
      const backoff = createBackoff(linkBackoffMsMin, spreadMs, random);
      let everOpen = false;
      while (!signal.aborted) {
        const current = await identity.first(signal);
        if (current === undefined) return;
        let replaced = false;
        try {
          const connection = await open(current);
          backoff.reset();
          everOpen = true;
          state = 'open';
          message = '';
          replaced = await serve(connection, current, signal);
          if (replaced || signal.aborted) continue;
          logger.warn({ reason: message }, 'the bus connection ended');
          await pause(random.nextFraction() * spreadMs, signal);
        } catch (error) {
          message = error instanceof Error ? error.message : String(error);
          logger.warn({ reason: message, everOpen }, 'the bus cannot be reached');
          await pause(backoff.next(), signal);
        }
      }
    },
    status: () => ({ state, message }),
  };
}

/**
 * The client takes what the server offers, so a server in the middle could offer no TLS. The user token itself is signed
 * for one connection only, but nothing else may go over such a connection.
 */
function isEncrypted(connection: NatsConnection): boolean {
  const { protocol } = connection as unknown as {
    protocol?: { transport?: { isEncrypted?: () => boolean } };
  };
  return protocol?.transport?.isEncrypted?.() === true;
}
