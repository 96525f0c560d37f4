import { setTimeout as pause } from 'node:timers/promises';
import { Wake } from '@fairlead/proto';
import type { ClusterId } from '@fairlead/shared/ids';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { agentSubjects } from '../auth/nats-accounts/index.ts';
import {
  accountPushTriesMax,
  busReconnectWaitMs,
  busRestartBackoffMsMax,
  busRestartBackoffMsMin,
  streamCheckIntervalMs,
} from '../limits.ts';
import { pushAccount } from './account-update.ts';
import { consumeAudit } from './audit-consumer.ts';
import { connectBus } from './bus-connection.ts';
import type { IngestOptions } from './ingest-options.ts';
import { createInvalidCounter } from './invalid-counter.ts';
import { clusterOfSubject, decodeBeat, PayloadInvalidError } from './payloads.ts';
import { consumeReports } from './report-consumer.ts';
import { ensureStreams, reportStream } from './streams.ts';

export type Ingest = {
  readonly wake: (cluster: ClusterId, what: { assignments?: boolean; reports?: boolean }) => void;
  /** Cuts the live connections of these users at once and refuses new ones. */
  readonly revokeUsers: (publicKeys: readonly string[]) => Promise<void>;
  /** Resolves once the reports are taken in that the store held when this hub first looked. */
  readonly caughtUp: Promise<void>;
  /** Whether messages are being taken in at this moment. */
  readonly isConnected: () => boolean;
  readonly close: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** Connects as the hub and takes in what agents say, for as long as it lives. Resolves when it is connected. */
export async function createIngest(options: IngestOptions): Promise<Ingest> {
  const { accounts, logger, clock } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([closing.signal, ...(options.signal ? [options.signal] : [])]);
  const connection = await connectBus({
    urls: options.urls,
    caPem: options.caPem,
    credentials: accounts.hubCredentials,
    name: 'hub',
    signal,
  });
  const invalid = createInvalidCounter({ logger, clock, count: options.count });
  let taking = false;
  const caughtUp = Promise.withResolvers<void>();

  const wake: Ingest['wake'] = (cluster, { assignments = false, reports = false }) => {
    // A hint: with no connection it is dropped, and the agent's next look finds the same state.
    if (connection.isClosed() || connection.isDraining()) return;
    connection.publish(agentSubjects(cluster).wake, Wake.encode({ assignments, reports }).finish());
  };

  const wakeAll = async () => {
    for (const cluster of await options.clusters()) wake(cluster, { reports: true });
  };

  const takeBeats = async () => {
    for await (const message of connection.subscribe('fairlead.v1.*.beat')) {
      try {
        options.onBeat(clusterOfSubject(message.subject), decodeBeat(message.data));
      } catch (error) {
        if (error instanceof PayloadInvalidError) invalid(message.subject, error);
        else logger.error({ error }, 'a beat could not be taken in');
      }
    }
  };

  /** One life of the consumers: ends when the connection was lost, the store changed, or a write failed. */
  const takeStreams = async () => {
    const session = new AbortController();
    const sessionSignal = AbortSignal.any([signal, session.signal]);
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const js = jetstream(connection);
    const { state } = await ensureStreams(manager);
    let position = await options.reportStreamSequence();
    if (state.last_seq < position) {
      logger.error(
        { lastSequence: state.last_seq, expectedSequence: position },
        'the store of the bus was lost or cut back; every agent is asked to report again',
      );
      options.count?.('fairlead_bus_stores_lost_total');
      position = 0;
      await options.recordReports([], position);
      await wakeAll();
    } else if (state.first_seq > position + 1 && state.last_seq > position) {
      logger.warn('reports went out of the store before they were read; agents report again');
      await wakeAll();
    }
    const watch = async () => {
      for (;;) {
        await pause(streamCheckIntervalMs, undefined, { signal: sessionSignal });
        const info = await manager.streams.info(reportStream);
        if (info.state.last_seq < position) throw new Error('the report stream was cut back');
      }
    };
    const reconnected = async () => {
      for await (const { type } of connection.status()) {
        if (sessionSignal.aborted) return;
        if (type === 'reconnect') throw new Error('the connection to the bus was lost');
      }
    };
    if (position >= state.last_seq) caughtUp.resolve();
    const work = [
      watch(),
      consumeAudit({ ...options, manager, js, invalid, signal: sessionSignal }),
      consumeReports({
        ...options,
        manager,
        js,
        invalid,
        after: position,
        signal: sessionSignal,
        onPosition: (sequence) => {
          position = sequence;
          if (position >= state.last_seq) caughtUp.resolve();
        },
      }),
    ];
    taking = true;
    try {
      await Promise.race([...work, reconnected()]);
    } finally {
      taking = false;
      session.abort();
      await Promise.allSettled(work);
    }
  };

  const run = async () => {
    let backoffMs = busRestartBackoffMsMin;
    while (!signal.aborted) {
      const startedAt = clock.now();
      try {
        await pushAccount(options);
        await takeStreams();
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ reason: (error as Error).message }, 'taking in messages starts again');
      }
      if (clock.now() - startedAt > busRestartBackoffMsMax) backoffMs = busRestartBackoffMsMin;
      await pause(backoffMs * (1 + Math.random()), undefined, { signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, busRestartBackoffMsMax);
    }
  };

  /** A server that cannot be reached has cut everybody already, and is given the account when it is back. */
  const pushPersistently = async () => {
    for (let triesLeft = accountPushTriesMax; ; triesLeft--) {
      try {
        return await pushAccount(options);
      } catch (error) {
        if (triesLeft <= 1) throw error;
        await pause(busReconnectWaitMs, undefined, { signal });
      }
    }
  };

  const beats = takeBeats();
  const running = run();

  const close = async () => {
    closing.abort();
    await running;
    await drain(connection);
    await beats;
  };

  return {
    wake,
    revokeUsers: async (publicKeys) => {
      await accounts.revokeUsers(publicKeys, clock.now());
      await pushPersistently();
    },
    caughtUp: caughtUp.promise,
    isConnected: () => taking && !connection.isClosed(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function drain(connection: NatsConnection): Promise<void> {
  if (connection.isClosed()) return;
  // Draining needs the server; without one the connection is simply closed.
  await connection.drain().catch(() => connection.close());
}
