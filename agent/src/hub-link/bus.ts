import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import type { Logger } from '@fairlead/shared/log';
import type { Random } from '@fairlead/shared/time';
import { type JetStreamClient, jetstream } from '@nats-io/jetstream';
import {
  connect,
  jwtAuthenticator,
  type NatsConnection,
  type TlsOptions,
} from '@nats-io/transport-node';
import {
  busAckMsMax,
  busConnectMsMax,
  busPingMs,
  busPingsUnansweredMax,
  busReconnectSpreadMs,
  linkBackoffMsMin,
} from '../limits.ts';
import { type HubIdentity, reconnectPauseMsMax } from './hub-identity.ts';
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
  const spreadMs = () =>
    dependencies.reconnectSpreadMs ?? identity.current()?.reconnectSpreadMs ?? busReconnectSpreadMs;
  // Each agent begins at another server and goes on to the next after a failure.
  const firstServer = Math.floor(random.nextFraction() * 1_000);
  let state: BusStatus['state'] = 'connecting';
  let message = '';

  const open = async (current: HubIdentity, tries: number): Promise<NatsConnection> => {
    const { natsUrls } = current;
    const url = natsUrls[(firstServer + tries) % natsUrls.length] ?? '';
    const connection = await connect({
      servers: [url],
      name: `fairlead-agent ${current.clusterName}`,
      authenticator: jwtAuthenticator(current.natsUserJwt, Buffer.from(current.natsSeed, 'ascii')),
      tls: verifiedTls(current.caPem, url),
      inboxPrefix: `_INBOX_${current.clusterId}`,
      timeout: busConnectMsMax,
      pingInterval: busPingMs,
      maxPingOut: busPingsUnansweredMax,
      reconnect: false,
      ignoreClusterUpdates: true,
      // The client would make an error with a stack for each request, in case it fails.
      noAsyncTraces: true,
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
      const pauseMsMax = () =>
        dependencies.reconnectSpreadMs ?? reconnectPauseMsMax(identity.current());
      const backoff = createBackoff(linkBackoffMsMin, pauseMsMax, random);
      let tries = 0;
      while (!signal.aborted) {
        const current = await identity.first(signal);
        if (current === undefined) return;
        let replaced = false;
        try {
          const connection = await open(current, tries);
          backoff.reset();
          state = 'open';
          message = '';
          replaced = await serve(connection, current, signal);
          if (replaced || signal.aborted) continue;
          tries++;
          logger.warn({ reason: message }, 'the bus connection ended');
          await pause(random.nextFraction() * spreadMs(), signal);
        } catch (error) {
          tries++;
          message = error instanceof Error ? error.message : String(error);
          logger.warn({ reason: message, tries }, 'the bus cannot be reached');
          await pause(backoff.next(), signal);
        }
      }
    },
    status: () => ({ state, message }),
  };
}

/**
 * The client checks a server that is named by its address as if it were `localhost`, so the check is made here, against the
 * host of the URL. Node calls it for every handshake that the authority's signature passed.
 */
function verifiedTls(ca: string, url: string): TlsOptions {
  const { hostname } = new URL(url.includes('://') ? url : `tls://${url}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const checked: TlsOptions & Pick<ConnectionOptions, 'checkServerIdentity'> = {
    ca,
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  };
  return checked;
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
