import { createHash } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { Disposition, type FetchTreeRequest, type FetchTreeResponse } from '@fairlead/proto';
import type { ClusterId } from '@fairlead/shared/ids';
import { type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { openCertificateAuthority } from '../auth/ca/index.ts';
import type { DeclaredFreeze } from '../domain/freeze/index.ts';
import type { Assignment, VerificationOrder } from '../domain/rollout/index.ts';
import { GitError } from '../git/index.ts';
import { eventually } from '../ingest/testing.ts';
import type { AgentLinkOptions } from './agent-link.ts';
import { type DatedAssignment, offeredAssignments } from './offered.ts';
import { enroll, openLink, startLink, type TestLink, watch } from './testing.ts';

const commitOf = (digit: string) => digit.repeat(40);

const assignment = (changes: Partial<Record<keyof Assignment, unknown>> = {}): Assignment =>
  ({
    cluster: 'unused',
    clusterName: 'edge-1',
    project: 'default',
    pipeline: 'checkout',
    stage: 'staging',
    generation: 1,
    disposition: 'run',
    repository: 'shop',
    commit: commitOf('a'),
    path: 'apps/checkout',
    root: 'apps',
    render: { helm: { releaseName: '', valuesFiles: [], values: { a: 1 } } },
    apply: {
      namespace: 'checkout',
      createNamespace: true,
      prune: true,
      drift: 'repair',
      adopt: 'if-unowned',
      deletionBudget: { objectsMax: 10, percentMax: 30 },
      conflicts: 'fail',
      dependsOn: [],
      ignoreDifferences: [],
      healthChecks: [],
    },
    confirmedPruneGeneration: 0,
    ...changes,
  }) as Assignment;

const order = (
  runId: string,
  changes: Parameters<typeof assignment>[0] = {},
): VerificationOrder => ({
  runId,
  name: 'smoke',
  file: 'smoke.yaml',
  timeoutMs: 60_000,
  assignment: assignment(changes),
});

let hub: TestLink;
afterEach(() => hub[Symbol.asyncDispose]());

const start = async (overrides: Partial<AgentLinkOptions> = {}) => {
  hub = await startLink(overrides);
};

async function agent(name: string) {
  const { id, token } = await hub.addCluster(name);
  const { identity, keys } = await enroll(hub, { name, token });
  return { id, name, identity, keys, client: openLink(hub, identity, keys) };
}

const sentOf = (watching: ReturnType<typeof watch>) =>
  watching.updates.flatMap((update) =>
    update.$case === 'assignment'
      ? [`${update.assignment.pipeline}/${update.assignment.stage}@${update.assignment.generation}`]
      : [],
  );
const snapshot = (watching: ReturnType<typeof watch>) =>
  eventually('the snapshot', watching.kinds, (kinds) => kinds.includes('snapshotComplete'));

describe('watching assignments', () => {
  test('gives the whole assignment with the labels of the hub, then the snapshot', async () => {
    await start();
    const { id, client } = await agent('edge-1');
    hub.assignments.set(id, [assignment()]);
    const watching = watch(client);
    await snapshot(watching);
    expect(watching.updates).toMatchObject([
      {
        $case: 'assignment',
        assignment: {
          pipeline: 'checkout',
          epoch: 1,
          generation: 1,
          disposition: Disposition.DISPOSITION_RUN,
          commit: commitOf('a'),
          render: { helmValuesJson: '{"a":1}' },
          apply: { deletionBudget: { objectsMax: 10, percentMax: 30 } },
          clusterLabels: { environment: 'test' },
        },
      },
      { $case: 'snapshotComplete', snapshotComplete: { assignmentsTotal: 1 } },
    ]);
    expect(hub.seen).toContain(`${id}/instance-1`);
    client.close();
  });

  test('FLT-25: sends what differs from what the agent holds, and nothing else', async () => {
    await start();
    const { id, client } = await agent('edge-1');
    hub.assignments.set(id, [
      assignment({ stage: 'held' }),
      assignment({ stage: 'newer', generation: 5 }),
      assignment({ stage: 'epoch' }),
      assignment({ stage: 'unknown' }),
    ]);
    const known = [
      { pipeline: 'checkout', stage: 'held', epoch: 1, generation: 1 },
      { pipeline: 'checkout', stage: 'newer', epoch: 1, generation: 4 },
      { pipeline: 'checkout', stage: 'epoch', epoch: 0, generation: 1 },
      { pipeline: 'checkout', stage: 'gone', epoch: 1, generation: 9 },
    ];
    const watching = watch(client, { known });
    await snapshot(watching);
    expect(sentOf(watching)).toEqual([
      'checkout/newer@5',
      'checkout/epoch@1',
      'checkout/unknown@1',
    ]);
    client.close();
  });

  test('WIN-09: what was decided before a freeze and is news to a returning agent comes when the freeze ends', async () => {
    const before = Date.now() - 3_600_000;
    const dated: DatedAssignment[] = [];
    let freezes: DeclaredFreeze[] = [];
    await start({ assignmentsOf: () => offeredAssignments(dated, freezes, Date.now()) });
    const { id, client } = await agent('edge-1');
    for (const [stage, generation] of [
      ['seen', 3],
      ['newer', 5],
      ['unknown', 1],
      ['free', 2],
    ] as const) {
      dated.push({ assignment: assignment({ stage, generation }), assignedAt: before });
    }
    freezes = ['seen', 'newer', 'unknown'].map((stage) => ({
      id: `freeze-${stage}` as never,
      scope: { kind: 'stage', pipeline: 'checkout' as never, stage: stage as never },
      reason: 'the last week of the year',
      by: 'ada',
      from: before + 60_000,
      declaredAt: before + 60_000,
      running: 'drain',
    }));
    const known = [
      { pipeline: 'checkout', stage: 'seen', epoch: 0, generation: 3 },
      { pipeline: 'checkout', stage: 'newer', epoch: 1, generation: 4 },
    ];
    const watching = watch(client, { known });
    await snapshot(watching);
    // Its own generation in the life of another log is no news.
    expect(sentOf(watching)).toEqual(['checkout/seen@3', 'checkout/free@2']);
    freezes = [];
    hub.link.assignmentsChanged(id);
    await eventually(
      'what was kept back',
      () => sentOf(watching).slice(2),
      (sent) => sent.join() === 'checkout/newer@5,checkout/unknown@1',
    );
    client.close();
  });

  test('FLT-22: without any wake over the bus, changes come as the newest state, and never an older generation', async () => {
    await start();
    const { id, client } = await agent('edge-1');
    hub.assignments.set(id, [assignment({ generation: 3 })]);
    const watching = watch(client);
    await snapshot(watching);
    hub.assignments.set(id, [assignment({ generation: 2 })]);
    hub.link.assignmentsChanged(id);
    for (let generation = 4; generation <= 500; generation++) {
      hub.assignments.set(id, [assignment({ generation })]);
      hub.link.assignmentsChanged(id);
    }
    await eventually(
      'generation 500',
      () => sentOf(watching),
      (sent) => sent.includes('checkout/staging@500'),
    );
    expect(sentOf(watching)).not.toContain('checkout/staging@2');
    expect(sentOf(watching).length).toBeLessThan(50);
    client.close();
  });

  test('F46: an agent hears of its own cluster only', async () => {
    await start();
    const [first, second] = [await agent('edge-1'), await agent('edge-2')];
    hub.assignments.set(first.id, [assignment({ pipeline: 'mine' })]);
    hub.assignments.set(second.id, [assignment({ pipeline: 'theirs' })]);
    const watching = watch(first.client);
    await snapshot(watching);
    hub.link.assignmentsChanged();
    hub.link.auditAppended(second.id, 'e1', 5);
    hub.link.auditAppended(first.id, 'e1', 7);
    await eventually('its watermark', watching.kinds, (kinds) => kinds.includes('auditWatermark'));
    expect(sentOf(watching)).toEqual(['mine/staging@1']);
    expect(watching.updates.at(-1)).toEqual({
      $case: 'auditWatermark',
      auditWatermark: { agentEpoch: 'e1', sequence: 7 },
    });
    first.client.close();
    second.client.close();
  });

  test('a watch that opens later gets the last watermark', async () => {
    await start();
    const { id, client } = await agent('edge-1');
    hub.link.auditAppended(id, 'e1', 41);
    hub.link.auditAppended(id, 'e1', 42);
    const watching = watch(client);
    await eventually(
      'the watermark',
      () => watching.updates.at(-1),
      (last) => last?.$case === 'auditWatermark' && last.auditWatermark.sequence === 42,
    );
    client.close();
  });

  test('S1: a request without an instance is refused', async () => {
    await start();
    const { client } = await agent('edge-1');
    const watching = watch(client, { instanceId: '' });
    await eventually(
      'a refusal',
      watching.ended,
      (ended) => ended?.code === status.INVALID_ARGUMENT,
    );
    client.close();
  });

  test('S8: a certificate that runs out ends the open stream', async () => {
    await start({ tickMs: 50 });
    const { client } = await agent('edge-1');
    const watching = watch(client);
    await snapshot(watching);
    hub.moveClock(24 * 3_600_000 + 1);
    await eventually('the end', watching.ended, (ended) => ended?.code === status.UNAUTHENTICATED);
    client.close();
  });
});

describe('verification runs', () => {
  const listed = (watching: ReturnType<typeof watch>) =>
    watching.updates.flatMap((update) =>
      update.$case === 'verificationRuns'
        ? [update.verificationRuns.runs.map(({ runId }) => runId)]
        : [],
    );

  test('are told as a whole list, at the opening and whenever it changes', async () => {
    const orders = new Map<ClusterId, VerificationOrder[]>();
    await start({ ordersOf: (cluster) => orders.get(cluster) ?? [] });
    const { id, client } = await agent('edge-1');
    orders.set(id, [order('run00000001')]);
    const watching = watch(client, { features: ['verifications'] });
    const lists = (count: number) =>
      eventually(
        'lists',
        () => listed(watching),
        ({ length }) => length === count,
      );
    expect(await lists(1)).toEqual([['run00000001']]);
    const [update] = watching.updates.filter(({ $case }) => $case === 'verificationRuns');
    expect(update).toMatchObject({
      verificationRuns: {
        epoch: 1,
        runs: [
          {
            name: 'smoke',
            file: 'smoke.yaml',
            timeoutMs: 60_000,
            assignment: { epoch: 1, clusterLabels: { environment: 'test' } },
          },
        ],
      },
    });
    orders.set(id, [order('run00000001'), order('run00000002')]);
    hub.link.assignmentsChanged(id);
    expect((await lists(2)).at(-1)).toEqual(['run00000001', 'run00000002']);
    // Nothing has changed: nothing is said.
    hub.link.assignmentsChanged(id);
    orders.set(id, []);
    hub.link.assignmentsChanged(id);
    expect((await lists(3)).at(-1)).toEqual([]);
    client.close();
  });

  test('FLT-23: are not told to an agent that does not know them', async () => {
    await start({ ordersOf: () => [order('run00000001')] });
    const { client } = await agent('edge-1');
    const watching = watch(client);
    await snapshot(watching);
    hub.link.assignmentsChanged();
    await snapshot(watching);
    expect(watching.kinds()).not.toContain('verificationRuns');
    client.close();
  });

  test('what an agent says it can do is bounded', async () => {
    await start();
    const { client } = await agent('edge-1');
    for (const features of [Array(33).fill('a'), ['a'.repeat(65)]]) {
      const watching = watch(client, { features });
      await eventually('the end', watching.ended, (ended) => ended !== undefined);
      expect(watching.ended()?.code).toBe(status.INVALID_ARGUMENT);
    }
    client.close();
  });
});

describe("the hub's certificate", () => {
  test('S6 F42: is renewed for the next handshake without a restart, and cuts nobody', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-short-'));
    const authority = await openCertificateAuthority({
      directory,
      at: Date.now(),
      serverCertificateLifetimeMs: 6_000,
    });
    await start({ authority, certificateCheckIntervalMs: 100 });
    const { name, token } = await hub.addCluster('edge-1');
    const { identity, keys } = await enroll(hub, { name, token, caPem: authority.caPem });
    const client = openLink(hub, identity, keys, { caPem: authority.caPem });
    const watching = watch(client);
    await snapshot(watching);
    const presented = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connectTls(
          {
            host: '127.0.0.1',
            port: hub.link.enrolPort,
            ca: authority.caPem,
            ALPNProtocols: ['h2'],
          },
          () => {
            resolve(socket.getPeerCertificate().serialNumber);
            socket.destroy();
          },
        );
        socket.once('error', reject);
      });
    const before = await presented();
    await eventually('another certificate', presented, (serial) => serial !== before);
    expect(watching.ended()).toBeUndefined();
    client.close();
  });
});

describe('fetching content', () => {
  const content = [
    { oid: '1'.repeat(40), type: 'commit', data: Buffer.from('commit') },
    { oid: '2'.repeat(40), type: 'tree', data: Buffer.alloc(0) },
    { oid: '3'.repeat(40), type: 'blob', data: Buffer.alloc(1_000_000, 'x') },
  ] as const;
  const asked: unknown[] = [];
  const treeObjects: AgentLinkOptions['treeObjects'] = async function* (request) {
    asked.push(request);
    yield* content;
  };

  /** One object, named by the root. */
  const small: AgentLinkOptions['treeObjects'] = async function* (request) {
    asked.push(request);
    const data = Buffer.from(request.root);
    yield { oid: createHash('sha1').update(data).digest('hex'), type: 'blob', data };
  };

  const fetchTree = (
    client: Awaited<ReturnType<typeof agent>>['client'],
    request: Partial<FetchTreeRequest>,
  ) =>
    new Promise<FetchTreeResponse[]>((resolve, reject) => {
      const parts: FetchTreeResponse[] = [];
      const call = client.fetchTree({
        pipeline: 'checkout',
        stage: 'staging',
        commit: commitOf('a'),
        root: 'apps',
        haveCommits: [],
        haveObjects: [],
        further: [],
        ...request,
      });
      call.on('data', (part: FetchTreeResponse) => parts.push(part));
      call.on('end', () => resolve(parts));
      call.on('error', ({ code, details }: ServiceError) => reject({ code, details }));
    });

  test('gives every object of the assignment in chunks of at most 256 KiB', async () => {
    await start({ treeObjects });
    const { id, client } = await agent('edge-1');
    hub.assignments.set(id, [assignment()]);
    asked.length = 0;
    const parts = await fetchTree(client, { haveCommits: [commitOf('b')] });
    expect(asked).toEqual([
      {
        repository: 'shop',
        commit: commitOf('a'),
        root: 'apps',
        haveCommits: [commitOf('b')],
        haveObjects: new Set(),
        sent: new Set(),
      },
    ]);
    const received = new Map<string, Buffer>();
    for (const { part } of parts) {
      if (part?.$case !== 'chunk') continue;
      expect(part.chunk.data.length).toBeLessThanOrEqual(256 * 1024);
      const before = received.get(part.chunk.objectId) ?? Buffer.alloc(0);
      expect(part.chunk.offsetBytes).toBe(before.length);
      received.set(part.chunk.objectId, Buffer.concat([before, part.chunk.data]));
    }
    const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
    expect([...received].map(([oid, data]) => [oid, hash(data)])).toEqual(
      content.map(({ oid, data }) => [oid, hash(data)]),
    );
    expect(parts.at(-1)?.part).toEqual({ $case: 'complete', complete: { objectsTotal: 3 } });
    client.close();
  });

  test('F46 S2: gives nothing that this cluster is not assigned', async () => {
    await start({ treeObjects });
    const [mine, other] = [await agent('edge-1'), await agent('edge-2')];
    hub.assignments.set(mine.id, [assignment()]);
    hub.assignments.set(other.id, [
      assignment({ pipeline: 'secret', commit: commitOf('f'), root: 'secret' }),
    ]);
    const denied = { code: status.PERMISSION_DENIED };
    for (const request of [
      { pipeline: 'secret', commit: commitOf('f'), root: 'secret' },
      { commit: commitOf('f') },
      { root: '' },
      { root: 'apps/checkout' },
      { stage: 'production' },
    ]) {
      await expect(fetchTree(mine.client, request)).rejects.toMatchObject(denied);
    }
    await expect(fetchTree(mine.client, { haveCommits: ['x'] })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    await expect(
      fetchTree(mine.client, { haveCommits: Array(17).fill(commitOf('b')) }),
    ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    mine.client.close();
    other.client.close();
  });

  test('gives the commit of an open verification run, to the cluster that runs it and as long as it is open', async () => {
    const orders = new Map<ClusterId, VerificationOrder[]>();
    await start({ treeObjects, ordersOf: (cluster) => orders.get(cluster) ?? [] });
    const [mine, other] = [await agent('edge-1'), await agent('edge-2')];
    hub.assignments.set(mine.id, [assignment()]);
    const request = { commit: commitOf('e'), root: '' };
    const denied = { code: status.PERMISSION_DENIED };
    await expect(fetchTree(mine.client, request)).rejects.toMatchObject(denied);
    orders.set(mine.id, [order('run00000001', { commit: commitOf('e'), root: '' })]);
    expect((await fetchTree(mine.client, request)).length).toBeGreaterThan(3);
    await expect(fetchTree(other.client, request)).rejects.toMatchObject(denied);
    orders.set(mine.id, []);
    await expect(fetchTree(mine.client, request)).rejects.toMatchObject(denied);
    mine.client.close();
    other.client.close();
  });

  describe('of further assignments in the same answer', () => {
    const furtherOf = (...roots: string[]) =>
      roots.map((root) => ({ pipeline: root, stage: 'staging', root }));
    const assigned = (...roots: string[]) => [
      assignment(),
      ...roots.map((root) => assignment({ pipeline: root, root })),
    ];
    const rootsAsked = () => asked.map((request) => (request as { root: string }).root);

    test('F46 S2: gives what the cluster is assigned of the same commit, and leaves out the rest', async () => {
      await start({ treeObjects: small });
      const { id, client } = await agent('edge-1');
      hub.assignments.set(id, [
        ...assigned('search', 'cart'),
        assignment({ pipeline: 'newer', root: 'newer', commit: commitOf('f') }),
      ]);
      asked.length = 0;
      const further = furtherOf('search', 'secret', 'newer', 'cart');
      const parts = await fetchTree(client, { further });
      expect(rootsAsked()).toEqual(['apps', 'search', 'cart']);
      expect(parts.at(-1)?.part).toEqual({ $case: 'complete', complete: { objectsTotal: 3 } });
      client.close();
    });

    const many = Array.from({ length: 40 }, (_, index) => `app-${index}`);

    test.each([
      // Two of 1,000,006 bytes are more than 1 MiB.
      ['before the answer grows large', treeObjects, 2],
      ['after 31', small, 32],
    ] as const)('ends %s', async (_, objects, rootsTotal) => {
      await start({ treeObjects: objects });
      const { id, client } = await agent('edge-1');
      hub.assignments.set(id, assigned(...many));
      asked.length = 0;
      await fetchTree(client, { further: furtherOf(...many) });
      expect(rootsAsked()).toEqual(['apps', ...many].slice(0, rootsTotal));
      client.close();
    });

    test('a further one that the commit lacks costs the others nothing', async () => {
      await start({
        treeObjects: async function* (request) {
          if (request.root === 'gone') throw new GitError('path_not_found', 'no such path');
          yield* small(request);
        },
      });
      const { id, client } = await agent('edge-1');
      hub.assignments.set(id, assigned('search', 'gone'));
      const parts = await fetchTree(client, { further: furtherOf('search', 'gone') });
      expect(parts.at(-1)?.part).toEqual({ $case: 'complete', complete: { objectsTotal: 2 } });
      client.close();
    });
  });

  test('F05: says for good that a commit lacks the path', async () => {
    await start({
      // biome-ignore lint/correctness/useYield: fails before the first object
      treeObjects: async function* () {
        throw new GitError('path_not_found', 'apps is not in the commit');
      },
    });
    const { id, client } = await agent('edge-1');
    hub.assignments.set(id, [assignment()]);
    await expect(fetchTree(client, {})).rejects.toEqual({
      code: status.NOT_FOUND,
      details: 'apps is not in the commit',
    });
    client.close();
  });

  test('a fault of the store is no detail for the agent', async () => {
    await start({
      // biome-ignore lint/correctness/useYield: fails before the first object
      treeObjects: async function* () {
        throw new Error('/var/lib/secret-path is broken');
      },
    });
    const { id, client } = await agent('edge-1');
    hub.assignments.set(id, [assignment()]);
    await expect(fetchTree(client, {})).rejects.toMatchObject({
      code: status.INTERNAL,
      details: expect.not.stringContaining('secret-path'),
    });
    client.close();
  });
});

describe('cutting agents off', () => {
  const revoke = async (id: ClusterId, name: string) => {
    await hub.commands.cluster(
      name,
      { type: 'revoke', reason: 'stolen' },
      { kind: 'person', name: 'p' },
    );
    await hub.link.disconnectCluster(id, name);
  };

  test('S7: revocation ends the watch within 5 s, here and on the bus, and refuses the next', async () => {
    await start();
    const [revoked, other] = [await agent('edge-1'), await agent('edge-2')];
    const [watching, kept] = [watch(revoked.client), watch(other.client)];
    await snapshot(watching);
    await snapshot(kept);
    const startedAt = Date.now();
    await revoke(revoked.id, revoked.name);
    await eventually('the end', watching.ended, (ended) => ended !== undefined, 5_000);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    expect(watching.ended()).toEqual({
      code: status.UNAUTHENTICATED,
      details: 'this cluster is revoked',
    });
    expect(hub.cut).toEqual([revoked.id]);
    const again = watch(openLink(hub, revoked.identity, revoked.keys));
    await eventually('a refusal', again.ended, (ended) => ended?.code === status.UNAUTHENTICATED);
    expect(kept.ended()).toBeUndefined();
    revoked.client.close();
    other.client.close();
  });

  test('S7 R17: also one that reads nothing is gone within 5 s, and slows nobody meanwhile', async () => {
    await start();
    const [stopped, other] = [await agent('edge-1'), await agent('edge-2')];
    const values = { filler: 'x'.repeat(20_000) };
    const large = Array.from({ length: 500 }, (_, index) =>
      assignment({
        stage: `s${index}`,
        render: { helm: { releaseName: '', valuesFiles: [], values } },
      }),
    );
    hub.assignments.set(stopped.id, large);
    const watching = watch(stopped.client);
    watching.call.pause();
    const kept = watch(other.client);
    await snapshot(kept);
    hub.assignments.set(other.id, [assignment({ generation: 2 })]);
    hub.link.assignmentsChanged();
    await eventually(
      'the other one is served',
      () => sentOf(kept),
      (sent) => sent.length === 1,
      2_000,
    );
    await revoke(stopped.id, stopped.name);
    watching.call.resume();
    await eventually('the end', watching.ended, (ended) => ended !== undefined, 5_000);
    expect(watching.kinds()).not.toContain('snapshotComplete');
    stopped.client.close();
    other.client.close();
  });

  test('F43 S5 FLT-19: one identity at two places is quarantined, and neither gets orders', async () => {
    await start({ tickMs: 30, clonedOverlapMs: 300 });
    const { id, name, identity, keys, client } = await agent('edge-1');
    const first = watch(client, { instanceId: 'first' });
    const copy = openLink(hub, identity, keys);
    const second = watch(copy, { instanceId: 'second' });
    await snapshot(first);
    await snapshot(second);
    // Signs of life, as beats are.
    const beats = setInterval(() => {
      hub.link.instanceHeard(id, 'first');
      hub.link.instanceHeard(id, 'second');
    }, 30);
    await eventually(
      'both end',
      () => [first.ended()?.code, second.ended()?.code],
      (codes) => codes.every((code) => code === status.UNAUTHENTICATED),
    );
    clearInterval(beats);
    expect(await hub.eventsOf(name)).toContain('ClusterQuarantined');
    expect(hub.cut).toEqual([id]);
    const again = watch(client, { instanceId: 'first' });
    await eventually('a refusal', again.ended, (ended) => ended?.code === status.UNAUTHENTICATED);
    expect(again.ended()?.details).toContain('quarantined');
    client.close();
    copy.close();
  });

  test('F43: an agent that restarts again and again is no copy', async () => {
    await start({ tickMs: 30, clonedOverlapMs: 300 });
    const { id, name, identity, keys, client } = await agent('edge-1');
    client.close();
    const startedAt = Date.now();
    for (let restart = 0; Date.now() - startedAt < 1_500; restart++) {
      const process = openLink(hub, identity, keys);
      const watching = watch(process, { instanceId: `process-${restart}` });
      await snapshot(watching);
      hub.link.instanceHeard(id, `process-${restart}`);
      process.close();
      watching.call.cancel();
    }
    expect(await hub.eventsOf(name)).not.toContain('ClusterQuarantined');
  });
});

describe('F01: an agent that holds more than the log', () => {
  const known = (generation: number) => [
    { pipeline: 'checkout', stage: 'staging', epoch: 1, generation },
  ];

  /** A watch of an agent that holds a generation, at a hub whose log knows of another as the newest. */
  async function restored(generationInLog: number, heldGeneration: number) {
    let epoch = 1;
    await start({ epoch: () => epoch, newestGeneration: async () => generationInLog });
    const { id, name, client } = await agent('restored');
    hub.assignments.set(id, [assignment({ generation: generationInLog })]);
    const watching = watch(client, { known: known(heldGeneration) });
    await snapshot(watching);
    const raiseEpoch = () => {
      epoch++;
      hub.link.assignmentsChanged();
    };
    return { id, name, client, watching, raiseEpoch };
  }
  const eventOf = (name: string, type: string) =>
    eventually(
      type,
      () => hub.eventsOf(name),
      (types) => types.includes(type),
    );

  test('is on record once and is told nothing, also when the log has grown past it', async () => {
    const { id, name, client, watching } = await restored(4, 9);
    await eventOf(name, 'EpochRegressed');
    hub.assignments.set(id, [assignment({ generation: 12 })]);
    hub.link.assignmentsChanged(id);
    const again = watch(client, { known: known(9) });
    await snapshot(again);
    expect([...sentOf(watching), ...sentOf(again)]).toEqual([]);
    const types = await hub.eventsOf(name);
    expect(types.filter((type) => type === 'EpochRegressed')).toHaveLength(1);
  });

  test('is told again under the epoch that an operator has raised', async () => {
    const { name, watching, raiseEpoch } = await restored(4, 9);
    raiseEpoch();
    await eventually(
      'the assignment',
      () => sentOf(watching),
      (sent) => sent.length === 1,
    );
    const update = watching.updates.find(({ $case }) => $case === 'assignment');
    expect(update).toMatchObject({ assignment: { epoch: 2, generation: 4 } });
    await eventOf(name, 'EpochRestored');
  });

  test('one that holds no more than the log is told as ever', async () => {
    const { name, watching } = await restored(10, 9);
    expect(sentOf(watching)).toEqual(['checkout/staging@10']);
    expect(await hub.eventsOf(name)).not.toContain('EpochRegressed');
  });

  test('one with a fresh journal has nothing to go back from', async () => {
    const { name, client, watching } = await restored(4, 9);
    watching.call.cancel();
    const fresh = watch(client);
    await snapshot(fresh);
    expect(sentOf(fresh)).toEqual(['checkout/staging@4']);
    expect(await hub.eventsOf(name)).toContain('EpochRestored');
  });
});
