import { type CommitId, type PipelineName, parseNewId } from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { streams } from '../domain/events.ts';
import { permissions } from '../domain/hub/index.ts';
import { createSnapshotReader } from '../reactors/index.ts';
import {
  append,
  clusterAdded,
  clusterConnected,
  clusterEnrolled,
  commitId,
  releasesDiscovered,
} from '../read-model/testing/index.ts';
import type { HttpApiOptions } from './dependencies.ts';
import { endpoints } from './endpoints.ts';
import { type HttpFixture, startHttpFixture } from './testing/server.ts';

let api: HttpFixture;
const v1 = '/api/v1';

beforeAll(async () => {
  api = await startHttpFixture();
  await append(api.log, streams.cluster('prd'), clusterAdded('prd', { environment: 'production' }));
  await append(api.log, streams.cluster('prd'), clusterEnrolled('prd'));
  await append(api.log, streams.cluster('prd'), clusterConnected);
});
afterAll(() => api[Symbol.asyncDispose]());

const hub = { kind: 'hub', name: 'promotion' } as const;

/** What the reactor does: the pipeline goes as far as it can on what is known now. */
async function advance(pipeline: string): Promise<void> {
  await api.readModel.waitFor(await api.log.headPosition(), 5_000);
  const snapshotOf = createSnapshotReader({
    clusterSnapshots: api.readModel.clusterSnapshots,
    reportsOf: api.readModel.snapshotOf,
    commands: api.commands,
    statusesOfPipeline: api.readModel.statusesOfPipeline,
    verificationsOf: api.readModel.verificationResultsOf,
    samplesOf: api.readModel.metricSamplesOf,
    watchedMs: systemClock.now,
  });
  const snapshot = await snapshotOf(pipeline as PipelineName, systemClock.now());
  const newIds = Array.from({ length: 8 }, () =>
    expectOk(parseNewId(systemRandom.nextId()), 'a new id'),
  );
  expectOk(
    await api.commands.pipeline(pipeline, { type: 'advance', snapshot, newIds }, hub),
    'an advance',
  );
  await api.readModel.waitFor(await api.log.headPosition(), 5_000);
}

const resources = (pipeline: string, stages: string) => `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: ${pipeline}}
spec: {url: "https://git.example.com/${pipeline}.git", branch: main}
---
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: ${pipeline}}
spec:
  repository: ${pipeline}
  include: ["apps/${pipeline}/**"]
  stages:
${stages}
`;
const production = (gates: string, more = '') => `
  - name: production
    path: apps/production
    clusters: {matchLabels: {environment: production}}
    gates: ${gates}
    ${more}
`;
async function applied(pipeline: string, stages: string): Promise<void> {
  const answer = await api.call('POST', `${v1}/apply`, resources(pipeline, stages));
  expect(answer).toMatchObject({ status: 200 });
}
async function discovered(pipeline: string, ...releases: number[]): Promise<void> {
  await append(api.log, streams.pipeline(pipeline), releasesDiscovered(...releases));
  await advance(pipeline);
}

/** A person's bearer token, made as an administrator makes one. */
async function tokenOf(name: string, of: object): Promise<Record<string, string>> {
  const { status, body } = await api.call('POST', `${v1}/tokens`, { name, role: 'viewer', ...of });
  expect(status).toBe(201);
  await api.readModel.waitFor(body.position, 5_000);
  return { authorization: `Bearer ${body.token}` };
}
const lastRefusal = async () => {
  await api.readModel.catchUp();
  const { body } = await api.call('GET', `${v1}/audit?type=CommandRefused&limit=1`);
  return body.items[0];
};
const admissionsOf = async (pipeline: string) =>
  (await api.call('GET', `${v1}/pipelines/${pipeline}/admissions`)).body.items;

describe('approvals', () => {
  const stage = (pipeline: string) => `${v1}/pipelines/${pipeline}/stages/production`;
  const manager = (subject: string) => ({
    subject,
    groups: ['release-managers'],
    emails: [`${subject}@corp.example`],
    permissions: ['approve'],
  });

  test('GATE-03, GATE-15: two people approve what waits, and the admission says who they were', async () => {
    await applied(
      'two-people',
      production('{approvals: {required: 2, from: [group:release-managers], excludeAuthor: true}}'),
    );
    await discovered('two-people', 1);
    const open = await api.call('GET', `${v1}/approvals?pipeline=two-people`);
    expect(open.body.items).toMatchObject([
      { stage: 'production', release: commitId(1), state: 'open', required: 2, votes: [] },
    ]);
    const [{ id: requestId, release }] = open.body.items;
    const laptop = await tokenOf('ada-laptop', manager('ada'));
    const phone = await tokenOf('ada-phone', manager('ada'));
    const grace = await tokenOf('grace-laptop', manager('grace'));
    const vote = { release, requestId, comment: 'ok' };
    const path = `${stage('two-people')}:approve`;
    expect((await api.call('POST', path, vote, laptop)).status).toBe(200);
    expect(await api.call('POST', path, vote, phone)).toMatchObject({
      status: 409,
      body: { rule: 'already_approved' },
    });
    expect(await lastRefusal()).toMatchObject({
      actor: { kind: 'person', name: 'ada' },
      event: { command: 'approve', code: 'already_approved' },
    });
    await advance('two-people');
    expect(await admissionsOf('two-people')).toEqual([]);
    const explained = await api.call('GET', `${stage('two-people')}/explain`);
    expect(explained.body.summary).toContain('1 of 2 approvals (ada)');

    expect((await api.call('POST', path, vote, grace)).status).toBe(200);
    await advance('two-people');
    const [admission] = await admissionsOf('two-people');
    const gate = admission.gates.find((one: { gate: string }) => one.gate === 'approval');
    expect(gate).toMatchObject({
      passed: true,
      evidence: { requestId, 'vote.ada': expect.any(String), 'vote.grace': expect.any(String) },
    });
    const used = await api.call('GET', `${v1}/approvals?pipeline=two-people&state=all`);
    expect(used.body.items).toMatchObject([{ id: requestId, state: 'used' }]);
  });

  test('GATE-01: a vote for a request that is over is a conflict, recorded as refused and not as a vote', async () => {
    await applied('changed-request', production('{approvals: {required: 1}}'));
    await discovered('changed-request', 1);
    const { body } = await api.call('GET', `${v1}/approvals?pipeline=changed-request`);
    const vote = { release: commitId(1), requestId: 'another00request' };
    const path = `${stage('changed-request')}:approve`;
    expect(await api.call('POST', path, vote)).toMatchObject({
      status: 409,
      body: { code: 'command_refused', rule: 'approval_request_changed' },
    });
    expect((await lastRefusal()).event.code).toBe('approval_request_changed');
    const after = await api.call('GET', `${v1}/approvals?pipeline=changed-request`);
    expect(after.body.items).toEqual(body.items);
  });

  test('GATE-04: the vote of somebody whose token was revoked does not count, and the words say so', async () => {
    await applied('revoked-voter', production('{approvals: {required: 1}}'));
    await discovered('revoked-voter', 1);
    const headers = await tokenOf('linus-laptop', manager('linus'));
    const path = `${stage('revoked-voter')}:approve`;
    expect((await api.call('POST', path, { release: commitId(1) }, headers)).status).toBe(200);
    const { body: tokens } = await api.call('GET', `${v1}/tokens`);
    const { id } = tokens.items.find(({ name }: { name: string }) => name === 'linus-laptop');
    await api.call('DELETE', `${v1}/tokens/${id}`);
    await advance('revoked-voter');
    expect(await admissionsOf('revoked-voter')).toEqual([]);
    const { body } = await api.call('GET', `${stage('revoked-voter')}/explain`);
    expect(body.summary).toContain('linus does not count, who is not known to the hub any more');
  });

  test('GATE-05: a rejection ends the request, and an approval can be taken back before', async () => {
    await applied('rejected', production('{approvals: {required: 2}}'));
    await discovered('rejected', 1);
    const ada = await tokenOf('ada-desk', manager('ada'));
    const about = { release: commitId(1).slice(0, 40) };
    await api.call('POST', `${stage('rejected')}:approve`, about, ada);
    const taken = await api.call('POST', `${stage('rejected')}:withdraw-approval`, about, ada);
    expect(taken.body.events).toEqual(['ApprovalWithdrawn']);
    await api.call('POST', `${stage('rejected')}:reject`, { ...about, reason: 'not today' }, ada);
    await api.readModel.catchUp();
    const list = (state: string) =>
      api.call('GET', `${v1}/approvals?pipeline=rejected&state=${state}`);
    expect((await list('open')).body.items).toEqual([]);
    expect((await list('rejected')).body.items).toMatchObject([
      { votes: [], message: 'ada: not today' },
    ]);
  });

  test('open requests of all pipelines are one list in pages', async () => {
    for (const pipeline of ['listed-a', 'listed-b', 'listed-c']) {
      await applied(pipeline, production('{approvals: {required: 1}}'));
      await discovered(pipeline, 1);
    }
    const ids: string[] = [];
    let cursor = '';
    do {
      const { body } = await api.call(
        'GET',
        `${v1}/approvals?limit=2${cursor && `&cursor=${cursor}`}`,
      );
      ids.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor ?? '';
    } while (cursor !== '');
    const { body } = await api.call('GET', `${v1}/approvals?limit=500`);
    expect(ids).toEqual(body.items.map(({ id }: { id: string }) => id));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(3);
  });
});

describe('rights', () => {
  test('every route that changes something names a permission, or is for administrators', () => {
    const known = new Set<string>(['admin', ...permissions]);
    const changing = endpoints({} as HttpApiOptions).filter(({ method }) => method !== 'get');
    const open = changing.filter(({ access }) => !known.has(access)).map(({ path }) => path);
    // An agent answers a plan and nothing is changed by it.
    expect(open).toEqual(['/pipelines/{pipeline}/stages/{stage}:plan']);
  });

  const at = `${v1}/pipelines/rights/stages/production`;
  test.each([
    ['promote', 'POST', `${at}:promote`, {}],
    ['approve', 'POST', `${at}:approve`, { release: commitId(1) }],
    ['approve', 'POST', `${at}:reject`, { release: commitId(1), reason: 'x' }],
    ['rollback', 'POST', `${at}:rollback`, { reason: 'x' }],
    ['rollback', 'POST', `${at}:abort`, {}],
    ['hold', 'POST', `${at}:hold`, { reason: 'x' }],
    ['hold', 'POST', `${at}:resume`, {}],
    ['hold', 'POST', `${at}:pause`, { reason: 'x' }],
    ['hold', 'POST', `${at}:continue`, {}],
    ['report-status', 'POST', `${v1}/repositories/rights/statuses`, {}],
    ['define', 'POST', `${v1}/apply`, 'kind: Pipeline'],
    ['define', 'DELETE', `${v1}/pipelines/rights`, undefined],
    ['manage-clusters', 'POST', `${v1}/clusters`, { name: 'mine' }],
    ['manage-tokens', 'POST', `${v1}/tokens`, { name: 'mine', role: 'viewer' }],
    ['manage-tokens', 'GET', `${v1}/tokens`, undefined],
  ])(
    'AUD-03: without "%s", %s %s is refused, on record with subject and reason',
    async (...one) => {
      const [permission, method, path, body] = one;
      const others = permissions.filter((name) => name !== permission);
      const name = `lacks-${permission}-${systemRandom.nextId().slice(0, 12)}`.toLowerCase();
      const subject = `${name}@corp.example`;
      const headers = await tokenOf(name, { subject, permissions: others });
      const refused = await api.call(method, path, body, headers);
      expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      expect(await lastRefusal()).toMatchObject({
        actor: { kind: 'person', name: subject },
        event: { code: 'forbidden', detail: expect.stringContaining(`"${permission}"`) },
      });
    },
  );

  test('CFG-04: who may define, but not let promote by itself, changes nothing of a text that would', async () => {
    const headers = await tokenOf('definer', { permissions: ['define'] });
    const automatic = resources('auto', production('{soak: 0s}'));
    const refused = await api.call('POST', `${v1}/apply`, automatic, headers);
    expect(refused).toMatchObject({ status: 403, body: { rule: 'permission_missing' } });
    expect(api.readModel.findRepository('auto')).toBeUndefined();
    expect(await lastRefusal()).toMatchObject({ actor: { name: 'definer' } });
    const manual = resources('auto', production('{soak: 0s}', 'promote: manual'));
    expect((await api.call('POST', `${v1}/apply`, manual, headers)).status).toBe(200);
    const both = await tokenOf('definer-too', {
      permissions: ['define', 'allow-automatic-promotion'],
    });
    expect((await api.call('POST', `${v1}/apply`, automatic, both)).status).toBe(200);
  });

  test('nobody issues a token that allows more than their own', async () => {
    const headers = await tokenOf('issuer', { permissions: ['manage-tokens', 'promote'] });
    const issue = (name: string, of: object) =>
      api.call('POST', `${v1}/tokens`, { name, role: 'viewer', ...of }, headers);
    expect((await issue('more', { role: 'admin' })).status).toBe(403);
    expect((await issue('more', { permissions: ['hotfix'] })).status).toBe(403);
    expect((await issue('less', { permissions: ['promote'] })).status).toBe(201);
  });
});

describe('statuses of commits', () => {
  const report = (state: string, change: object = {}) =>
    api.call('POST', `${v1}/repositories/ci/statuses`, {
      commit: commitId(1),
      name: 'load-test',
      state,
      ...change,
    });

  test('GATE-11: CI may be faster than the discovery, and its last word counts', async () => {
    await applied('ci', production('{statuses: [load-test]}'));
    expect((await report('success')).body.events).toEqual(['StatusReported']);
    const list = () => api.call('GET', `${v1}/repositories/ci/statuses?commit=${commitId(1)}`);
    expect((await list()).body.items).toMatchObject([{ state: 'success', early: true }]);
    expect((await report('success')).body.events).toEqual([]);
    await report('failure', { description: 'p99 of 2 s', url: 'https://ci.example.com/7' });
    await discovered('ci', 1);
    expect((await list()).body.items).toMatchObject([
      { state: 'failure', early: false, url: 'https://ci.example.com/7' },
    ]);
    expect(await admissionsOf('ci')).toEqual([]);
    const { body } = await api.call('GET', `${v1}/pipelines/ci/stages/production/explain`);
    expect(body.summary).toContain('p99 of 2 s');
    await report('success');
    await advance('ci');
    expect(await admissionsOf('ci')).toHaveLength(1);
  });

  test('GATE-11: a word that the read model does not show yet is not overlooked', async () => {
    await applied('behind', production('{statuses: [load-test]}'));
    await discovered('behind', 1);
    const said = { commit: commitId(1), name: 'load-test', description: '', at: 5 };
    const say = (state: 'success' | 'failure') =>
      api.commands.repository('behind', { type: 'report-status', ...said, state }, hub);
    await say('success');
    await api.readModel.catchUp();
    const stale = api.readModel.statusesOfPipeline('behind');
    await say('failure');
    const snapshotOf = createSnapshotReader({
      clusterSnapshots: () => [],
      reportsOf: () => [],
      commands: api.commands,
      statusesOfPipeline: () => stale,
      verificationsOf: () => [],
      samplesOf: () => [],
      watchedMs: () => 0,
    });
    const { statuses } = await snapshotOf('behind' as PipelineName, 6);
    expect(stale).toMatchObject([{ state: 'success' }]);
    expect(statuses).toMatchObject([{ state: 'failure', receivedAt: 5 }]);
  });

  test.each([
    ['commit', { commit: 'abc1234' }],
    ['name', { name: '' }],
    ['url', { url: 'javascript:alert(1)' }],
    ['description', { description: 'a\u001b[31m' }],
  ])('a wrong %s is named', async (path, change) => {
    const { status, body } = await report('success', change);
    expect({ status, paths: body.faults.map((fault: { path: string }) => fault.path) }).toEqual({
      status: 400,
      paths: [path],
    });
  });
});

test('Q-08: a release that was skipped looks nowhere as if the stage had it', async () => {
  await applied('skipped', production('{approvals: {required: 1}}'));
  await discovered('skipped', 1);
  await discovered('skipped', 2);
  const at = `${v1}/pipelines/skipped/stages/production`;
  await api.call('POST', `${at}:approve`, { release: commitId(2) });
  await advance('skipped');
  const releases = await api.call('GET', `${v1}/pipelines/skipped/releases`);
  expect(releases.body.items).toMatchObject([
    { commit: commitId(2), stages: [{ state: 'rolling-out', current: true }] },
    { commit: commitId(1), stages: [{ stage: 'production', state: 'superseded', current: false }] },
  ]);
  const admissions = await admissionsOf('skipped');
  expect(admissions.map(({ release }: { release: string }) => release)).toEqual([commitId(2)]);
  const rollouts = await api.call('GET', `${v1}/pipelines/skipped/rollouts`);
  expect(rollouts.body.items.map(({ release }: { release: string }) => release)).toEqual([
    commitId(2),
  ]);
  const audit = await api.call('GET', `${v1}/audit?pipeline=skipped&limit=500`);
  const ofSkipped = audit.body.items
    .filter(({ commit }: { commit?: string }) => commit === commitId(1))
    .map(({ type }: { type: string }) => type);
  expect(ofSkipped.sort()).toEqual(['ApprovalRequested', 'ApprovalVoided', 'ReleaseSuperseded']);
  const said = await api.call('GET', `${at}/explain?release=${commitId(1)}`);
  expect(said.body.summary).toContain(commitId(1).slice(0, 8));
  expect(said.body.summary).not.toContain('is what it runs');
});

test('RB-11, RB-12: a hotfix is in the admission, the rollout, the stage and its explanation', async () => {
  const stages = `
  - name: staging
    path: apps/staging
    clusters: {matchLabels: {environment: staging}}
  - name: production
    after: [staging]
    path: apps/production
    clusters: {matchLabels: {environment: production}}
    hotfix: {mayBypass: [order, health], from: [group:on-call]}
`;
  await applied('hotfix', stages);
  await discovered('hotfix', 1);
  const headers = await tokenOf('on-call', {
    subject: 'ada',
    groups: ['on-call'],
    permissions: ['promote', 'hotfix'],
  });
  const at = `${v1}/pipelines/hotfix/stages/production`;
  const hotfix = { bypass: ['order', 'health'], reason: 'the shop is down' };
  const ask = (body: object, as: Record<string, string>) =>
    api.call('POST', `${at}:promote`, body, as);
  const promoter = await tokenOf('promoter', { permissions: ['promote'] });
  const about = { release: commitId(1) as CommitId, hotfix };
  expect(await ask(about, promoter)).toMatchObject({
    status: 403,
    body: { rule: 'permission_missing' },
  });
  const more = { ...about, hotfix: { ...hotfix, bypass: ['order', 'soak'] } };
  expect(await ask(more, headers)).toMatchObject({ body: { rule: 'gate_not_bypassable' } });
  expect((await ask(about, headers)).body.events).toEqual(['PromotionRequested']);
  await advance('hotfix');
  const [admission] = await admissionsOf('hotfix');
  expect(admission.gates.filter(({ passed }: { passed: boolean }) => !passed)).toMatchObject([
    { gate: 'order', bypassed: { by: 'ada', reason: 'the shop is down' } },
    { gate: 'health', bypassed: { by: 'ada', reason: 'the shop is down' } },
  ]);
  const rollouts = await api.call('GET', `${v1}/pipelines/hotfix/rollouts`);
  expect(rollouts.body.items).toMatchObject([{ stage: 'production', kind: 'hotfix' }]);
  const ahead = { release: commitId(1), notIn: ['staging'] };
  expect((await api.call('GET', at)).body).toMatchObject({ ahead });
  const { body } = await api.call('GET', `${at}/explain`);
  expect(body).toMatchObject({
    ahead,
    summary: expect.stringContaining('staging does not contain'),
  });
});
