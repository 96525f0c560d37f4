import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterId, ClusterName, ProjectName } from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DecisionLog, openSqliteDecisionLog } from '../decision-log/index.ts';
import type { DomainEvent } from '../domain/events.ts';
import type { ClusterCommand } from '../domain/fleet/index.ts';
import { type AuditedEvent, createCommandHandler } from './index.ts';

let folder = '';
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-commands-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const person = { kind: 'person', name: 'ada' } as const;
const agent = { kind: 'agent', name: 'berlin' } as const;

/** Two handlers on one file, as two hubs would be, and a clock that only the test moves. */
async function open() {
  const path = join(folder, `log-${++count}.sqlite`);
  const clock = { time: 1_000, now: () => clock.time };
  const log = await openSqliteDecisionLog({ path });
  const otherLog = await openSqliteDecisionLog({ path });
  return {
    clock,
    log,
    handler: createCommandHandler({ log, clock }),
    other: createCommandHandler({ log: otherLog, clock }),
    fresh: () => createCommandHandler({ log: otherLog, clock }),
    [Symbol.asyncDispose]: async () => {
      await log.close();
      await otherLog.close();
    },
  };
}

const addCluster = (tokenHash = 'token'): ClusterCommand => ({
  type: 'add-cluster',
  id: 'cluster00' as ClusterId,
  name: 'berlin' as ClusterName,
  project: 'default' as ProjectName,
  labels: {},
  tokenHash,
  tokenExpiresAt: 10_000,
});
const enrol = (key: string): ClusterCommand => ({
  type: 'enrol',
  tokenHash: 'token',
  clusterKeyHash: key,
  clusterUid: key,
  natsPublicKey: key,
  certificate: { serial: key, issuedAt: 0, expiresAt: 10_000 },
  agentVersion: '1',
  claims: {},
  at: 2_000,
});

async function eventsOf(log: DecisionLog, stream: string): Promise<DomainEvent[]> {
  const events: DomainEvent[] = [];
  for await (const { event } of log.readStream(stream)) events.push(event);
  return events;
}

describe('commands', () => {
  test('an accepted command returns what it recorded, its position and the new state', async () => {
    await using hub = await open();
    const done = expectOk(await hub.handler.cluster('berlin', addCluster(), person), 'add');
    expect(done.events.map(({ event }) => event.type)).toEqual(['ClusterAdded', 'JoinTokenIssued']);
    expect(done.events[0]).toMatchObject({ recordedAt: 1_000, actor: person });
    expect(done.position).toBe(2);
    expect(done.state).toMatchObject({ status: 'present', name: 'berlin' });
    expect(await hub.other.clusterState('berlin')).toEqual(done.state);
  });

  test('a command that changes nothing appends nothing and gives the position of what is', async () => {
    await using hub = await open();
    await hub.handler.cluster('berlin', addCluster(), person);
    const command = { type: 'change-labels', labels: {} } as const;
    const done = expectOk(await hub.handler.cluster('berlin', command, person), 'labels');
    expect(done).toMatchObject({ events: [], position: 2 });
    expect(await hub.log.headPosition()).toBe(2);
  });

  test('S3: of 100 parallel uses of one token by two hubs one wins', async () => {
    await using hub = await open();
    await hub.handler.cluster('berlin', addCluster(), person);
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        (index % 2 ? hub.handler : hub.other).cluster('berlin', enrol(`key-${index}`), agent),
      ),
    );
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
    const codes = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error.code]));
    expect(new Set(codes)).toEqual(new Set(['token_used']));
  });

  test('another hub in between makes the command decide again on what that hub wrote', async () => {
    await using hub = await open();
    await hub.handler.cluster('berlin', addCluster(), person);
    await hub.other.cluster('berlin', { type: 'remove', reason: 'gone' }, person);
    const refused = await hub.handler.cluster('berlin', enrol('key'), agent);
    expect(refused).toMatchObject({ ok: false, error: { code: 'cluster_not_found' } });
  });

  test('a writer that is always first ends the tries after a bounded number', async () => {
    await using hub = await open();
    let appends = 0;
    const contested: DecisionLog = {
      ...hub.log,
      append: async (request) => {
        appends++;
        return {
          ok: false,
          error: {
            code: 'version_conflict',
            stream: request.stream,
            expectedVersion: request.expectedVersion,
            actualVersion: request.expectedVersion + 1,
          },
        };
      },
    };
    const handler = createCommandHandler({ log: contested, clock: hub.clock });
    const refused = await handler.cluster('berlin', addCluster(), agent);
    expect(refused).toMatchObject({ ok: false, error: { code: 'version_conflict' } });
    expect(appends).toBe(9);
  });
});

describe('commands at once', () => {
  test('100 commands of one hub on one stream all succeed, whatever another hub writes', async () => {
    await using hub = await open();
    await hub.handler.cluster('berlin', addCluster(), person);
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        hub.handler.cluster(
          'berlin',
          { type: 'change-labels', labels: { index: String(index) } },
          person,
        ),
      ),
    );
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(await hub.other.clusterState('berlin')).toMatchObject({ labels: { index: '99' } });
  });
});

describe('refusals', () => {
  const refusedAdd = (hub: Awaited<ReturnType<typeof open>>) =>
    hub.handler.cluster('berlin', { type: 'revoke', reason: 'x' }, person);

  test('AUD-03: what a person was refused is on record, once a minute', async () => {
    await using hub = await open();
    await refusedAdd(hub);
    await refusedAdd(hub);
    expect(await eventsOf(hub.log, 'refusals')).toEqual([
      {
        type: 'CommandRefused',
        command: 'revoke',
        subject: 'cluster/berlin',
        code: 'cluster_not_found',
        detail: 'No cluster has this name. Add it first.',
      },
    ]);
    hub.clock.time += 59_999;
    await refusedAdd(hub);
    expect(await eventsOf(hub.log, 'refusals')).toHaveLength(1);
    hub.clock.time += 1;
    await refusedAdd(hub);
    expect(await eventsOf(hub.log, 'refusals')).toHaveLength(2);
  });

  test('different refusals are recorded up to a bound, and a long detail is cut', async () => {
    await using hub = await open();
    for (let index = 0; index < 700; index++) {
      const subject = `cluster/c${index}`;
      await hub.handler.recordRefusal(
        { command: 'get', subject, code: 'forbidden', detail: 'x'.repeat(5_000) },
        person,
      );
    }
    const events = await eventsOf(hub.log, 'refusals');
    expect(events).toHaveLength(600);
    expect(events[0]).toMatchObject({ detail: 'x'.repeat(1_000) });
  });

  test('two hubs record their refusals in one stream', async () => {
    await using hub = await open();
    const refusal = (subject: string) => ({ command: 'c', subject, code: 'forbidden', detail: '' });
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 ? hub.handler : hub.other).recordRefusal(refusal(`s${index}`), person),
      ),
    );
    expect(await eventsOf(hub.log, 'refusals')).toHaveLength(20);
  });
});

describe("agents' audit", () => {
  const cluster = 'cluster00' as ClusterId;
  const audited = (sequence: number): AuditedEvent => ({
    sequence,
    occurredAt: sequence,
    pipeline: 'checkout',
    stage: 'staging',
    generation: 1,
    commit: 'c1',
    kind: 'applied',
    message: `event ${sequence}`,
  });
  const range = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => audited(from + index));
  const inLog = async (log: DecisionLog) =>
    (await eventsOf(log, `agent-audit/${cluster}`)).map((event) =>
      event.type === 'AgentAudited'
        ? event.sequence
        : event.type === 'AgentAuditGap'
          ? `${event.from}-${event.to} missing`
          : event.type,
    );

  test('AUD-02, FLT-17: duplicates and overlaps are dropped, order is by sequence', async () => {
    await using hub = await open();
    const { appendAgentAudit } = hub.handler;
    await appendAgentAudit(cluster, 'one', [audited(2), audited(1)], agent);
    const again = await appendAgentAudit(cluster, 'one', [...range(1, 3), audited(3)], agent);
    expect(again).toEqual({ ok: true, value: { agentEpoch: 'one', sequence: 3 } });
    expect(await inLog(hub.log)).toEqual([1, 2, 3]);
    expect(await appendAgentAudit(cluster, 'one', [], agent)).toEqual(again);
  });

  test('AUD-04, R8: what never arrived is a gap on record, before what follows it', async () => {
    await using hub = await open();
    await hub.handler.appendAgentAudit(cluster, 'one', [audited(3), audited(6)], agent);
    expect(await inLog(hub.log)).toEqual(['1-2 missing', 3, '4-5 missing', 6]);
  });

  test('a new epoch starts at 1 again, and a late message of the old one is known as such', async () => {
    await using hub = await open();
    await hub.handler.appendAgentAudit(cluster, 'one', range(1, 3), agent);
    await hub.handler.appendAgentAudit(cluster, 'two', range(1, 2), agent);
    for (const handler of [hub.handler, hub.fresh()]) {
      const late = await handler.appendAgentAudit(cluster, 'one', range(1, 3), agent);
      expect(late).toEqual({ ok: true, value: { agentEpoch: 'one', sequence: 3 } });
    }
    expect(await inLog(hub.log)).toEqual([1, 2, 3, 1, 2]);
  });

  test('AUD-02, R7: 10,000 events sent by two hubs at once with every chunk twice are there exactly once', async () => {
    await using hub = await open();
    const all = range(1, 10_000);
    for (let start = 0; start < all.length; start += 1_000) {
      const chunk = all.slice(start, start + 1_000);
      const sent = await Promise.all(
        [hub.handler, hub.other, hub.handler, hub.fresh()].map((handler) =>
          handler.appendAgentAudit(cluster, 'one', chunk, agent),
        ),
      );
      for (const watermark of sent) {
        expect(watermark).toMatchObject({ ok: true, value: { sequence: start + 1_000 } });
      }
    }
    expect(await inLog(hub.log)).toEqual(all.map(({ sequence }) => sequence));
    expect(await hub.log.verify()).toMatchObject({ valid: true, position: 10_000 });
  });
});
