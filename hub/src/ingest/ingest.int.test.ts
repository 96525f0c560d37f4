import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AuditBatch,
  Beat,
  Health,
  Phase,
  Report,
  VerificationOutcome,
  Wake,
} from '@fairlead/proto';
import type { ClusterId } from '@fairlead/shared/ids';
import { ok } from '@fairlead/shared/result';
import { systemClock } from '@fairlead/shared/time';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentSubjects } from '../auth/nats-accounts/index.ts';
import { connectBus } from './bus-connection.ts';
import { createIngest } from './ingest.ts';
import type { AppendAgentAudit, IngestOptions } from './ingest-options.ts';
import type { ReceivedReport, ReceivedResult } from './payloads.ts';
import { auditStream } from './streams.ts';
import { type Bus, connectAgent, eventually, silent, startBus } from './testing.ts';

const commit = 'c'.repeat(40);
let lastCluster = 0;
const newCluster = () => `cluster${String(++lastCluster).padStart(19, '0')}` as ClusterId;

/** What the hub keeps, in memory: survives a hub of a test, as a log on disk would. */
function createStore() {
  const audit: string[] = [];
  const watermarks = new Map<string, number>();
  const reports: ReceivedReport[] = [];
  const results: ReceivedResult[] = [];
  let sequence = 0;
  return {
    audit,
    reports,
    results,
    appended: [] as string[],
    sequence: () => sequence,
    append: (async (cluster, epoch, events) => {
      const key = `${cluster}/${epoch}`;
      for (const event of events) {
        if (event.sequence <= (watermarks.get(key) ?? 0)) continue;
        audit.push(`${key}/${event.sequence}`);
        watermarks.set(key, event.sequence);
      }
      return ok({ sequence: watermarks.get(key) ?? 0 });
    }) satisfies AppendAgentAudit as AppendAgentAudit,
    record: (
      received: readonly ReceivedReport[],
      streamSequence: number,
      moreResults: readonly ReceivedResult[] = [],
    ) => {
      reports.push(...received);
      results.push(...moreResults);
      sequence = streamSequence;
    },
  };
}
type Store = ReturnType<typeof createStore>;

const startIngest = (bus: Bus, store: Store, overrides: Partial<IngestOptions> = {}) =>
  createIngest({
    ...bus.bus,
    accounts: bus.accounts,
    appendAgentAudit: store.append,
    recordReports: store.record,
    reportStreamSequence: store.sequence,
    clusters: () => [],
    onAuditAppended: (cluster, epoch, sequence) => {
      store.appended.push(`${cluster}/${epoch}/${sequence}`);
    },
    onBeat: () => undefined,
    clock: systemClock,
    logger: silent,
    ...overrides,
  });

const auditMessage = (from: number, length: number, agentEpoch = 'e1') =>
  AuditBatch.encode({
    agentEpoch,
    events: Array.from({ length }, (_, index) => ({
      sequence: from + index,
      occurredAtMs: 1,
      pipeline: 'checkout',
      stage: 'staging',
      generation: 1,
      commit,
      kind: 'ObjectsApplied',
      message: '',
      object: undefined,
      detailsJson: '',
    })),
  }).finish();

const reportMessage = (sequence: number, changes: Partial<Report> = {}) =>
  Report.encode({
    agentEpoch: 'e1',
    sequence,
    pipeline: 'checkout',
    stage: 'staging',
    epoch: 1,
    generation: 1,
    commit,
    phase: Phase.PHASE_SETTLED,
    health: Health.HEALTH_HEALTHY,
    message: '',
    terminal: false,
    objectsTotal: 1,
    objectsHealthy: 1,
    objects: [],
    objectsTruncated: 0,
    observedAtMs: 0,
    pruneHeldObjects: 0,
    pruneHeld: [],
    pruneHeldDigest: '',
    ...changes,
  }).finish();

const publish = (connection: NatsConnection, subject: string, data: Uint8Array, id: string) =>
  jetstream(connection).publish(subject, data, { msgID: id, timeout: 2_000 });

const expectedAudit = (cluster: ClusterId, length: number, epoch = 'e1') =>
  Array.from({ length }, (_, index) => `${cluster}/${epoch}/${index + 1}`);

describe('taking in what agents say', () => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await startBus();
  });
  afterAll(() => bus.nats.close());

  test('appends audit events in order and gives the watermark', async () => {
    const store = createStore();
    await using _ingest = await startIngest(bus, store);
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    const { audit } = agentSubjects(cluster);
    await eventually(
      'the first publish',
      async () => {
        try {
          return await publish(connection, audit, auditMessage(1, 10), `${cluster}/e1/audit/1`);
        } catch {
          return undefined;
        }
      },
      (answer) => answer !== undefined,
    );
    for (const from of [11, 21, 31]) {
      await publish(connection, audit, auditMessage(from, 10), `${cluster}/e1/audit/${from}`);
    }
    await eventually(
      '40 events',
      () => store.audit.length,
      (length) => length === 40,
    );
    expect(store.audit).toEqual(expectedAudit(cluster, 40));
    await eventually(
      'the last watermark',
      () => store.appended.at(-1),
      (mark) => mark === `${cluster}/e1/40`,
    );
    await connection.close();
  });

  test('GATE-10: takes results of verification runs in, each named by the cluster that may publish it', async () => {
    const store = createStore();
    await using _ingest = await startIngest(bus, store);
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    const { report } = agentSubjects(cluster);
    const result = (runId: string, change: object = {}) =>
      Report.encode(
        Report.fromPartial({
          agentEpoch: 'e1',
          verificationResult: {
            runId,
            outcome: VerificationOutcome.VERIFICATION_OUTCOME_FAILED,
            message: 'the Job has failed',
            logTail: 'x'.repeat(40 * 1024),
            ...change,
          },
        }),
      ).finish();
    const id = `${cluster}/e1/result/run00000001`;
    await publish(connection, report, result('run00000001'), `${id}/0`);
    // A re-send of the same try is dropped by the bus; another try is for the read model to tell.
    await publish(connection, report, result('run00000001'), `${id}/0`);
    await publish(connection, report, result('run00000001'), `${id}/1`);
    await eventually(
      'both results',
      () => store.results.filter((each) => each.cluster === cluster).length,
      (length) => length === 2,
    );
    const taken = store.results.filter((each) => each.cluster === cluster);
    expect(taken.map(({ runId, outcome }) => [runId, outcome])).toEqual([
      ['run00000001', 'failed'],
      ['run00000001', 'failed'],
    ]);
    expect(taken[0]?.logTail).toHaveLength(32 * 1024);
    expect(taken[0]?.logTruncated).toBe(true);
    await connection.close();
  });

  test('AUD-02, R6: a message that comes twice is one fact, and is acknowledged twice', async () => {
    const store = createStore();
    await using _ingest = await startIngest(bus, store);
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    const { audit } = agentSubjects(cluster);
    // Other message ids, as after the duplicate window: only the log can tell.
    await publish(connection, audit, auditMessage(1, 5), `${cluster}/first`);
    await publish(connection, audit, auditMessage(1, 5), `${cluster}/second`);
    await publish(connection, audit, auditMessage(4, 5), `${cluster}/third`);
    await eventually(
      '8 events',
      () => store.audit.length,
      (length) => length === 8,
    );
    expect(store.audit).toEqual(expectedAudit(cluster, 8));
    await emptied(bus);
    await connection.close();
  });

  test('R2: a hub killed between append and acknowledgement loses, doubles and reorders nothing', async () => {
    const store = createStore();
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    const { audit } = agentSubjects(cluster);
    // This hub appends and then hangs for ever, which is what a kill before the acknowledgement leaves behind.
    const reached = Promise.withResolvers<void>();
    const killed = new AbortController();
    const first = await startIngest(bus, store, {
      appendAgentAudit: async (...parameters) => {
        await store.append(...parameters);
        reached.resolve();
        await new Promise((_, reject) => {
          killed.signal.addEventListener('abort', () => reject(new Error('killed')));
        });
        return ok({ sequence: 0 });
      },
    });
    await publish(connection, audit, auditMessage(1, 3), `${cluster}/1`);
    await reached.promise;
    for (const from of [4, 7, 10]) {
      await publish(connection, audit, auditMessage(from, 3), `${cluster}/${from}`);
    }
    expect(store.audit).toEqual(expectedAudit(cluster, 3));
    killed.abort();
    await first.close();
    await using _second = await startIngest(bus, store);
    await eventually(
      '12 events',
      () => store.audit.length,
      (length) => length >= 12,
    );
    expect(store.audit).toEqual(expectedAudit(cluster, 12));
    await emptied(bus);
    await connection.close();
  });

  test('an append that fails is tried again, before anything newer', async () => {
    const store = createStore();
    const cluster = newCluster();
    let failuresLeft = 2;
    await using _ingest = await startIngest(bus, store, {
      appendAgentAudit: async (...parameters) => {
        if (failuresLeft-- > 0) throw new Error('disk full');
        return store.append(...parameters);
      },
    });
    const { connection } = await connectAgent(bus, cluster);
    for (const from of [1, 4, 7]) {
      await publish(
        connection,
        agentSubjects(cluster).audit,
        auditMessage(from, 3),
        `${cluster}/${from}`,
      );
    }
    await eventually(
      '9 events',
      () => store.audit.length,
      (length) => length === 9,
    );
    expect(store.audit).toEqual(expectedAudit(cluster, 9));
    await connection.close();
  });

  test('S1: messages that are no protocol are counted and skipped, and block nothing', async () => {
    const store = createStore();
    const counted = new Map<string, number>();
    await using _ingest = await startIngest(bus, store, {
      count: (name, amount = 1) => counted.set(name, (counted.get(name) ?? 0) + amount),
    });
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    const { audit, report } = agentSubjects(cluster);
    const nonsense = Buffer.from('not protobuf at all');
    for (let index = 0; index < 30; index++) {
      await publish(connection, audit, nonsense, `${cluster}/bad/${index}`);
      await publish(connection, report, nonsense, `${cluster}/bad-report/${index}`);
    }
    await publish(connection, report, reportMessage(1, { generation: 0 }), `${cluster}/zero`);
    await publish(connection, report, reportMessage(1, { commit: '../..' }), `${cluster}/path`);
    await publish(connection, report, reportMessage(2), `${cluster}/good`);
    await publish(connection, audit, auditMessage(1, 1), `${cluster}/good-audit`);
    await eventually(
      'the good ones',
      () => [store.reports.length, store.audit.length],
      ([a, b]) => a === 1 && b === 1,
    );
    expect(counted.get('fairlead_bus_messages_invalid_total')).toBe(62);
    await connection.close();
  });

  test('a report is of the cluster whose subject it came on, and has the time of its receipt', async () => {
    const store = createStore();
    const before = Date.now();
    await using _ingest = await startIngest(bus, store);
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    await publish(
      connection,
      agentSubjects(cluster).report,
      reportMessage(7, { observedAtMs: 5 }),
      `${cluster}/7`,
    );
    const report = await eventually(
      'a report',
      () => store.reports.find((r) => r.cluster === cluster),
      (r) => r !== undefined,
    );
    expect(report).toMatchObject({
      pipeline: 'checkout',
      stage: 'staging',
      sequence: 7,
      phase: 'settled',
      health: 'healthy',
      observedAt: 5,
    });
    expect(report?.receivedAt).toBeGreaterThanOrEqual(before);
    await connection.close();
  });

  test('reports go on where the read model stopped', async () => {
    const store = createStore();
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    const { report } = agentSubjects(cluster);
    const ofCluster = () =>
      store.reports.filter((r) => r.cluster === cluster).map((r) => r.sequence);
    {
      await using _ingest = await startIngest(bus, store);
      await publish(connection, report, reportMessage(1), `${cluster}/r1`);
      await eventually('one report', ofCluster, (sequences) => sequences.length === 1);
    }
    await publish(connection, report, reportMessage(2), `${cluster}/r2`);
    await using _ingest = await startIngest(bus, store);
    await eventually('both reports', ofCluster, (sequences) => sequences.length === 2);
    expect(ofCluster()).toEqual([1, 2]);
    await connection.close();
  });

  test('beats and wakes reach the other side', async () => {
    const store = createStore();
    const beats: string[] = [];
    await using ingest = await startIngest(bus, store, {
      onBeat: (cluster, beat) => beats.push(`${cluster} ${beat.instanceId}`),
    });
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    const wakes: Wake[] = [];
    connection.subscribe(agentSubjects(cluster).wake, {
      callback: (_, message) => {
        wakes.push(Wake.decode(message.data));
      },
    });
    await connection.flush();
    connection.publish(
      agentSubjects(cluster).beat,
      Beat.encode({
        instanceId: 'i1',
        agentVersion: '1',
        sentAtMs: 0,
        unitsTotal: 0,
        auditOutboxLength: 0,
        auditSequence: 0,
        agentEpoch: 'e1',
      }).finish(),
    );
    await eventually(
      'a beat',
      () => beats,
      (all) => all.includes(`${cluster} i1`),
    );
    ingest.wake(cluster, { assignments: true });
    await eventually(
      'a wake',
      () => wakes,
      (all) => all.length === 1,
    );
    expect(wakes).toEqual([{ assignments: true, reports: false }]);
    await connection.close();
  });

  test('F46 S2: an agent can say nothing as another and hear nothing of another', async () => {
    const store = createStore();
    await using ingest = await startIngest(bus, store);
    const mine = newCluster();
    const other = newCluster();
    const { connection } = await connectAgent(bus, mine);
    const refusals: string[] = [];
    const watch = async () => {
      for await (const status of connection.status()) {
        if (status.type === 'error') refusals.push(String(status.error.message));
      }
    };
    void watch();
    const theirs = agentSubjects(other);
    const publishes = [
      theirs.beat,
      theirs.report,
      theirs.audit,
      theirs.wake,
      agentSubjects(mine).wake,
      'fairlead.v1.x',
      '$JS.API.STREAM.PURGE.FAIRLEAD_AUDIT',
      '$JS.API.STREAM.DELETE.FAIRLEAD_REPORTS',
      '$JS.API.STREAM.INFO.FAIRLEAD_AUDIT',
      '$JS.API.STREAM.MSG.GET.FAIRLEAD_AUDIT',
      '$JS.API.CONSUMER.CREATE.FAIRLEAD_AUDIT',
      '$JS.ACK.FAIRLEAD_AUDIT.hub.1.1.1.1.1',
      '$SYS.REQ.CLAIMS.UPDATE',
      `${theirs.inboxPrefix}.x`,
    ];
    for (const [index, subject] of publishes.entries()) {
      connection.publish(subject, 'x');
      await eventually(
        `refusal of ${subject}`,
        () => refusals.length,
        (n) => n === index + 1,
      );
    }
    const heard: string[] = [];
    const subscriptions = [
      theirs.wake,
      theirs.report,
      agentSubjects(mine).report,
      'fairlead.v1.*.wake',
      'fairlead.>',
      '>',
      `${theirs.inboxPrefix}.>`,
      '_INBOX.>',
      '$SYS.>',
    ];
    const refusedBefore = refusals.length;
    for (const [index, subject] of subscriptions.entries()) {
      connection.subscribe(subject, { callback: (_, m) => void heard.push(m?.subject ?? 'none') });
      await eventually(
        `refusal of ${subject}`,
        () => refusals.length,
        (n) => n > refusedBefore + index,
      );
    }
    ingest.wake(other, { assignments: true });
    expect(heard.filter((subject) => subject !== 'none' && subject !== '')).toEqual([]);
    expect(store.audit).toEqual([]);
    await connection.close();
  });

  test('F38: a message over 64 KiB is refused by the broker', async () => {
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster, { reconnect: false });
    const large = new Uint8Array(80_000);
    await expect(
      publish(connection, agentSubjects(cluster).audit, large, `${cluster}/large`),
    ).rejects.toThrow();
    await connection.close().catch(() => undefined);
  });

  test('S7: a revoked user is cut within 5 s and does not come back; others stay', async () => {
    const store = createStore();
    await using ingest = await startIngest(bus, store);
    const revoked = await connectAgent(bus, newCluster(), { reconnect: false });
    const other = await connectAgent(bus, newCluster(), { reconnect: false });
    const startedAt = Date.now();
    await ingest.revokeUsers([revoked.publicKey]);
    await Promise.race([
      revoked.connection.closed(),
      new Promise((_, reject) => setTimeout(reject, 5_000, new Error('still connected after 5 s'))),
    ]);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    await expect(revoked.connectAgain()).rejects.toThrow(/uthorization/);
    await other.connection.flush();
    expect(other.connection.isClosed()).toBe(false);
    await other.connection.close();
  });

  test('a user token that ends with its certificate ends the connection', async () => {
    const { connection } = await connectAgent(bus, newCluster(), {
      expiresAt: Date.now() + 2_000,
      reconnect: false,
    });
    await Promise.race([
      connection.closed(),
      new Promise((_, reject) => setTimeout(reject, 6_000, new Error('still connected'))),
    ]);
  });
});

describe('a message bus that fails', () => {
  test('R6: kill -9 of nats-server while agents send loses and doubles nothing', async () => {
    await using bus = await startBus();
    const store = createStore();
    await using _ingest = await startIngest(bus, store);
    const cluster = newCluster();
    const { connection } = await connectAgent(bus, cluster);
    const { audit } = agentSubjects(cluster);
    for (let batch = 0; batch < 60; batch++) {
      if (batch % 20 === 10) process.kill(bus.nats.processId() ?? 0, 'SIGKILL');
      // An agent sends again under the same id until the broker has it.
      await eventually(
        `batch ${batch} is stored`,
        () =>
          publish(connection, audit, auditMessage(batch * 5 + 1, 5), `${cluster}/${batch}`).then(
            () => true,
            () => false,
          ),
        (stored) => stored,
        20_000,
      );
    }
    await eventually(
      '300 events',
      () => store.audit.length,
      (length) => length >= 300,
      20_000,
    );
    expect(store.audit).toEqual(expectedAudit(cluster, 300));
    await connection.close();
  }, 90_000);

  test('R5: a deleted store is alarmed, every agent is asked again, and reports go on', async () => {
    const bus = await startBus();
    const store = createStore();
    const cluster = newCluster();
    const counted: string[] = [];
    await using _ingest = await startIngest(bus, store, {
      clusters: () => [cluster],
      count: (name) => counted.push(name),
    });
    const { connection } = await connectAgent(bus, cluster);
    const wakes: Wake[] = [];
    connection.subscribe(agentSubjects(cluster).wake, {
      callback: (_, message) => {
        wakes.push(Wake.decode(message.data));
      },
    });
    const { report } = agentSubjects(cluster);
    const send = (sequence: number) =>
      eventually(
        `report ${sequence} is stored`,
        () =>
          publish(connection, report, reportMessage(sequence), `${cluster}/${sequence}`).then(
            () => true,
            () => false,
          ),
        (stored) => stored,
        20_000,
      );
    for (const sequence of [1, 2, 3]) await send(sequence);
    await eventually(
      'three reports',
      () => store.reports.length,
      (length) => length === 3,
    );
    expect(store.sequence()).toBe(3);

    await bus.nats.close();
    await rm(join(bus.options.directory, 'store'), { recursive: true });
    await using _again = await startBus(bus.root);
    await eventually(
      'the alarm',
      () => counted.filter((name) => name === 'fairlead_bus_stores_lost_total'),
      (alarms) => alarms.length === 1,
      30_000,
    );
    await send(4);
    await eventually(
      'the fourth report',
      () => store.reports.map((r) => r.sequence),
      (sequences) => sequences.includes(4),
    );
    expect(store.sequence()).toBe(1);
    await eventually(
      'a wake for reports',
      () => wakes,
      (all) => all.some((wake) => wake.reports),
    );
    await connection.close();
  }, 90_000);

  test('a hub that finds no bus waits for it', async () => {
    const bus = await startBus();
    await bus.nats.close();
    const connecting = connectBus({
      ...bus.bus,
      credentials: bus.accounts.hubCredentials,
      name: 'hub',
    });
    await using _again = await startBus(bus.root);
    const connection = await connecting;
    await connection.flush();
    await connection.close();
  });
});

async function emptied(bus: Bus): Promise<void> {
  const connection = await connectBus({
    ...bus.bus,
    credentials: bus.accounts.hubCredentials,
    name: 'test',
  });
  const manager = await jetstreamManager(connection);
  await eventually(
    'the queue is empty',
    async () => (await manager.streams.info(auditStream)).state.messages,
    (messages) => messages === 0,
  );
  await connection.close();
}
