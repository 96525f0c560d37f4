import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Assignment, failedPlan, type UnitPlan } from '../domain/link/index.ts';
import { plansInParallelMax } from '../limits.ts';
import { eventually, startTestAgent, type TestAgent } from './testing-agent.ts';
import { createTestAuthority, type TestAuthority } from './testing-authority.ts';
import { createTestBus, type TestBus } from './testing-bus.ts';
import { startTestHub, type TestHub, wireAssignment } from './testing-hub.ts';

let authority: TestAuthority;
let bus: TestBus;
let folder: string;
let hub: TestHub;
let agent: TestAgent;

beforeAll(async () => {
  authority = await createTestAuthority();
  folder = mkdtempSync(join(tmpdir(), 'nats-'));
  bus = await createTestBus(folder, authority);
  await bus.start();
}, 600_000);
afterAll(async () => {
  await bus.kill();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await agent.stop();
  agent.remove();
  hub.close();
});

/** An agent on the watch of a hub that asks what the test wants to know. */
async function start(preview: (assignment: Assignment) => Promise<UnitPlan>) {
  hub = await startTestHub(authority, bus);
  hub.state.tokens.add('token');
  const { enrolAddress } = hub;
  const { caKeyHash } = authority;
  agent = startTestAgent({ enrolAddress, caKeyHash, joinToken: 'token', preview });
  await eventually(
    'the watch',
    () => hub.state.watches.length,
    (watches) => watches > 0,
  );
}

const ask = (requestId: string, change: Parameters<typeof wireAssignment>[0] = {}) =>
  hub.state.watches[0]?.write({
    update: {
      $case: 'planRequest',
      planRequest: { requestId, assignment: wireAssignment(change) },
    },
  });

const answers = (count: number) =>
  eventually(
    'answers',
    () => hub.state.planAnswers,
    (all) => all.length === count,
  );

test('a question is answered in messages, the last with the sums, and is no assignment', async () => {
  const asked: Assignment[] = [];
  await start(async (assignment) => {
    asked.push(assignment);
    return {
      ...failedPlan(''),
      objects: [
        {
          object: { group: '', kind: 'ConfigMap', namespace: 'shop', name: 'one' },
          action: 'configure',
          differences: [{ path: 'data.value', live: 'a', desired: 'b' }],
          differencesTotal: 1,
          message: '',
        },
      ],
      totals: { create: 0, configure: 3, prune: 0, keep: 0, refuse: 0, unchanged: 4 },
    };
  });
  ask('plan-1', { generation: 7 });
  const [messages] = await answers(1);
  expect(messages).toMatchObject([
    {
      requestId: 'plan-1',
      part: {
        $case: 'object',
        object: { differences: [{ liveJson: '"a"', desiredJson: '"b"' }] },
      },
    },
    {
      part: {
        $case: 'complete',
        complete: { configureTotal: 3, unchangedTotal: 4, objectsTruncated: 2 },
      },
    },
  ]);
  expect(asked).toMatchObject([{ generation: 7, commit: 'c'.repeat(40) }]);
  expect(agent.received).toEqual([]);
  expect(agent.journal.loadAssignments()).toEqual([]);
});

test('what cannot be read, and what is too much at once, is answered with the reason', async () => {
  const gate = Promise.withResolvers<UnitPlan>();
  await start(() => gate.promise);
  const errorOf = (messages: (typeof hub.state.planAnswers)[number] | undefined) => {
    const part = messages?.at(-1)?.part;
    return part?.$case === 'complete' ? part.complete.error : undefined;
  };
  ask('unreadable', { commit: 'abc' });
  expect(errorOf((await answers(1))[0])).toMatch(/cannot read the assignment: commit/);
  for (let plan = 0; plan < plansInParallelMax; plan++) ask(`held-${plan}`);
  ask('one-too-many');
  expect(errorOf((await answers(2))[1])).toMatch(/busy with 2 other plans; ask again/);
  gate.resolve(failedPlan('template: unexpected end'));
  const all = await answers(2 + plansInParallelMax);
  expect(errorOf(all.at(-1))).toBe('template: unexpected end');
});
