import { afterAll, beforeAll, expect, test } from 'vitest';
import { streams } from '../domain/events.ts';
import { snapshotOf } from '../domain/promotion/index.ts';
import { requestBodyBytesMax } from '../limits.ts';
import {
  append,
  clusterAdded,
  clusterConnected,
  clusterEnrolled,
  clusterId,
  commitId,
  releasesDiscovered,
  report,
} from '../read-model/testing/index.ts';
import { type HttpFixture, startHttpFixture } from './testing/server.ts';

let api: HttpFixture;
beforeAll(async () => {
  api = await startHttpFixture();
});
afterAll(() => api[Symbol.asyncDispose]());

const v1 = '/api/v1';
const resources = (pipeline: string) => `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec: {url: "https://git.example.com/environments.git", branch: main}
---
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: ${pipeline}}
spec:
  repository: environments
  include: ["apps/${pipeline}/**"]
  stages:
  - name: staging
    path: apps/${pipeline}/staging
    clusters: {matchLabels: {environment: staging}}
  - name: production
    after: [staging]
    path: apps/${pipeline}/production
    promote: manual
    clusters: {matchLabels: {environment: production}}
`;

/** Applies a pipeline of its own for a test, so that tests do not depend on each other. */
async function applied(pipeline: string, ...releases: number[]): Promise<void> {
  const answer = await api.call('POST', `${v1}/apply`, resources(pipeline));
  expect(answer.body).toMatchObject({ resources: expect.anything() });
  if (releases.length > 0) {
    await append(api.log, streams.pipeline(pipeline), releasesDiscovered(...releases));
    await api.readModel.catchUp();
  }
}

test.each([
  ['no token', {}],
  ['a token of nobody', { authorization: `Bearer fl_${'x'.repeat(43)}` }],
  ['another scheme', { authorization: 'Basic YTpi' }],
])('a request with %s is answered 401 as a problem', async (_what, headers) => {
  const response = await fetch(`${api.url}${v1}/clusters`, { headers: headers as never });
  expect(response.status).toBe(401);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.get('www-authenticate')).toBe('Bearer');
  expect(await response.json()).toMatchObject({ code: 'unauthenticated', status: 401 });
});

test.each(['/healthz', '/readyz', '/metrics', `${v1}/openapi.json`, `${v1}/problems`])(
  '%s needs no token',
  async (path) => {
    expect((await fetch(api.url + path)).status).toBe(200);
  },
);

test('AUD-03: a viewer reads but changes nothing, and the try is on record', async () => {
  const asViewer = { authorization: `Bearer ${api.viewerToken}` };
  expect((await api.call('GET', `${v1}/clusters`, undefined, asViewer)).status).toBe(200);
  const refused = await api.call('POST', `${v1}/clusters`, { name: 'mine' }, asViewer);
  expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  await api.readModel.catchUp();
  const { body } = await api.call('GET', `${v1}/audit?type=CommandRefused&limit=1`);
  expect(body.items).toMatchObject([
    { actor: { kind: 'person', name: 'dashboard' }, event: { code: 'forbidden' } },
  ]);
  expect(api.readModel.findCluster('mine')).toBeUndefined();
});

test('a revoked token is nobody from then on', async () => {
  const { body } = await api.call('POST', `${v1}/tokens`, { name: 'short-lived', role: 'viewer' });
  const headers = { authorization: `Bearer ${body.token}` };
  await api.readModel.waitFor(body.position, 5_000);
  expect((await api.call('GET', `${v1}/status`, undefined, headers)).status).toBe(200);
  const revoked = await api.call('DELETE', `${v1}/tokens/${body.id}`);
  await api.readModel.waitFor(revoked.body.position, 5_000);
  expect((await api.call('GET', `${v1}/status`, undefined, headers)).status).toBe(401);
});

test('S3: adding a cluster shows the join token once and keeps only its hash', async () => {
  const added = await api.call('POST', `${v1}/clusters`, {
    name: 'eu-1',
    labels: { environment: 'staging' },
  });
  expect(added.status).toBe(201);
  const { joinToken, installManifest, cluster } = added.body;
  expect(cluster).toMatchObject({ name: 'eu-1', status: 'pending', project: 'default' });
  expect(installManifest).toContain(joinToken);
  const audit = await api.call('GET', `${v1}/audit?cluster=eu-1`);
  expect(audit.body.items.map(({ type }: { type: string }) => type)).toEqual([
    'JoinTokenIssued',
    'ClusterAdded',
  ]);
  expect(JSON.stringify(audit.body)).not.toContain(joinToken);

  const again = await api.call('POST', `${v1}/clusters`, { name: 'eu-1' });
  expect(again).toMatchObject({ status: 409, body: { code: 'already_exists' } });
  const another = await api.call('POST', `${v1}/clusters/eu-1:issue-join-token`);
  expect(another.body.joinToken).not.toBe(joinToken);
});

test('the install manifest is for what the request asks, and a wrong namespace is named', async () => {
  const query = 'namespaces=shop,payments&rights=impersonate&requirePolicy=true';
  const { body } = await api.call('POST', `${v1}/clusters?${query}`, { name: 'scoped-1' });
  const asked = { namespaces: ['shop', 'payments'], rights: 'impersonate', requirePolicy: true };
  expect(body.installManifest).toContain(JSON.stringify(asked));
  const path = `${v1}/clusters/scoped-1:issue-join-token`;
  expect((await api.call('POST', path)).body.installManifest).toContain('# {}');
  const refused = await api.call('POST', `${path}?namespaces=shop,Pay%22ments`);
  expect(refused).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
  expect(JSON.stringify(refused.body)).toContain('namespaces');
});

test('labels are replaced, and clusters are found by them', async () => {
  await api.call('POST', `${v1}/clusters`, { name: 'us-1', labels: { region: 'us' } });
  const labels = { region: 'us', 'example.com/tier': 'gold' };
  const changed = await api.call('PATCH', `${v1}/clusters/us-1`, { labels });
  expect(changed.body).toEqual({
    position: expect.any(Number),
    events: ['ClusterLabelsChanged'],
  });
  const path = `${v1}/clusters?label=example.com/tier=gold&atPosition=${changed.body.position}`;
  const { body } = await api.call('GET', path);
  expect(body.items.map(({ name }: { name: string }) => name)).toEqual(['us-1']);
});

test('F02: removing a cluster needs its name typed again', async () => {
  await api.call('POST', `${v1}/clusters`, { name: 'old-1' });
  const refused = await api.call('DELETE', `${v1}/clusters/old-1`);
  expect(refused).toMatchObject({
    status: 400,
    body: { code: 'request_invalid', faults: [{ path: 'confirm' }] },
  });
  const removed = await api.call('DELETE', `${v1}/clusters/old-1?confirm=old-1`);
  expect(removed.body.events).toEqual(['ClusterRemoved']);
  const path = `${v1}/clusters/old-1?atPosition=${removed.body.position}`;
  expect(await api.call('GET', path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
});

test('every fault of a request is named at once, with its place', async () => {
  const { status, body } = await api.call('POST', `${v1}/clusters`, {
    name: 'Not A Name',
    labels: { region: 'no spaces here' },
    colour: 'blue',
  });
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: 'request_invalid', remedy: expect.any(String) });
  expect(body.faults.map(({ path }: { path: string }) => path).sort()).toEqual([
    '',
    'labels.region',
    'name',
  ]);
});

test('a problem carries the request id that the answer has as a header', async () => {
  const given = await api.call('GET', `${v1}/nothing`, undefined, { 'x-request-id': 'abc-1' });
  expect(given.status).toBe(404);
  expect(given.body.requestId).toBe('abc-1');
  expect(given.headers.get('x-request-id')).toBe('abc-1');
  const made = await api.call('GET', `${v1}/nothing`, undefined, { 'x-request-id': 'a b' });
  expect(made.body.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test('a body over the limit is refused, with and without a length header', async () => {
  const large = 'x'.repeat(requestBodyBytesMax + 1);
  const answer = await api.call('POST', `${v1}/apply`, large);
  expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
  const response = await fetch(`${api.url}${v1}/apply`, {
    method: 'POST',
    headers: { authorization: `Bearer ${api.adminToken}` },
    body: new Blob([large]).stream(),
    duplex: 'half',
  } as RequestInit);
  expect(response.status).toBe(413);
});

test('apply says of each resource whether it was created, changed or unchanged', async () => {
  const first = await api.call('POST', `${v1}/apply`, resources('catalogue'));
  expect(first.body.resources).toContainEqual({
    kind: 'Pipeline',
    name: 'catalogue',
    outcome: 'created',
  });
  const second = await api.call('POST', `${v1}/apply`, resources('catalogue'));
  expect(second.body.resources.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
    'unchanged',
    'unchanged',
  ]);
  const text = resources('catalogue').replace('promote: manual', 'promote: automatic');
  const third = await api.call('POST', `${v1}/apply`, text);
  expect(third.body.resources).toContainEqual({
    kind: 'Pipeline',
    name: 'catalogue',
    outcome: 'changed',
  });
  const shown = await api.call(
    'GET',
    `${v1}/pipelines/catalogue?atPosition=${third.body.position}`,
  );
  expect(shown.body).toMatchObject({ revision: 2, repository: 'environments' });
});

test('apply changes nothing where one document of many is faulty, and names all faults', async () => {
  const before = await api.log.headPosition();
  const faulty = `${resources('payments')}
---
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: broken}
spec:
  repository: nowhere
  colour: blue
  stages:
  - {name: a, after: [b], path: p, clusters: {matchLabels: {x: y}}}
`;
  const { status, body } = await api.call('POST', `${v1}/apply`, faulty);
  expect(status).toBe(422);
  expect(body).toMatchObject({ code: 'document_invalid', title: expect.any(String) });
  expect(body.faults.length).toBeGreaterThanOrEqual(2);
  expect(await api.log.headPosition()).toBe(before);
  expect(api.readModel.findPipeline('payments')).toBeUndefined();
});

test('apply checks documents against each other: a missing repository and a path claimed twice', async () => {
  const lonely = resources('lonely').replaceAll('environments', 'nowhere').split('---')[1] ?? '';
  const missing = await api.call('POST', `${v1}/apply`, lonely);
  expect(missing.body.faults).toMatchObject([{ path: 'Pipeline lonely: spec.repository' }]);
  const twice = `${resources('one')}---${resources('two').split('---')[1]?.replaceAll('apps/two/', 'apps/one/')}`;
  const claimed = await api.call('POST', `${v1}/apply`, twice);
  expect(claimed.body.faults.length).toBeGreaterThan(0);
  expect(claimed.body.faults[0].message).toMatch(/claimed/);
});

test('one resource is put under its own name only', async () => {
  const [repository, pipeline] = resources('basket').split('---');
  await api.call('PUT', `${v1}/repositories/environments`, repository);
  const wrong = await api.call('PUT', `${v1}/pipelines/other`, pipeline);
  expect(wrong).toMatchObject({ status: 422, body: { code: 'document_invalid' } });
  const right = await api.call('PUT', `${v1}/pipelines/basket`, pipeline);
  expect(right.body.resources).toMatchObject([{ name: 'basket', outcome: 'created' }]);
});

test('AUD-03: a repository that a pipeline uses is not removed, and the refusal is on record', async () => {
  await applied('wishlist');
  const refused = await api.call('DELETE', `${v1}/repositories/environments`);
  expect(refused).toMatchObject({
    status: 409,
    body: { code: 'command_refused', rule: 'repository_in_use' },
  });
  expect(refused.body.detail).toContain('wishlist');
  await api.readModel.catchUp();
  const { body } = await api.call('GET', `${v1}/audit?type=CommandRefused&limit=1`);
  expect(body.items[0].event.code).toBe('repository_in_use');
});

test('a stage is held and resumed, and says by whom it is held', async () => {
  await applied('search', 1);
  const path = `${v1}/pipelines/search/stages/production`;
  const held = await api.call('POST', `${path}:hold`, { reason: 'stocktaking' });
  expect(held.body.events).toEqual(['StageHeld']);
  expect(held.headers.get('x-fairlead-position')).toBe(String(held.body.position));
  const shown = await api.call('GET', path, undefined, {
    'x-fairlead-min-position': String(held.body.position),
  });
  expect(shown.body.held).toMatchObject({ reason: 'stocktaking', automatic: false });
  const again = await api.call('POST', `${path}:hold`, { reason: 'again' });
  expect(again).toMatchObject({ status: 409, body: { rule: 'stage_already_held' } });
  const resumed = await api.call('POST', `${path}:resume`);
  expect(resumed.body.events).toEqual(['StageResumed']);
});

test('AUD-03: a promotion that the rules refuse is answered with the rule and recorded', async () => {
  await applied('orders', 1);
  const path = `${v1}/pipelines/orders/stages/production`;
  const refused = await api.call('POST', `${path}:promote`, { release: commitId(1).slice(-40) });
  expect(refused.status).toBeGreaterThanOrEqual(200);
  const unknown = await api.call('POST', `${path}:promote`, { release: 'ffffffff' });
  expect(unknown).toMatchObject({ status: 404, body: { code: 'not_found' } });
  const nowhere = await api.call('POST', `${v1}/pipelines/orders/stages/moon:promote`, {});
  expect(nowhere).toMatchObject({ status: 404, body: { rule: 'stage_not_found' } });
  await api.readModel.catchUp();
  const { body } = await api.call('GET', `${v1}/audit?pipeline=orders&type=CommandRefused`);
  expect(body.items[0].event).toMatchObject({ command: 'promote', code: 'stage_not_found' });
});

test('the beginning of a commit id names a release where it names one only', async () => {
  await applied('stock', 0x1000, 0x1001, 0x2000);
  const path = `${v1}/pipelines/stock/stages/staging:promote`;
  const short = commitId(0x1000).slice(0, 38);
  const ambiguous = await api.call('POST', path, { release: short });
  expect(ambiguous).toMatchObject({ status: 400, body: { faults: [{ path: 'release' }] } });
  const tooShort = await api.call('POST', path, { release: 'abc' });
  expect(tooShort).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
});

test('releases come newest first in pages that join to the whole', async () => {
  await applied('paging', ...Array.from({ length: 12 }, (_, index) => index + 1));
  const positions: number[] = [];
  let cursor = '';
  do {
    const { body } = await api.call(
      'GET',
      `${v1}/pipelines/paging/releases?limit=5${cursor && `&cursor=${cursor}`}`,
    );
    positions.push(...body.items.map(({ position }: { position: number }) => position));
    cursor = body.nextCursor ?? '';
  } while (cursor !== '');
  expect(positions).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

test.each([
  ['limit=0', 'limit'],
  ['limit=501', 'limit'],
  ['cursor=nonsense', 'cursor'],
  ['atPosition=soon', 'atPosition'],
])('the query %s is a fault at %s', async (query, path) => {
  const { status, body } = await api.call('GET', `${v1}/clusters?${query}`);
  expect(status).toBe(400);
  expect(body.faults).toMatchObject([{ path }]);
});

test('explain says what a release waits for', async () => {
  await applied('reviews', 1);
  const { status, body } = await api.call(
    'GET',
    `${v1}/pipelines/reviews/stages/production/explain?release=${commitId(1)}`,
  );
  expect(status).toBe(200);
  expect(body).toMatchObject({ pipeline: 'reviews', stage: 'production' });
  expect(body.summary.length).toBeGreaterThan(0);
  const gates = body.gates as { gate: string; passed: boolean }[];
  expect(gates.find(({ gate }) => gate === 'order')?.passed).toBe(false);
});

test('status shows each cluster and pipeline, and an offline one with its age', async () => {
  await append(
    api.log,
    streams.cluster('far-1'),
    clusterAdded('far-1'),
    clusterEnrolled('far-1'),
    clusterConnected,
    { type: 'ClusterOffline', lastSeenAt: Date.now() - 90_000 },
  );
  await applied('fleet', 3);
  const { body } = await api.call('GET', `${v1}/status`);
  const far = body.clusters.items.find(({ name }: { name: string }) => name === 'far-1');
  expect(far.status).toBe('offline');
  expect(far.offlineForMs).toBeGreaterThanOrEqual(90_000);
  const fleet = body.pipelines.items.find(({ name }: { name: string }) => name === 'fleet');
  expect(fleet).toMatchObject({ newestRelease: commitId(3) });
  expect(fleet.stages.map(({ name }: { name: string }) => name)).toEqual(['staging', 'production']);
  expect(body.position).toBe(api.readModel.position());
});

test('the audit is read forwards from a position, and its chain is verified', async () => {
  const { body } = await api.call('GET', `${v1}/audit?after=0&limit=500`);
  const positions = body.items.map(({ position }: { position: number }) => position);
  expect(positions).toEqual(positions.map((_: number, index: number) => index + 1));
  expect(body.items[0]).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
  const verified = await api.call('GET', `${v1}/audit/verify`);
  expect(verified.body).toMatchObject({ valid: true, position: await api.log.headPosition() });
});

test('a webhook needs no token: its signature over the raw body decides', async () => {
  const post = (signature: string) =>
    fetch(`${api.url}${v1}/webhooks/environments`, {
      method: 'POST',
      headers: { 'x-signature': signature },
      body: '{ "raw" :1}',
    });
  expect((await post('environments:11')).status).toBe(202);
  const refused = await post('wrong');
  expect(refused.status).toBe(401);
  expect(await refused.json()).toMatchObject({ rule: 'signature_wrong' });
});

test('R13: what a command answered is shown by a read at its position, each time', async () => {
  await api.call('POST', `${v1}/clusters`, { name: 'busy-1' });
  for (let round = 0; round < 100; round++) {
    const labels = { round: String(round) };
    const { body } = await api.call('PATCH', `${v1}/clusters/busy-1`, { labels });
    const shown = await api.call('GET', `${v1}/clusters/busy-1?atPosition=${body.position}`);
    expect(shown.body.labels).toEqual(labels);
  }
});

/** A pipeline whose one target runs three objects, as its agent said last. */
async function withTarget(pipeline: string): Promise<{ id: ReturnType<typeof clusterId> }> {
  const cluster = `${pipeline}-1`;
  await applied(pipeline, 1);
  const id = clusterId(cluster);
  await append(
    api.log,
    streams.cluster(cluster),
    clusterAdded(cluster, { environment: 'staging' }),
    clusterEnrolled(cluster),
    clusterConnected,
  );
  await append(api.log, streams.pipeline(pipeline), {
    type: 'TargetAssigned',
    stage: 'staging' as never,
    cluster: id,
    clusterName: cluster as never,
    release: commitId(1),
    generation: 1,
    path: `apps/${pipeline}/staging`,
    definitionRevision: 1,
    cause: 'late-join',
    at: 0,
  });
  await api.readModel.catchUp();
  return { id };
}

const said = (pipeline: string, change: Partial<ReturnType<typeof report>>) =>
  api.readModel.recordReports(
    [report(`${pipeline}-1`, pipeline, { commit: commitId(1), objectsTotal: 3, ...change })],
    1,
  );

test('a held prune shows its objects and is confirmed by exactly these', async () => {
  await withTarget('held');
  const object = { group: '', kind: 'ConfigMap', namespace: 'shop', name: 'old' };
  said('held', {
    sequence: 1,
    generation: 1,
    phase: 'prune-held',
    receivedAt: 1,
    pruneHeldObjects: 12,
    pruneHeld: [object],
    pruneHeldDigest: 'd1',
  });
  const path = `${v1}/pipelines/held/stages/staging`;
  const { body } = await api.call('GET', `${path}/targets`);
  expect(body.items[0].report).toMatchObject({
    pruneHeldObjects: 12,
    pruneHeld: [object],
    pruneHeldDigest: 'd1',
  });
  expect((await api.call('GET', path)).body.targets.pruneHeld).toBe(1);
  const explained = await api.call('GET', `${path}/explain`);
  const blockers = explained.body.targets.map(({ blocker }: { blocker?: string }) => blocker);
  expect(blockers.join()).toContain('fairlead confirm-prune');
  const confirm = (digest: string) =>
    api.call('POST', `${path}:confirm-prune`, { cluster: 'held-1', generation: 1, digest });
  expect(await confirm('d0')).toMatchObject({ status: 409, body: { rule: 'prune_has_changed' } });
  expect(await confirm('d1')).toMatchObject({ body: { events: ['TargetAssigned'] } });
  await api.readModel.catchUp();
  expect(api.readModel.assignmentsOf(clusterId('held-1'))).toMatchObject([
    { generation: 2, confirmedPruneGeneration: 1, confirmedPruneDigest: 'd1' },
  ]);
});

test('F02: removing a pipeline lists what it leaves, and a second order with the name and the count deletes it', async () => {
  const { id } = await withTarget('leaves');
  await api.call('DELETE', `${v1}/pipelines/leaves`);
  await api.readModel.catchUp();
  expect(api.readModel.pipelinesToAdvance()).toContain('leaves');
  const snapshot = snapshotOf({
    at: 5,
    clusters: api.readModel.clusterSnapshots(),
    reports: [],
  });
  await api.commands.pipeline(
    'leaves',
    { type: 'advance', snapshot, newIds: [] },
    { kind: 'hub', name: 'promotion' },
  );
  await api.readModel.catchUp();
  expect(api.readModel.pipelinesToAdvance()).not.toContain('leaves');
  said('leaves', { sequence: 1, generation: 2, phase: 'orphaned', receivedAt: 6 });
  const orphans = await api.call('GET', `${v1}/orphans?pipeline=leaves`);
  expect(orphans.body.items).toMatchObject([
    { cluster: 'leaves-1', disposition: 'orphan', report: { objectsTotal: 3 } },
  ]);
  const order = (body: object) => api.call('POST', `${v1}/pipelines/leaves:delete-objects`, body);
  expect(await order({ confirm: 'leavs', objects: 3 })).toMatchObject({ status: 400 });
  expect(await order({ confirm: 'leaves', objects: 2 })).toMatchObject({
    status: 409,
    body: { rule: 'objects_have_changed' },
  });
  const byCluster = await api.call('POST', `${v1}/clusters/leaves-1:delete-objects`, {
    confirm: 'leaves-1',
    objects: 3,
    reason: 'old',
  });
  expect(byCluster).toMatchObject({ status: 200, body: { events: ['TargetWithdrawn'] } });
  await api.readModel.catchUp();
  expect(api.readModel.assignmentsOf(id)).toMatchObject([
    {
      disposition: 'delete',
      generation: 3,
      apply: { deletionBudget: { objectsMax: 3, percentMax: 0 } },
    },
  ]);
  expect(api.readModel.pipelinesToAdvance()).toContain('leaves');
  const audit = await api.call('GET', `${v1}/audit?type=TargetWithdrawn&limit=1`);
  expect(audit.body.items[0]).toMatchObject({
    actor: { kind: 'person', name: 'release-engineer' },
    event: { disposition: 'delete', objectsMax: 3, reason: 'old' },
  });
});

test('what is still assigned is not deleted, in words that say what comes first', async () => {
  await withTarget('stays');
  const order = { confirm: 'stays', objects: 3 };
  expect(await api.call('POST', `${v1}/pipelines/stays:delete-objects`, order)).toMatchObject({
    status: 409,
    body: { rule: 'nothing_to_delete', detail: expect.stringContaining('stays-1 still is') },
  });
  const all = { confirm: 'stays-1', objects: 3 };
  expect(await api.call('POST', `${v1}/clusters/stays-1:delete-objects`, all)).toMatchObject({
    status: 409,
    body: { rule: 'nothing_to_delete' },
  });
});

test('F01: an agent that holds more than the log shows on its cluster, until the restore is accepted', async () => {
  await api.commands.hub({ type: 'initialise', hubId: 'h', epoch: 1 }, { kind: 'hub', name: 't' });
  const name = 'ahead-1';
  await append(api.log, streams.cluster(name), clusterAdded(name, {}), clusterEnrolled(name));
  const unit = { pipeline: 'checkout', stage: 'staging', epoch: 1, generation: 9, known: 4 };
  await api.commands.cluster(
    name,
    { type: 'record-held', ahead: [unit], heldTotal: 1, hubEpoch: 1 },
    { kind: 'hub', name: 'agent-link' },
  );
  await api.readModel.catchUp();
  const { body } = await api.call('GET', `${v1}/clusters/${name}`);
  expect(body.epochRegressed).toMatchObject({ epoch: 1, units: [unit], unitsTotal: 1 });
  const accepted = await api.call('POST', `${v1}/hub:accept-restore`, { reason: 'backup of noon' });
  expect(accepted.body).toMatchObject({ epoch: 2, events: ['EpochAdvanced'] });
});

const promotion = { kind: 'hub', name: 'promotion' } as const;

/** One look of the loop that decides. */
async function advance(pipeline: string, at: number): Promise<void> {
  const clusters = api.readModel.clusterSnapshots();
  const reports = api.readModel.snapshotOf(pipeline as never);
  const snapshot = snapshotOf({ at, clusters, reports });
  const command = { type: 'advance', snapshot, newIds: [] } as const;
  await api.commands.pipeline(pipeline, command, promotion);
  await api.readModel.catchUp();
}

test('F02: what a removed cluster ran is listed as left in place, and is out of reach', async () => {
  await withTarget('unplugged');
  await api.call('DELETE', `${v1}/clusters/unplugged-1?confirm=unplugged-1`);
  await api.readModel.catchUp();
  await advance('unplugged', 5);
  const { body } = await api.call('GET', `${v1}/orphans?pipeline=unplugged`);
  expect(body.items).toMatchObject([
    {
      cluster: 'unplugged-1',
      clusterStatus: 'removed',
      disposition: 'orphan',
      cause: 'cluster-removed',
    },
  ]);
  const order = { confirm: 'unplugged', objects: 0 };
  expect(await api.call('POST', `${v1}/pipelines/unplugged:delete-objects`, order)).toMatchObject({
    status: 409,
    body: { rule: 'nothing_to_delete' },
  });
});

test('F10: a label that takes many clusters out of a stage waits for a person, who names them', async () => {
  await withTarget('moved');
  const other = 'moved-2';
  await append(
    api.log,
    streams.cluster(other),
    clusterAdded(other, { environment: 'staging' }),
    clusterEnrolled(other),
    clusterConnected,
  );
  await append(api.log, streams.pipeline('moved'), {
    type: 'TargetAssigned',
    stage: 'staging' as never,
    cluster: clusterId(other),
    clusterName: other as never,
    release: commitId(1),
    generation: 2,
    path: 'apps/moved/staging',
    definitionRevision: 1,
    cause: 'late-join',
    at: 0,
  });
  for (const name of ['moved-1', other]) {
    await api.call('PATCH', `${v1}/clusters/${name}`, { labels: { environment: 'stagign' } });
  }
  await api.readModel.catchUp();
  await advance('moved', 5);
  const path = `${v1}/pipelines/moved/stages/staging`;
  const stage = await api.call('GET', path);
  expect(stage.body).toMatchObject({
    heldWithdrawal: { clusters: ['moved-1', other], targetsTotal: 2, cause: 'unmatched' },
    targets: { total: 2 },
  });
  const explained = await api.call('GET', `${path}/explain`);
  expect(explained.body.heldWithdrawal.clusters).toEqual(['moved-1', other]);
  const confirm = (clusters: string[]) =>
    api.call('POST', `${path}:confirm-withdrawal`, { clusters, reason: 'they move' });
  expect(await confirm(['moved-1'])).toMatchObject({ body: { rule: 'withdrawal_has_changed' } });
  expect((await confirm(['moved-1', other])).body.events).toEqual([
    'WithdrawalConfirmed',
    'TargetWithdrawn',
    'TargetWithdrawn',
  ]);
  await api.readModel.catchUp();
  expect((await api.call('GET', path)).body.heldWithdrawal).toBeUndefined();
  expect((await api.call('GET', `${v1}/orphans?pipeline=moved`)).body.items).toHaveLength(2);
});

test('PR-02: a branch that is halted is told with the stage, and a person lets the hub push over it', async () => {
  await applied('halted');
  const path = `${v1}/pipelines/halted/stages/staging`;
  const [wanted, foreign] = [commitId(1), commitId(2)];
  const overwrite = (found: string) =>
    api.call('POST', `${path}:overwrite-ref`, { found, reason: 'by mistake' });
  expect(await overwrite(foreign)).toMatchObject({ body: { rule: 'no_stage_ref_to_overwrite' } });
  await append(api.log, streams.pipeline('halted'), {
    type: 'StageRefHalted',
    stage: 'staging' as never,
    ref: 'refs/heads/fairlead/halted/staging',
    commit: wanted,
    found: foreign,
    at: 0,
  });
  await api.readModel.catchUp();
  const refNote = `it holds ${foreign}, which the hub did not put there`;
  expect((await api.call('GET', path)).body.refNote).toBe(refNote);
  expect((await api.call('GET', `${path}/explain`)).body.summary).toContain(
    'Its branch fairlead/halted/staging holds',
  );
  expect((await overwrite(foreign)).body.events).toEqual(['StageRefOverwriteAllowed']);
  await api.readModel.catchUp();
  expect((await api.call('GET', path)).body.refNote).toBeUndefined();
});
