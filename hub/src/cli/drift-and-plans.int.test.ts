import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFakeHub, createTerminal, type FakeHub } from './testing/index.ts';

let hub: FakeHub;
const now = Date.parse('2026-03-02T10:00:00Z');
const commit = '5f3c0000000000000000000000000000000000aa';

beforeEach(async () => {
  hub = await createFakeHub();
});
afterEach(() => hub[Symbol.asyncDispose]());

const run = (...args: string[]) =>
  createTerminal({
    at: now,
    environment: { FAIRLEAD_URL: hub.url, FAIRLEAD_TOKEN: 'fl_token' },
  }).run(...args);
const sent = () => hub.requests.map(({ method, path, body }) => [method, path, body]);

const web = { group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'web' };
const differences = [
  { path: 'spec.replicas', live: 7, desired: 1 },
  { path: 'spec.paused', live: true },
];

describe('fairlead drift', () => {
  const drift = {
    pipeline: 'checkout',
    stage: 'staging',
    cluster: 'eu-1',
    generation: 4,
    commit,
    receivedAt: new Date(now - 60_000).toISOString(),
    current: true,
    object: web,
    state: 'fight',
    change: 'changed',
    managers: ['kubectl-edit'],
    differences,
    differencesTotal: 5,
  };

  test('has a line for each field, and the object on the first', async () => {
    hub.answer('GET /drift', { items: [drift] });
    expect(await run('drift', 'checkout/staging', '--cluster', 'eu-1')).toMatchObject({
      code: 0,
      out: `STAGE             CLUSTER  OBJECT               STATE                 BY            REPORTED  FIELD
checkout/staging  eu-1     Deployment shop/web  changed, fought over  kubectl-edit  1m ago    spec.replicas: 7 -> 1
                                                                                              spec.paused: true -> (none)
                                                                                              and 3 more
`,
    });
    expect(sent()[0]?.[1]).toBe('/drift?limit=200&pipeline=checkout&stage=staging&cluster=eu-1');
  });

  test('without drift says so, and gives documents to programs', async () => {
    hub.answer('GET /drift', { items: [] });
    expect((await run('drift')).out).toMatch(/^No drift/);
    hub.answer('GET /drift', { items: [drift] });
    expect(JSON.parse((await run('drift', '-o', 'json')).out)).toEqual([drift]);
  });
});

describe('fairlead plan and diff', () => {
  const totals = { create: 0, configure: 0, unchanged: 0, prune: 0, keep: 0, refuse: 0 };
  const planned = {
    cluster: 'eu-1',
    release: commit,
    path: 'apps/staging',
    objects: [
      {
        object: { group: '', kind: 'ConfigMap', namespace: 'shop', name: 'new' },
        action: 'create',
        differences: [],
        differencesTotal: 0,
        message: '',
      },
      { object: web, action: 'configure', differences, differencesTotal: 3, message: '' },
      {
        object: { group: '', kind: 'Namespace', namespace: '', name: 'old' },
        action: 'keep',
        differences: [],
        differencesTotal: 0,
        message: 'an annotation disables its pruning',
      },
    ],
    totals: { ...totals, create: 1, configure: 1, unchanged: 5, keep: 1 },
    objectsTruncated: 0,
  };
  const answer = (changes: boolean, ...clusters: object[]) =>
    hub.answer('POST /pipelines/checkout/stages/staging:plan', {
      pipeline: 'checkout',
      stage: 'staging',
      changes,
      clusters,
    });

  test('show what would change, field by field', async () => {
    answer(true, planned);
    const result = await run('plan', 'checkout/staging', commit, '--cluster', 'eu-1');
    expect(result).toMatchObject({
      code: 0,
      out: `checkout/staging in eu-1, release 5f3c000000: 1 to create, 1 to change, 1 kept, 5 unchanged
  + ConfigMap shop/new
  ~ Deployment shop/web
      spec.replicas: 7 -> 1
      spec.paused: true -> (none)
      and 1 more fields
  = Namespace old: an annotation disables its pruning
`,
    });
    expect(JSON.parse(String(sent()[0]?.[2]))).toEqual({ release: commit, cluster: 'eu-1' });
  });

  test('ask about the newest release, and about the assigned one', async () => {
    answer(false, { ...planned, objects: [], totals: { ...totals, unchanged: 7 } });
    expect((await run('plan', 'checkout/staging')).out).toMatch(/: 7 unchanged\n$/);
    await run('diff', 'checkout/staging');
    expect(sent().map(([, , body]) => JSON.parse(String(body)))).toEqual([
      { assigned: false },
      { assigned: true },
    ]);
  });

  test('exit with 6 when something would change, only where that was asked for', async () => {
    answer(true, planned);
    expect(await run('diff', 'checkout/staging', '--exit-code')).toMatchObject({ code: 6 });
    expect(await run('diff', 'checkout/staging')).toMatchObject({ code: 0 });
    answer(false, { ...planned, objects: [], totals: { ...totals, unchanged: 7 } });
    expect(await run('diff', 'checkout/staging', '--exit-code')).toMatchObject({ code: 0 });
  });

  test('a cluster that does not answer is a failure beside the plans of the others', async () => {
    const error = 'its agent is not connected to this hub; ask again';
    answer(true, planned, { cluster: 'eu-2', error, objects: [], totals, objectsTruncated: 0 });
    const result = await run('plan', 'checkout/staging');
    expect(result).toMatchObject({ code: 1, err: `No plan of eu-2: ${error}\n` });
    expect(result.out).toMatch(/in eu-1/);
  });

  test('what the API server would refuse is a failure', async () => {
    const refused = { ...planned.objects[1], action: 'refuse', message: 'field is immutable' };
    answer(true, { ...planned, objects: [refused], totals: { ...totals, refuse: 1 } });
    const result = await run('plan', 'checkout/staging');
    expect(result.code).toBe(1);
    expect(result.out).toContain('! Deployment shop/web: field is immutable');
  });
});

test('events and the audit list show the fields of a repair', async () => {
  const entry = {
    position: 9,
    at: new Date(now).toISOString(),
    stream: 'agent/eu-1',
    type: 'AgentAudited',
    actor: { kind: 'agent', name: 'eu-1' },
    pipeline: 'checkout',
    stage: 'staging',
    cluster: 'eu-1',
    commit,
    hash: 'h',
    event: {
      type: 'AgentAudited',
      kind: 'DriftRepaired',
      message: 'Deployment shop/web was changed by kubectl-edit: spec.replicas; restored',
      details: { differences, managers: ['kubectl-edit'] },
    },
  };
  hub.answer('GET /audit', { items: [entry] });
  const fields = '(spec.replicas: 7 -> 1; spec.paused: true -> (none))';
  expect((await run('events')).out).toContain(`restored ${fields} by agent eu-1`);
  expect((await run('audit', 'list')).out).toContain(fields);
});
