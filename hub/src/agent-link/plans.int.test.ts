import {
  type AnswerPlanRequest,
  type FetchTreeResponse,
  type LinkServiceClient,
  PlanAction,
} from '@fairlead/proto';
import { type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, expect, test, vi } from 'vitest';
import type { Assignment } from '../domain/rollout/index.ts';
import { definition } from '../read-model/testing/index.ts';
import type { AgentLinkOptions } from './agent-link.ts';
import { enroll, openLink, startLink, type TestLink, watch } from './testing.ts';

let hub: TestLink;
afterEach(() => hub[Symbol.asyncDispose]());

const [stage] = definition('checkout').stages;
const supposed = {
  cluster: 'unused',
  clusterName: 'edge-1',
  project: 'default',
  pipeline: 'checkout',
  stage: 'staging',
  generation: 2,
  disposition: 'run',
  repository: 'shop',
  commit: 'b'.repeat(40),
  path: 'apps/checkout',
  root: 'apps',
  render: stage?.render,
  apply: stage?.apply,
  confirmedPruneGeneration: 0,
} as unknown as Assignment;

async function agent(name: string, overrides?: Partial<AgentLinkOptions>) {
  if (overrides) hub = await startLink(overrides);
  const { id, token } = await hub.addCluster(name);
  const { identity, keys } = await enroll(hub, { name, token });
  return { id, client: openLink(hub, identity, keys) };
}

/** The request for a plan, once it has come over the watch. */
async function requestOf(watching: ReturnType<typeof watch>) {
  await vi.waitFor(() => expect(watching.kinds()).toContain('planRequest'));
  const update = watching.updates.findLast(({ $case }) => $case === 'planRequest');
  if (update?.$case !== 'planRequest') throw new Error('no request');
  return update.planRequest;
}

const answer = (client: LinkServiceClient, messages: readonly AnswerPlanRequest[]) =>
  new Promise<void>((resolve, reject) => {
    const call = client.answerPlan((error: ServiceError | null) =>
      error ? reject({ code: error.code }) : resolve(),
    );
    for (const message of messages) call.write(message);
    call.end();
  });

const totals = {
  createTotal: 0,
  configureTotal: 1,
  unchangedTotal: 4,
  pruneTotal: 0,
  keepTotal: 0,
  refuseTotal: 0,
};
const complete = (requestId: string): AnswerPlanRequest => ({
  requestId,
  part: {
    $case: 'complete',
    complete: { error: '', ...totals, objectsTruncated: 0, pruneHeld: '' },
  },
});
const changed = (requestId: string, name: string): AnswerPlanRequest => ({
  requestId,
  part: {
    $case: 'object',
    object: {
      object: { group: 'apps', kind: 'Deployment', namespace: 'shop', name },
      action: PlanAction.PLAN_ACTION_CONFIGURE,
      differences: [{ path: 'spec.replicas', liveJson: '7', desiredJson: 'no json' }],
      differencesTotal: 1,
      message: '',
    },
  },
});

const fetchTree = (client: LinkServiceClient) =>
  new Promise<number>((resolve, reject) => {
    let parts = 0;
    const call = client.fetchTree({
      pipeline: 'checkout',
      stage: 'staging',
      commit: supposed.commit,
      root: 'apps',
      haveCommits: [],
      haveObjects: [],
      further: [],
    });
    call.on('data', (_: FetchTreeResponse) => parts++);
    call.on('end', () => resolve(parts));
    call.on('error', ({ code }: ServiceError) => reject({ code }));
  });

test('a question goes over the watch, whole, and its answer comes back; it is no assignment', async () => {
  const { id, client } = await agent('edge-1', {});
  const watching = watch(client);
  await vi.waitFor(() => expect(watching.kinds()).toContain('snapshotComplete'));
  const outcome = hub.link.planOf(id, supposed);
  const request = await requestOf(watching);
  expect(request.assignment).toMatchObject({
    commit: supposed.commit,
    generation: 2,
    clusterLabels: { environment: 'test' },
    apply: { namespace: 'default' },
  });
  await answer(client, [changed(request.requestId, 'web'), complete(request.requestId)]);
  expect(await outcome).toMatchObject({
    ok: true,
    value: {
      error: '',
      objects: [
        {
          action: 'configure',
          object: { name: 'web' },
          differences: [{ path: 'spec.replicas', liveJson: '7', desiredJson: '"no json"' }],
        },
      ],
      totals: { configure: 1, unchanged: 4 },
    },
  });
  expect(watching.kinds()).not.toContain('assignment');
  client.close();
});

test('promise 10: the commit may be fetched by the asked cluster, and only as long as the question stands', async () => {
  const mine = await agent('edge-1', {});
  const other = await agent('edge-2');
  const denied = { code: status.PERMISSION_DENIED };
  await expect(fetchTree(mine.client)).rejects.toMatchObject(denied);
  const watching = watch(mine.client);
  await vi.waitFor(() => expect(watching.kinds()).toContain('snapshotComplete'));
  const outcome = hub.link.planOf(mine.id, supposed);
  const { requestId } = await requestOf(watching);
  expect(await fetchTree(mine.client)).toBe(1);
  await expect(fetchTree(other.client)).rejects.toMatchObject(denied);
  await answer(mine.client, [complete(requestId)]);
  await outcome;
  await expect(fetchTree(mine.client)).rejects.toMatchObject(denied);
  mine.client.close();
  other.client.close();
});

test('promise 10: another cluster cannot answer, and nobody after the time is up', async () => {
  const mine = await agent('edge-1', { planTimeoutMs: 300 });
  const other = await agent('edge-2');
  const watching = watch(mine.client);
  await vi.waitFor(() => expect(watching.kinds()).toContain('snapshotComplete'));
  const outcome = hub.link.planOf(mine.id, supposed);
  const { requestId } = await requestOf(watching);
  const gone = { code: status.NOT_FOUND };
  await expect(answer(other.client, [complete(requestId)])).rejects.toMatchObject(gone);
  expect(await outcome).toMatchObject({
    ok: false,
    error: { code: 'timeout', detail: expect.stringMatching(/has not answered within 0\.3 s/) },
  });
  await expect(answer(mine.client, [complete(requestId)])).rejects.toMatchObject(gone);
  mine.client.close();
  other.client.close();
});

test('an answer without an end is refused, and the question stands', async () => {
  const { id, client } = await agent('edge-1', {});
  const watching = watch(client);
  await vi.waitFor(() => expect(watching.kinds()).toContain('snapshotComplete'));
  const outcome = hub.link.planOf(id, supposed);
  const { requestId } = await requestOf(watching);
  await expect(answer(client, [changed(requestId, 'web')])).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
  });
  await answer(client, [complete(requestId)]);
  expect(await outcome).toMatchObject({ ok: true });
  client.close();
});

test('a cluster without an agent on the line is told at once, and so is too much at once', async () => {
  const { id, client } = await agent('edge-1', { planTimeoutMs: 300 });
  expect(await hub.link.planOf(id, supposed)).toMatchObject({
    ok: false,
    error: { code: 'not_connected' },
  });
  const watching = watch(client);
  await vi.waitFor(() => expect(watching.kinds()).toContain('snapshotComplete'));
  const outcomes = await Promise.all([1, 2, 3].map(() => hub.link.planOf(id, supposed)));
  expect(outcomes.map((outcome) => !outcome.ok && outcome.error.code)).toEqual([
    'timeout',
    'timeout',
    'busy',
  ]);
  client.close();
});
