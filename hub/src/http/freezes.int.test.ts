import { afterAll, beforeAll, expect, test } from 'vitest';
import { streams } from '../domain/events.ts';
import { snapshotOf } from '../domain/promotion/index.ts';
import {
  append,
  clusterAdded,
  clusterConnected,
  clusterEnrolled,
  clusterId,
  commitId,
  pipelineDefined,
  releasesDiscovered,
  report,
} from '../read-model/testing/index.ts';
import { type HttpFixture, startHttpFixture } from './testing/server.ts';

let api: HttpFixture;
beforeAll(async () => {
  api = await startHttpFixture();
  await append(api.log, streams.cluster('stg'), clusterAdded('stg', { environment: 'staging' }));
  await append(api.log, streams.cluster('stg'), clusterEnrolled('stg'), clusterConnected);
  await append(
    api.log,
    streams.pipeline('checkout'),
    pipelineDefined('checkout'),
    releasesDiscovered(1),
  );
  await api.readModel.catchUp();
});
afterAll(() => api[Symbol.asyncDispose]());

const v1 = '/api/v1';
const stagePath = `${v1}/pipelines/checkout/stages/staging`;
const declare = (body: object, headers = {}) => api.call('POST', `${v1}/freezes`, body, headers);
const lift = (id: string) => api.call('POST', `${v1}/freezes/${id}:lift`, { reason: 'over' });
const list = async () => (await api.call('GET', `${v1}/freezes`)).body.items;

test('a freeze is declared, shown wherever its stage is, and lifted', async () => {
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const declared = await declare({
    pipeline: 'checkout',
    stage: 'staging',
    reason: 'black friday',
    until,
  });
  expect(declared).toMatchObject({ status: 201, body: { events: ['FreezeDeclared'] } });
  const { id } = declared.body;
  const shown = {
    id,
    state: 'in-force',
    covers: 'stage checkout/staging',
    pipeline: 'checkout',
    stage: 'staging',
    reason: 'black friday',
    by: 'release-engineer',
    running: 'drain',
    until,
  };
  expect(await list()).toMatchObject([shown]);
  expect((await api.call('GET', stagePath)).body.frozenBy).toMatchObject([shown]);
  const stages = await api.call('GET', `${v1}/pipelines/checkout/stages`);
  expect(stages.body.items.map((stage: { frozenBy?: object[] }) => stage.frozenBy?.length)).toEqual(
    [1, undefined],
  );
  const status = (await api.call('GET', `${v1}/status`)).body;
  expect(status.freezes).toMatchObject([shown]);
  expect(status.pipelines.items[0].stages[0].frozenBy).toMatchObject([{ id }]);
  const explained = (await api.call('GET', `${stagePath}/explain`)).body;
  expect(explained).toMatchObject({
    frozen: { running: 'drain', until, reason: expect.stringContaining('black friday') },
    nextChangeAt: until,
    summary: expect.stringMatching(/^staging is frozen, and nothing is assigned there: .*black/),
  });
  await api.readModel.catchUp();
  const audit = await api.call('GET', `${v1}/audit?pipeline=checkout&type=FreezeDeclared`);
  expect(audit.body.items).toMatchObject([
    { actor: { name: 'release-engineer' }, event: { freeze: { id } } },
  ]);

  expect(await lift(id)).toMatchObject({ status: 200, body: { events: ['FreezeLifted'] } });
  expect(await list()).toEqual([]);
  expect((await api.call('GET', stagePath)).body.frozenBy).toBeUndefined();
  expect(await lift(id)).toMatchObject({ status: 404, body: { rule: 'freeze_not_found' } });
});

test.each([
  [{ pipeline: 'checkuot', reason: 'x' }, 404, 'not_found'],
  [{ pipeline: 'checkout', stage: 'prod', reason: 'x' }, 404, 'not_found'],
  [{ project: 'nothing', reason: 'x' }, 404, 'not_found'],
  [{ stage: 'staging', reason: 'x' }, 400, 'request_invalid'],
  [{ project: 'default', pipeline: 'checkout', reason: 'x' }, 400, 'request_invalid'],
  [{ reason: '' }, 400, 'request_invalid'],
  [{ reason: 'x', running: 'halt' }, 400, 'request_invalid'],
  [{ reason: 'x', until: '2020-01-01T00:00:00.000Z' }, 409, 'command_refused'],
])('%j is refused with %i', async (body, status, code) => {
  expect(await declare(body)).toMatchObject({ status, body: { code } });
  expect(await list()).toEqual([]);
});

test('AUD-03: whoever may only read cannot freeze, and the try is on record', async () => {
  const asViewer = { authorization: `Bearer ${api.viewerToken}` };
  expect((await declare({ reason: 'x' }, asViewer)).status).toBe(403);
  await api.readModel.catchUp();
  const { body } = await api.call('GET', `${v1}/audit?type=CommandRefused&limit=1`);
  expect(body.items[0]).toMatchObject({ event: { command: 'POST /freezes', code: 'forbidden' } });
});

test('the whole hub, a project, and a freeze that is planned', async () => {
  const from = new Date(Date.now() + 60_000).toISOString();
  const [hub, project] = [
    await declare({ reason: 'all', from, running: 'stop' }),
    await declare({ project: 'default', reason: 'some' }),
  ];
  expect(await list()).toMatchObject([
    { state: 'planned', covers: 'the whole hub', running: 'stop', from },
    { state: 'in-force', covers: 'project default', project: 'default' },
  ]);
  expect((await api.call('GET', stagePath)).body.frozenBy).toMatchObject([{ reason: 'some' }]);
  for (const { body } of [hub, project]) await lift(body.id);
});

test('WIN-03: a rollback in a freeze is refused, and with an override it is on record whose word that was', async () => {
  const advance = async () => {
    const newIds = ['rollout00001', 'rollout00002'].map((id) =>
      `${id}${Math.random()}`.replace('.', ''),
    );
    await api.commands.pipeline(
      'checkout',
      {
        type: 'advance',
        snapshot: snapshotOf({
          at: Date.now(),
          clusters: api.readModel.clusterSnapshots(),
          reports: api.readModel.snapshotOf('checkout'),
        }),
        newIds: newIds as never,
      },
      { kind: 'hub', name: 'promotion' },
    );
    await api.readModel.catchUp();
  };
  let sequence = 0;
  const succeed = async (number: number) => {
    await advance();
    const [assignment] = api.readModel.assignmentsOf(clusterId('stg'));
    expect(assignment?.commit).toBe(commitId(number));
    const said = report('stg', 'checkout', {
      sequence: ++sequence,
      generation: assignment?.generation ?? 0,
      commit: commitId(number),
      receivedAt: Date.now(),
    } as never);
    api.readModel.recordReports([said], sequence);
    await advance();
  };
  await succeed(1);
  await append(api.log, streams.pipeline('checkout'), releasesDiscovered(2));
  await succeed(2);

  const { body } = await declare({ pipeline: 'checkout', reason: 'black friday' });
  const rollback = (more: object) =>
    api.call('POST', `${stagePath}:rollback`, { reason: 'errors', ...more });
  expect(await rollback({})).toMatchObject({
    status: 409,
    body: { rule: 'stage_frozen', detail: expect.stringContaining('black friday') },
  });
  expect(await rollback({ overrideReason: '' })).toMatchObject({ status: 400 });
  const done = await rollback({ overrideReason: 'the shop is down' });
  expect(done).toMatchObject({ status: 200 });
  expect(done.body.events).toContain('TargetAssigned');
  await api.readModel.catchUp();
  const audit = await api.call('GET', `${v1}/audit?type=RolloutStarted&limit=1`);
  expect(audit.body.items[0].event).toMatchObject({
    kind: 'rollback',
    override: { by: 'release-engineer', reason: 'the shop is down' },
  });
  const refusals = await api.call('GET', `${v1}/audit?type=CommandRefused&limit=1`);
  expect(refusals.body.items[0].event).toMatchObject({ command: 'rollback', code: 'stage_frozen' });
  await lift(body.id);
});
