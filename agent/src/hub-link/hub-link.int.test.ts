import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditBatch, Beat, type FetchTreeResponse, Report, Wake } from '@fairlead/proto';
import { status } from '@grpc/grpc-js';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { UnitId } from '../domain/link/index.ts';
import { assignmentOf, auditOf, buildCommit, reportOf } from '../journal/testing/index.ts';
import { busMessageBytesMax } from '../limits.ts';
import {
  eventually,
  memoryStore,
  startTestAgent,
  type TestAgent,
  type TestAgentOptions,
} from './testing-agent.ts';
import { createTestAuthority, type TestAuthority } from './testing-authority.ts';
import { createTestBus, type TestBus } from './testing-bus.ts';
import {
  clusterId,
  refusal,
  sendObjects,
  startTestHub,
  type TestHub,
  wireAssignment,
} from './testing-hub.ts';

let authority: TestAuthority;
let bus: TestBus;
let natsFolder: string;
let nats: NatsConnection;
let hub: TestHub;
let agents: TestAgent[];

beforeAll(async () => {
  authority = await createTestAuthority();
  natsFolder = mkdtempSync(join(tmpdir(), 'nats-'));
  bus = await createTestBus(natsFolder, authority);
  nats = await bus.start();
}, 600_000);
afterAll(async () => {
  await bus.kill();
  rmSync(natsFolder, { recursive: true, force: true });
});

beforeEach(async () => {
  hub = await startTestHub(authority, bus);
  hub.state.tokens.add('token');
  agents = [];
  const manager = await jetstreamManager(nats);
  for (const kind of ['audit', 'report']) {
    await manager.streams.delete(kind);
    await manager.streams.add({ name: kind, subjects: [`fairlead.v1.*.${kind}`] });
  }
});
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  for (const agent of agents) agent.remove();
  hub.close();
});

function start(options: Partial<TestAgentOptions> = {}): TestAgent {
  const { enrolAddress } = hub;
  const all = { enrolAddress, caKeyHash: authority.caKeyHash, joinToken: 'token', ...options };
  const agent = startTestAgent(all);
  agents.push(agent);
  return agent;
}
const stop = async (agent: TestAgent): Promise<void> => {
  agents.splice(agents.indexOf(agent), 1);
  await agent.stop();
};

async function stored(kind: 'audit' | 'report'): Promise<{ id: string; data: Uint8Array }[]> {
  const manager = await jetstreamManager(nats);
  const { state } = await manager.streams.info(kind);
  const messages: { id: string; data: Uint8Array }[] = [];
  for (let seq = state.first_seq; seq > 0 && seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(kind, { seq });
    if (message) messages.push({ id: message.header.get('Nats-Msg-Id'), data: message.data });
  }
  return messages;
}
const storedAudit = async () =>
  (await stored('audit')).flatMap(({ data }) => AuditBatch.decode(data).events);
const storedReports = async () => (await stored('report')).map(({ data }) => Report.decode(data));

/** Confirms audit events on the open watch, as a hub does whose log has them. */
function confirmAudit(epoch: string, sequence: number): void {
  hub.state.watches.at(-1)?.write({
    update: { $case: 'auditWatermark', auditWatermark: { agentEpoch: epoch, sequence } },
  });
}

describe('the assignment watch', () => {
  it('brings what differs from the generations that are held', async () => {
    hub.state.onWatch = (call) => {
      call.write({ update: { $case: 'assignment', assignment: wireAssignment() } });
      call.write({
        update: { $case: 'snapshotComplete', snapshotComplete: { assignmentsTotal: 1 } },
      });
    };
    const agent = start();
    agent.journal.saveAssignment(assignmentOf({ epoch: 1, generation: 3 }));
    const [received] = await eventually(
      'one',
      () => agent.received,
      (all) => all.length > 0,
    );
    expect(received).toMatchObject({ pipeline: 'checkout', disposition: 'run', root: 'app' });
    expect(received?.apply.deletionBudget).toEqual({ objectsMax: 10, percentMax: 30 });
    expect(hub.state.requests[0]?.known).toEqual([
      { pipeline: 'checkout', stage: 'staging', epoch: 1, generation: 3 },
    ]);
    expect(agent.link.status().watch.state).toBe('open');
  });

  it.each<[string, Parameters<typeof wireAssignment>[0]]>([
    ['no disposition', { disposition: 0 }],
    ['a short commit', { commit: 'abc' }],
    ['a path outside its root', { path: 'other' }],
    ['a path that climbs', { path: 'app/../..', root: '' }],
    ['no generation', { generation: 0 }],
    [
      'values that are no object',
      {
        render: {
          helmValuesFiles: [],
          helmReleaseName: '',
          helmValuesJson: '[]',
          sopsSecret: '',
        },
      },
    ],
  ])('S1: passes no assignment on with %s', async (_name, changes) => {
    hub.state.onWatch = (call) => {
      call.write({ update: { $case: 'assignment', assignment: wireAssignment(changes) } });
      call.write({
        update: { $case: 'assignment', assignment: wireAssignment({ stage: 'next' }) },
      });
    };
    const agent = start();
    const all = await eventually(
      'next',
      () => agent.received,
      ({ length }) => length > 0,
    );
    expect(all.map(({ stage }) => stage)).toEqual(['next']);
  });

  it('F19: notices a half-open connection by its silence and opens another', async () => {
    const sockets = new Set<Socket>();
    let frozen = false;
    const proxy: Server = createServer((inner) => {
      const outer = connectTcp(hub.linkPort, '127.0.0.1');
      sockets.add(inner).add(outer);
      for (const socket of [inner, outer]) socket.on('error', () => undefined);
      inner.on('data', (data) => frozen || outer.write(data));
      outer.on('data', (data) => frozen || inner.write(data));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = proxy.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const store = memoryStore();
    const throughProxy = {
      ...store,
      load: async () => {
        const loaded = await store.load();
        if (loaded?.issued) loaded.issued = { ...loaded.issued, linkAddress: `127.0.0.1:${port}` };
        return loaded;
      },
    };
    const first = start({ store: throughProxy });
    await first.identity.first(AbortSignal.timeout(10_000));
    await stop(first);
    hub.state.watches = [];
    hub.state.onWatch = (call) => {
      call.write({ update: { $case: 'keepAlive', keepAlive: {} } });
    };
    const agent = start({ store: throughProxy, limits: { watchIdleMsMax: 400 } });
    await eventually(
      'a watch',
      () => agent.link.status().watch.state,
      (state) => state === 'open',
    );
    frozen = true;
    const said = await eventually(
      'silence noticed',
      () => agent.link.status().watch,
      ({ message }) => message !== '',
    );
    expect(said.message).toMatch(/nothing was heard for 400 ms|Deadline|connection/i);
    frozen = false;
    const before = hub.state.watches.length;
    await eventually(
      'another watch',
      () => hub.state.watches.length,
      (count) => count > before,
    );
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });

  it('returns after the hub was gone, and a hint opens it again at once', async () => {
    hub.state.onWatch = (call) => {
      call.write({ update: { $case: 'keepAlive', keepAlive: {} } });
    };
    const agent = start();
    await eventually(
      'a watch',
      () => hub.state.watches.length,
      (count) => count === 1,
    );
    hub.state.watches[0]?.emit('error', refusal(status.UNAVAILABLE, 'restarting'));
    await eventually(
      'a second watch',
      () => hub.state.watches.length,
      (count) => count === 2,
    );
    await eventually(
      'the bus',
      () => agent.link.status().bus.state,
      (state) => state === 'open',
    );
    nats.publish(
      `fairlead.v1.${clusterId}.wake`,
      Wake.encode({ assignments: true, reports: false }).finish(),
    );
    await eventually(
      'a third watch',
      () => hub.state.watches.length,
      (count) => count === 3,
    );
  });

  it('F42: uses a renewed certificate without a restart', async () => {
    hub.state.lifetimeMs = 3_000;
    hub.state.onWatch = (call) => {
      call.write({ update: { $case: 'keepAlive', keepAlive: {} } });
    };
    start();
    const serials = await eventually(
      'two serials',
      () => hub.state.watchSerials,
      (all) => new Set(all).size >= 2,
    );
    expect(new Set(serials).size).toBeGreaterThanOrEqual(2);
    expect(hub.state.enrolments).toHaveLength(1);
  });
});

describe('fetching a tree', () => {
  const built = buildCommit({
    README: 'outside',
    app: { base: { 'a.yaml': 'a'.repeat(2_500) }, overlay: { 'b.yaml': 'b', empty: '' } },
  });
  const assignment = assignmentOf({ commit: built.commit as never, root: 'app', path: 'app' });
  const needed = (commit: typeof built, without: string[] = []) =>
    new Map([...commit.objects].filter(([, { data }]) => !without.includes(data.toString())));
  const signal = () => AbortSignal.timeout(20_000);
  async function ready(): Promise<TestAgent> {
    const agent = start();
    await agent.identity.first(signal());
    return agent;
  }

  it('brings exactly the content below the root, and works without the hub from then on', async () => {
    hub.state.onFetch = (call) => sendObjects(call, needed(built, ['outside']));
    const agent = await ready();
    const folderOf = async () => {
      const tree = await agent.loadTree(assignment, signal());
      if (!tree.ok) throw new Error(tree.error.message);
      return tree.value.folder();
    };
    const folder = await folderOf();
    if (!folder.ok) throw new Error(folder.error.message);
    expect(readdirSync(folder.value).sort()).toEqual(['base', 'overlay']);
    expect(readFileSync(join(folder.value, 'base/a.yaml'), 'utf8')).toHaveLength(2_500);
    hub.close();
    expect(await folderOf()).toEqual(folder);
    expect(hub.state.fetches).toHaveLength(1);
  });

  it('F05: is refused for good when the commit has no such path', async () => {
    hub.state.onFetch = (call) => {
      call.emit('error', refusal(status.NOT_FOUND, 'app is not in the commit'));
    };
    const agent = await ready();
    expect(await agent.loadTree(assignment, signal())).toEqual({
      ok: false,
      error: { message: 'app is not in the commit', terminal: true },
    });
  });

  it('is shared by units with the same commit and root', async () => {
    hub.state.onFetch = (call) => sendObjects(call, needed(built, ['outside']));
    const agent = await ready();
    const units = ['one', 'two', 'three'].map((stage) => ({
      ...assignment,
      stage: stage as never,
    }));
    const results = await Promise.all(units.map((unit) => agent.loadTree(unit, signal())));
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(hub.state.fetches).toHaveLength(1);
  });

  it('says what it has of the commit above another root', async () => {
    const two = buildCommit({ east: { 'a.yaml': 'a' }, west: { 'a.yaml': 'a' } });
    hub.state.onFetch = (call) => {
      const { haveObjects } = call.request;
      sendObjects(call, new Map([...two.objects].filter(([id]) => !haveObjects.includes(id))));
    };
    const agent = await ready();
    for (const root of ['east', 'west']) {
      const unit = { ...assignment, commit: two.commit as never, root, path: root };
      expect(await agent.loadTree(unit, signal())).toMatchObject({ ok: true });
    }
    const ids = [...two.objects.keys()];
    const [top] = ids.slice(-2);
    expect(hub.state.fetches.map(({ haveObjects }) => haveObjects)).toEqual([
      [],
      [two.commit, top],
    ]);
  });

  it('says which commits it has, and asks for everything when one of those is damaged', async () => {
    hub.state.onFetch = (call) => sendObjects(call, needed(built, ['outside']));
    const agent = await ready();
    expect((await agent.loadTree(assignment, signal())).ok).toBe(true);
    const next = buildCommit({
      app: { base: { 'a.yaml': 'a'.repeat(2_500) }, overlay: { 'b.yaml': 'new', empty: '' } },
    });
    const unchanged = new Set(built.objects.keys());
    const shared = [...built.objects].find(([, { data }]) => data.length === 2_500)?.[0] ?? '';
    await agent.objects.remove(shared);
    hub.state.onFetch = (call) => {
      const has = call.request.haveCommits.length > 0;
      sendObjects(call, new Map([...next.objects].filter(([id]) => !has || !unchanged.has(id))));
    };
    const unit = { ...assignment, commit: next.commit as never, generation: 2 };
    expect(await agent.loadTree(unit, signal())).toMatchObject({ ok: true });
    expect(hub.state.fetches.map(({ haveCommits }) => haveCommits)).toEqual([
      [],
      [built.commit],
      [],
    ]);
  });

  const chunkOf = (response: FetchTreeResponse) =>
    response.part?.$case === 'chunk' ? response.part.chunk : undefined;
  const foreign = buildCommit({ other: { 'x.yaml': 'foreign' } });
  const spoiled: [string, (call: Parameters<TestHub['state']['onFetch']>[0]) => void, RegExp][] = [
    [
      'F05: a part of the tree only',
      (call) => sendObjects(call, needed(built, ['outside', 'b'])),
      /a part of the tree only/,
    ],
    [
      'F05: an end in the middle',
      (call) =>
        sendObjects(call, needed(built), (r) => (r.part?.$case === 'complete' ? undefined : r)),
      /stopped within the tree/,
    ],
    [
      'an object with other content',
      (call) =>
        sendObjects(call, needed(built), (r) => {
          const chunk = chunkOf(r);
          if (chunk?.data.length === 1) chunk.data = Buffer.from('X');
          return r;
        }),
      /another digest/,
    ],
    ['another commit', (call) => sendObjects(call, foreign.objects), /a part of the tree only/],
    [
      'objects that the commit does not name',
      (call) => sendObjects(call, new Map([...needed(built, ['outside']), ...foreign.objects])),
      /the commit does not name/,
    ],
    [
      'a wrong count',
      (call) =>
        sendObjects(call, needed(built, ['outside']), (r) =>
          r.part?.$case === 'complete'
            ? { part: { $case: 'complete', complete: { objectsTotal: 99 } } }
            : r,
        ),
      /says 99/,
    ],
    [
      'chunks out of order',
      (call) =>
        sendObjects(call, needed(built), (r) => {
          const chunk = chunkOf(r);
          if (chunk && chunk.offsetBytes > 0) chunk.offsetBytes += 1;
          return r;
        }),
      /out of order/,
    ],
    [
      'a blob of one gigabyte',
      (call) =>
        sendObjects(call, needed(built), (r) => {
          const chunk = chunkOf(r);
          if (chunk) chunk.sizeBytes = 1024 ** 3;
          return r;
        }),
      /the limit is/,
    ],
    ['nothing at all', (call) => call.end(), /stopped within the tree/],
    [
      'a refusal',
      (call) => call.emit('error', refusal(status.PERMISSION_DENIED, 'no')),
      /not assigned to this cluster/,
    ],
  ];
  it.each(spoiled)('S9: takes nothing as complete from %s', async (_name, onFetch, message) => {
    hub.state.onFetch = onFetch;
    const agent = await ready();
    const result = await agent.loadTree(assignment, signal());
    expect(result).toMatchObject({ ok: false, error: { terminal: false } });
    expect(!result.ok && result.error.message).toMatch(message);
    const tree = { repository: 'shop', commit: built.commit, root: 'app' };
    expect(agent.journal.isComplete(tree)).toBe(false);
    for (const id of foreign.objects.keys()) {
      if (message.source.includes('does not name')) expect(await agent.objects.has(id)).toBe(false);
    }
    // The next try, with an honest hub, succeeds.
    hub.state.onFetch = (call) => sendObjects(call, needed(built, ['outside']));
    expect(await agent.loadTree(assignment, signal())).toMatchObject({ ok: true });
  });

  it('S9: a hostile tree is refused for good', async () => {
    const hostile = buildCommit({ app: { '..': { a: 'x' } } });
    hub.state.onFetch = (call) => sendObjects(call, hostile.objects);
    const agent = await ready();
    const unit = { ...assignment, commit: hostile.commit as never };
    expect(await agent.loadTree(unit, signal())).toMatchObject({
      ok: false,
      error: { terminal: true },
    });
  });
});

describe('the audit pump', () => {
  it('R7: sends each event once and in order, the next ones when the hub has these, and forgets them then', async () => {
    const agent = start();
    const epoch = agent.journal.agentEpoch();
    await eventually('the first event', storedAudit, ({ length }) => length === 1);
    agent.journal.appendAudit([auditOf('a'), auditOf('b')]);
    await eventually(
      'a beat',
      () => agent.link.status().bus.state,
      (state) => state === 'open',
    );
    expect((await storedAudit()).map(({ sequence }) => sequence)).toEqual([1]);
    await eventually(
      'a watch',
      () => hub.state.watches.length,
      (count) => count > 0,
    );
    confirmAudit(epoch, 1);
    const events = await eventually('the others', storedAudit, ({ length }) => length === 3);
    expect(events.map(({ sequence, message }) => [sequence, message]).slice(1)).toEqual([
      [2, 'a'],
      [3, 'b'],
    ]);
    expect((await stored('audit')).map(({ id }) => id)).toEqual([
      `${clusterId}/${epoch}/audit/1`,
      `${clusterId}/${epoch}/audit/2`,
    ]);
    confirmAudit(epoch, 3);
    await eventually(
      'empty',
      () => agent.journal.outboxStatus().auditLength,
      (length) => length === 0,
    );
  });

  it('sends again what the hub does not confirm, under an id that the bus has not seen', async () => {
    const agent = start({ limits: { auditResendMs: 200 } });
    const messages = await eventually(
      'a re-send',
      () => stored('audit'),
      ({ length }) => length >= 2,
    );
    const epoch = agent.journal.agentEpoch();
    expect(messages[1]?.id).toBe(`${clusterId}/${epoch}/audit/1/again-1`);
    expect(messages[1]?.data).toEqual(messages[0]?.data);
  });

  it('F38: keeps every message below 64 KiB and loses nothing', async () => {
    const agent = start();
    const epoch = agent.journal.agentEpoch();
    agent.journal.appendAudit(
      Array.from({ length: 400 }, (_, i) => auditOf(`${i} ${'ü'.repeat(1_000)}`)),
    );
    let confirmed = 0;
    await eventually(
      'all events',
      async () => {
        const events = await storedAudit();
        const last = events.at(-1)?.sequence ?? 0;
        if (last > confirmed && hub.state.watches.length > 0) {
          confirmAudit(epoch, last);
          confirmed = last;
        }
        return new Set(events.map(({ sequence }) => sequence)).size;
      },
      (count) => count === 401,
      60_000,
    );
    for (const { data } of await stored('audit'))
      expect(data.length).toBeLessThan(busMessageBytesMax);
  }, 90_000);

  it('R5, R6: loses nothing when the bus is killed and its whole store is deleted', async () => {
    const agent = start({ limits: { auditResendMs: 500 } });
    agent.journal.appendAudit([auditOf('before')]);
    await eventually('an event', storedAudit, ({ length }) => length >= 1);
    await bus.kill();
    rmSync(join(natsFolder, 'store'), { recursive: true, force: true });
    agent.journal.appendAudit([auditOf('while it is gone')]);
    await eventually(
      'loss',
      () => agent.link.status().bus.state,
      (state) => state === 'connecting',
    );
    nats = await bus.start();
    const messages = await eventually(
      'all events',
      async () => new Set((await storedAudit()).map(({ message }) => message)),
      (all) => all.has('before') && all.has('while it is gone'),
      30_000,
    );
    expect(messages.size).toBe(3);
  }, 60_000);
});

describe('the report pump', () => {
  it('sends the newest report of a unit, and a wake asks for all of them again', async () => {
    const agent = start();
    agent.journal.putReport(reportOf({ phase: 'applying' }));
    agent.journal.putReport(reportOf({ phase: 'settled', generation: 2 }));
    const [report, ...others] = await eventually(
      'a report',
      storedReports,
      ({ length }) => length > 0,
    );
    expect(others).toEqual([]);
    expect(report).toMatchObject({
      pipeline: 'checkout',
      stage: 'staging',
      generation: 2,
      phase: 8,
      health: 1,
    });
    await eventually(
      'sent',
      () => agent.journal.outboxStatus().reportsPending,
      (count) => count === 0,
    );
    nats.publish(
      `fairlead.v1.${clusterId}.wake`,
      Wake.encode({ assignments: false, reports: true }).finish(),
    );
    const again = await eventually('again', storedReports, ({ length }) => length === 2);
    expect(again[1]?.sequence).toBe((again[0]?.sequence ?? 0) + 1);
  });

  it('F32: sends a flapping unit only so often, and the newest state in the end', async () => {
    const agent = start({ limits: { reportIntervalMs: 60_000 } });
    await eventually(
      'the bus',
      () => agent.link.status().bus.state,
      (state) => state === 'open',
    );
    for (let change = -20; change <= 0; change++) {
      agent.journal.putReport(reportOf({ message: String(change) }));
      await eventually(
        'the allowance is used up',
        () => agent.journal.pendingReports(1).length,
        (count) => count === 0 || change > -15,
      );
    }
    for (let change = 1; change <= 200; change++) {
      agent.journal.putReport(reportOf({ message: String(change) }));
      agent.journal.putReport(reportOf({ unit: `other-${change}/s` as UnitId }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(
      'the others',
      storedReports,
      (all) => all.filter(({ stage }) => stage === 's').length === 200,
    );
    const flapping = (await storedReports()).filter(({ stage }) => stage === 'staging');
    expect(flapping.length).toBeLessThanOrEqual(6);
    expect(agent.journal.pendingReports(10)[0]?.report.message).toBe('200');
  });

  it('F32: a new generation is reported at once, however often the one before was', async () => {
    const agent = start({ limits: { reportIntervalMs: 60_000 } });
    for (let change = 1; change <= 20; change++) {
      agent.journal.putReport(reportOf({ generation: 1, message: String(change) }));
      await eventually(
        'room for the next',
        async () => agent.journal.pendingReports(1).length === 0 || change > 6,
        Boolean,
      );
    }
    agent.journal.putReport(reportOf({ generation: 2, message: 'the next generation' }));
    const all = await eventually('the new generation', storedReports, (reports) =>
      reports.some(({ generation }) => generation === 2),
    );
    expect(all.at(-1)?.message).toBe('the next generation');
  });

  it('F39: cuts a report with too many objects in a stable order and marks it', async () => {
    const agent = start();
    const objects = Array.from({ length: 60 }, (_, index) => ({
      object: { group: 'apps', kind: 'Deployment', namespace: 'n', name: `d${String(99 - index)}` },
      health: index === 59 ? ('Degraded' as const) : ('Progressing' as const),
      message: 'é'.repeat(3_000),
    }));
    agent.journal.putReport(reportOf({ objects, objectsTotal: 70, objectsTruncated: 10 }));
    const [report] = await eventually('a report', storedReports, ({ length }) => length > 0);
    expect(report?.objects[0]?.object?.name).toBe('d40');
    expect(report?.objects[1]?.object?.name).toBe('d41');
    expect((report?.objects.length ?? 0) + (report?.objectsTruncated ?? 0)).toBe(70);
    expect((await stored('report'))[0]?.data.length).toBeLessThan(busMessageBytesMax);
  });
});

describe('beats', () => {
  it('say who is there and what waits', async () => {
    const beats: Beat[] = [];
    const subscription = nats.subscribe(`fairlead.v1.${clusterId}.beat`, {
      callback: (_error, message) => {
        beats.push(Beat.decode(message.data));
      },
    });
    await nats.flush();
    const agent = start();
    agent.journal.saveAssignment(assignmentOf());
    const all = await eventually(
      'two beats',
      () => beats,
      ({ length }) => length >= 2,
    );
    expect(all[0]).toMatchObject({
      unitsTotal: 1,
      auditOutboxLength: 1,
      auditSequence: 1,
      agentEpoch: agent.journal.agentEpoch(),
    });
    expect(all[0]?.instanceId).toBe(hub.state.requests[0]?.instanceId);
    subscription.unsubscribe();
  });
});

describe('the whole link', () => {
  it('S11: keeps keys and tokens out of its status', async () => {
    const agent = start({ joinToken: 'token' });
    const identity = await agent.identity.first(AbortSignal.timeout(10_000));
    const text = JSON.stringify(agent.link.status());
    for (const secretText of ['token', identity?.natsSeed ?? '', identity?.clusterKeyPem ?? '']) {
      expect(text).not.toContain(secretText);
    }
  });

  it('R7, FLT-18: killed and started again, it delivers what waited exactly once per sequence', async () => {
    const store = memoryStore();
    const first = start({ store });
    const epoch = first.journal.agentEpoch();
    await eventually(
      'a watch',
      () => hub.state.watches.length,
      (count) => count > 0,
    );
    first.journal.appendAudit([auditOf('a')]);
    await eventually('an event', storedAudit, ({ length }) => length >= 1);
    await stop(first);
    const again = start({ store, folder: first.folder });
    again.journal.appendAudit([auditOf('b')]);
    await eventually(
      'all',
      async () => {
        const events = await storedAudit();
        confirmAudit(epoch, events.at(-1)?.sequence ?? 0);
        return events.map(({ message }) => message);
      },
      (messages) => messages.includes('b'),
      30_000,
    );
    expect(again.journal.agentEpoch()).toBe(epoch);
    const unique = new Map(
      (await storedAudit()).map(({ sequence, message }) => [sequence, message]),
    );
    expect([...unique.values()].slice(1)).toEqual(['a', 'b']);
  });
});
