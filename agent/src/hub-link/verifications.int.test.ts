import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Report, Wake } from '@fairlead/proto';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { busMessageBytesMax } from '../limits.ts';
import { eventually, startTestAgent, type TestAgent } from './testing-agent.ts';
import { createTestAuthority, type TestAuthority } from './testing-authority.ts';
import { createTestBus, type TestBus } from './testing-bus.ts';
import { clusterId, startTestHub, type TestHub, wireAssignment } from './testing-hub.ts';

const runId = '01jd0000000000000000000001';
let authority: TestAuthority;
let bus: TestBus;
let nats: NatsConnection;
let folder: string;
let hub: TestHub;
let agent: TestAgent;

beforeAll(async () => {
  authority = await createTestAuthority();
  folder = mkdtempSync(join(tmpdir(), 'nats-'));
  bus = await createTestBus(folder, authority);
  nats = await bus.start();
}, 600_000);
afterAll(async () => {
  await bus.kill();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  hub = await startTestHub(authority, bus);
  hub.state.tokens.add('token');
  const { enrolAddress } = hub;
  agent = startTestAgent({ enrolAddress, caKeyHash: authority.caKeyHash, joinToken: 'token' });
});
afterEach(async () => {
  await agent.stop();
  agent.remove();
  hub.close();
});

async function stored() {
  const manager = await jetstreamManager(nats);
  const { state } = await manager.streams.info('report');
  const messages: { id: string; report: Report; bytes: number }[] = [];
  for (let seq = state.first_seq; seq > 0 && seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage('report', { seq });
    if (!message) continue;
    const { data, header } = message;
    messages.push({
      id: header.get('Nats-Msg-Id'),
      report: Report.decode(data),
      bytes: data.length,
    });
  }
  return messages;
}

it('says that it can run verifications, and hears which are open; what it cannot read it knows by its id', async () => {
  await eventually(
    'the watch',
    () => hub.state.watches.length,
    (length) => length > 0,
  );
  expect(hub.state.requests[0]?.features).toEqual(['verifications']);
  const run = {
    runId,
    name: 'smoke',
    assignment: wireAssignment({ path: 'app/verify' }),
    file: 'smoke.yaml',
    timeoutMs: 60_000,
  };
  const faulty = [
    {
      ...run,
      runId: 'unknowndisposition',
      assignment: wireAssignment({ disposition: 9 as never }),
    },
    { ...run, runId: 'adeletion', assignment: wireAssignment({ disposition: 3 }) },
    { ...run, runId: 'afilewithafolder', file: '../smoke.yaml' },
    { ...run, runId: 'withoutatime', timeoutMs: 0 },
    { ...run, runId: 'withoutassignment', assignment: undefined },
  ];
  hub.state.watches[0]?.write({
    update: { $case: 'verificationRuns', verificationRuns: { epoch: 1, runs: [run, ...faulty] } },
  });
  const [offered] = await eventually(
    'a list',
    () => agent.runsReceived,
    ({ length }) => length === 1,
  );
  expect(offered).toMatchObject({
    epoch: 1,
    runs: [{ runId, file: 'smoke.yaml', timeoutMs: 60_000, assignment: { path: 'app/verify' } }],
  });
  expect(offered?.unusable.map((each) => each.runId)).toEqual(faulty.map((each) => each.runId));
});

it('sends a result within one bus message, and again under another id when it is asked to', async () => {
  const before = (await stored()).length;
  const result = {
    runId,
    outcome: 'failed',
    message: 'ü'.repeat(4_000),
    logTail: 'ü'.repeat(32 * 1024),
    logTruncated: true,
  } as const;
  const record = { runId, step: 'ended', receivedAtMs: 1 } as const;
  agent.journal.saveRun({ ...record, result });
  const [first] = await eventually(
    'a result',
    async () => (await stored()).slice(before),
    ({ length }) => length > 0,
  );
  expect(first?.id).toBe(`${clusterId}/${agent.journal.agentEpoch()}/result/${runId}/0`);
  expect(first?.report).toMatchObject({
    pipeline: '',
    generation: 0,
    verificationResult: { runId, outcome: 2, logTruncated: true },
  });
  expect(first?.bytes).toBeLessThan(busMessageBytesMax);
  await eventually(
    'nothing waits',
    () => agent.journal.pendingResults(10),
    ({ length }) => length === 0,
  );
  nats.publish(
    `fairlead.v1.${clusterId}.wake`,
    Wake.encode({ assignments: false, reports: true }).finish(),
  );
  const all = await eventually(
    'the same again',
    async () => (await stored()).slice(before),
    ({ length }) => length === 2,
  );
  expect(all[1]?.id).toMatch(/\/1$/);
  // Once the hub has dropped the run there is nothing to send.
  agent.journal.saveRun({ ...record, step: 'dropped' });
  agent.journal.requeueResults();
  expect(agent.journal.pendingResults(10)).toEqual([]);
});
