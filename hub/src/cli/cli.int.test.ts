import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSqliteDecisionLog } from '../decision-log/index.ts';
import { createFakeHub, createTerminal, type FakeHub, type Recorded } from './testing/index.ts';
import type { TerminalOptions } from './testing/terminal.ts';

let hub: FakeHub;
let home: string;
const now = Date.parse('2026-03-02T10:00:00Z');
const before = (durationMs: number): string => new Date(now - durationMs).toISOString();

beforeEach(async () => {
  hub = await createFakeHub();
  home = mkdtempSync(join(tmpdir(), 'fairlead-cli-'));
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

const terminal = (more: Partial<TerminalOptions> = {}) =>
  createTerminal({
    at: now,
    environment: { HOME: home, FAIRLEAD_URL: hub.url, FAIRLEAD_TOKEN: 'fl_token' },
    ...more,
  });
const run = (...args: string[]) => terminal().run(...args);
const sent = () => hub.requests.map(({ method, path, body }) => ({ method, path, body }));

const cluster = {
  id: 'c1',
  name: 'eu-1',
  project: 'default',
  labels: { environment: 'staging', region: 'eu' },
  claims: {},
  status: 'connected',
  statusSince: before(3_600_000),
  lastSeenAt: before(2_000),
  agentVersion: '0.1.0',
  addedAt: before(7_200_000),
};
const join_ = {
  cluster: { ...cluster, status: 'pending' },
  joinToken: 'flj_secret',
  expiresAt: before(-600_000),
  installManifest: 'apiVersion: v1\nkind: Namespace\n',
  position: 3,
};
const stage = {
  pipeline: 'checkout',
  name: 'staging',
  after: [],
  promote: 'automatic',
  currentRelease: '5f3c0000000000000000000000000000000000aa',
  rollout: { id: 'r', release: '5f3c', state: 'running', startedAt: before(60_000) },
  health: 'unhealthy',
  healthSince: before(30_000),
  healthMessage: 'eu-2: Deployment shop/web has 0 of 2 pods ready',
  targets: { total: 4, healthy: 3, progressing: 0, failing: 1, offline: 0 },
};

describe('clusters', () => {
  test('add prints the install manifest alone, and the hint about the token apart', async () => {
    hub.answer('POST /clusters', join_);
    const { code, out, err } = await run('cluster', 'add', 'eu-1', '-l', 'a=b', '--label', 'c=d=e');
    expect({ code, out }).toEqual({ code: 0, out: join_.installManifest });
    expect(err).toContain('expires in 10m');
    expect(err).not.toContain('flj_secret');
    expect(JSON.parse(hub.requests[0]?.body ?? '')).toEqual({
      name: 'eu-1',
      labels: { a: 'b', c: 'd=e' },
    });
    expect(hub.requests[0]?.token).toBe('fl_token');
    expect((await run('cluster', 'add', 'eu-1', '-o', 'yaml')).out).toBe(join_.installManifest);
    expect(JSON.parse((await run('cluster', 'add', 'eu-1', '-o', 'json')).out)).toEqual(join_);
    expect((await run('cluster', 'add', 'eu-1', '--join-token-only')).out).toBe('flj_secret\n');
  });

  test('add and join-token ask for the manifest that the options describe', async () => {
    hub.answer('POST /clusters', join_);
    hub.answer('POST /clusters/eu-1:issue-join-token', join_);
    const options = [
      '--namespace-scope',
      'shop,payments',
      '--impersonate-only',
      '--require-policy',
    ];
    await run('cluster', 'add', 'eu-1', ...options);
    await run('cluster', 'join-token', 'eu-1', ...options);
    await run('cluster', 'join-token', 'eu-1');
    const query = '?namespaces=shop%2Cpayments&rights=impersonate&requirePolicy=true';
    expect(hub.requests.map(({ path }) => path)).toEqual([
      `/clusters${query}`,
      `/clusters/eu-1:issue-join-token${query}`,
      '/clusters/eu-1:issue-join-token',
    ]);
  });

  test('list shows each status with its age, over all pages', async () => {
    const offline = { ...cluster, name: 'us-1', status: 'offline', lastSeenAt: before(180_000) };
    hub.answer('GET /clusters', ({ path }: Recorded) =>
      path.includes('cursor=next')
        ? { items: [offline] }
        : { items: [cluster], nextCursor: 'next' },
    );
    const { out } = await run('cluster', 'list');
    const rows = out
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ['NAME', 'STATUS', 'LABELS', 'AGENT', 'LAST SEEN', 'PROJECT'],
      ['eu-1', 'connected for 1h', 'environment=staging,region=eu', '0.1.0', '2s ago', 'default'],
      ['us-1', 'offline for 3m', 'environment=staging,region=eu', '0.1.0', '3m ago', 'default'],
    ]);
    const json = await run('cluster', 'list', '--output', 'json');
    expect(JSON.parse(json.out)).toEqual([cluster, offline]);
  });

  test('label keeps the other labels', async () => {
    hub.answer('GET /clusters/eu-1', cluster);
    hub.answer('PATCH /clusters/eu-1', { position: 4, events: [] });
    const { out } = await run('cluster', 'label', 'eu-1', 'region-', 'canary=true');
    expect(out).toBe('The labels of eu-1 are environment=staging,canary=true.\n');
    expect(JSON.parse(hub.requests[1]?.body ?? '')).toEqual({
      labels: { environment: 'staging', canary: 'true' },
    });
  });

  test('remove wants the name twice', async () => {
    hub.answer('DELETE /clusters/eu-1', { position: 4, events: [] });
    expect(await run('cluster', 'remove', 'eu-1', '--confirm', 'eu-2')).toMatchObject({ code: 2 });
    expect(await run('cluster', 'remove', 'eu-1')).toMatchObject({ code: 2 });
    expect(hub.requests).toHaveLength(0);
    const removed = await run('cluster', 'remove', 'eu-1', '--confirm', 'eu-1', '--reason', 'old');
    expect(removed).toMatchObject({ code: 0 });
    expect(sent()[0]?.path).toBe('/clusters/eu-1?confirm=eu-1&reason=old');
  });
});

describe('resources', () => {
  const applied = {
    resources: [{ kind: 'Pipeline', name: 'checkout', outcome: 'changed' }],
    position: 9,
  };

  test('apply sends the document as it is, from a file or from standard input', async () => {
    const text = '# a comment\nkind: Pipeline\n';
    const file = join(home, 'p.yaml');
    writeFileSync(file, text);
    hub.answer('POST /apply', applied);
    expect(await run('apply', '-f', file)).toMatchObject({
      code: 0,
      out: 'pipeline/checkout changed\n',
    });
    await terminal({ input: text }).run('apply', '-f', '-');
    expect(hub.requests.map(({ body }) => body)).toEqual([text, text]);
    expect(hub.requests[0]?.headers['content-type']).toBe('application/yaml');
    expect(await run('apply', '-f', join(home, 'missing'))).toMatchObject({ code: 2 });
  });

  test('a refused document shows every fault at its path, and the remedy', async () => {
    hub.refuse('POST /apply', 422, {
      code: 'document_invalid',
      detail: 'The document has 2 faults.',
      remedy: 'Correct the listed places.',
      faults: [
        { path: 'spec.stages[1].after[0]', message: 'no stage has the name "stagin"' },
        { path: 'spec.exclud', message: 'unknown key' },
      ],
    });
    const { code, out, err } = await terminal({ input: 'x' }).run('apply', '-f', '-');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toBe(
      'document_invalid: The document has 2 faults.\n' +
        '  spec.stages[1].after[0]: no stage has the name "stagin"\n' +
        '  spec.exclud: unknown key\n' +
        'Remedy: Correct the listed places.\n',
    );
  });

  test('get prints one resource as YAML, and releases need a pipeline', async () => {
    const repository = { name: 'shop', url: 'https://x', branch: 'main', pollIntervalMs: 1 };
    hub.answer('GET /repositories/shop', repository);
    const { out } = await run('get', 'repositories', 'shop', '-o', 'yaml');
    expect(out).toBe('name: shop\nurl: https://x\nbranch: main\npollIntervalMs: 1\n');
    expect(await run('get', 'releases')).toMatchObject({ code: 2 });
    expect(await run('get', 'things')).toMatchObject({ code: 2 });
  });
});

test('status tells the release, phase, targets, health and why a stage waits', async () => {
  const newest = stage.currentRelease;
  const production = {
    ...stage,
    name: 'production',
    currentRelease: undefined,
    rollout: undefined,
    health: 'unknown',
    healthMessage: '',
    targets: { total: 2, healthy: 0, progressing: 2, failing: 0, offline: 0 },
  };
  const held = { reason: 'incident 7', automatic: false, since: before(120_000) };
  hub.answer('GET /status', {
    at: before(0),
    position: 1,
    clusterTotals: { connected: 5, offline: 1, revoked: 0 },
    clusters: { items: [{ ...cluster, status: 'offline', lastSeenAt: before(180_000) }] },
    pipelines: {
      items: [
        {
          name: 'checkout',
          repository: 'shop',
          newestRelease: newest,
          stages: [stage, production, { ...production, name: 'edge', held }],
        },
      ],
    },
  });
  hub.answer('GET /pipelines/checkout/stages/production/explain', {
    summary: 'waits for staging to be healthy for 30m',
    gates: [],
  });
  const { code, out } = await run('status');
  expect(code).toBe(0);
  const lines = out
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));
  expect(lines).toEqual([
    ['Clusters: 5 connected, 1 offline'],
    ['eu-1 is offline for 3m'],
    [''],
    ['STAGE', 'RELEASE', 'PHASE', 'TARGETS', 'HEALTH', 'NOTE'],
    [
      'checkout/staging',
      '5f3c000000',
      'rolling out for 1m',
      '3 of 4 healthy, 1 failing',
      'unhealthy for 30s',
      'eu-2: Deployment shop/web has 0 of 2 pods ready',
    ],
    [
      'checkout/production',
      '—',
      'no release yet',
      '0 of 2 healthy',
      'unknown',
      'waits for staging to be healthy for 30m',
    ],
    [
      'checkout/edge',
      '—',
      'no release yet',
      '0 of 2 healthy',
      'unknown',
      'held 2m ago: incident 7',
    ],
  ]);
});

describe('freezes', () => {
  const until = new Date(Date.parse(before(0)) + 7_200_000).toISOString();
  test.each<[string[], object]>([
    [['freeze', '--reason', 'why'], {}],
    [['freeze', 'checkout', '--reason', 'why'], { pipeline: 'checkout' }],
    [
      ['freeze', 'checkout/production', '--reason', 'why', '--running', 'stop'],
      { pipeline: 'checkout', stage: 'production', running: 'stop' },
    ],
    [['freeze', '--project', 'shop', '--reason', 'why', '--for', '2h'], { project: 'shop', until }],
    [
      [
        'freeze',
        '--reason',
        'why',
        '--from',
        '2026-12-20T00:00:00Z',
        '--until',
        '2026-12-27T00:00:00+01:00',
      ],
      { from: '2026-12-20T00:00:00.000Z', until: '2026-12-26T23:00:00.000Z' },
    ],
  ])('WIN-01: %j', async (args, body) => {
    hub.answer('POST /freezes', { id: 'freeze01', position: 5, events: ['FreezeDeclared'] });
    const { code, out } = await run(...args);
    expect(code).toBe(0);
    expect(out).toContain('fairlead unfreeze freeze01');
    expect(JSON.parse(hub.requests[0]?.body ?? '')).toEqual({
      reason: 'why',
      running: 'drain',
      ...body,
    });
  });

  test.each([
    [['freeze']],
    [['freeze', 'checkout', '--project', 'shop', '--reason', 'why']],
    [['freeze', '--reason', 'why', '--for', '2h', '--until', '2026-12-27T00:00:00Z']],
    [['freeze', '--reason', 'why', '--until', 'tomorrow']],
    [['unfreeze']],
  ])('%j is wrong usage, and nothing is sent', async (args) => {
    expect(await run(...args)).toMatchObject({ code: 2, out: '' });
    expect(hub.requests).toHaveLength(0);
  });

  test('they are listed and lifted', async () => {
    const freeze = { id: 'freeze01', state: 'in-force', covers: 'project shop', reason: 'why' };
    const times = { by: 'ada', running: 'drain', from: before(60_000), declaredAt: before(60_000) };
    hub.answer('GET /freezes', { items: [{ ...freeze, ...times, until }] });
    expect((await run('get', 'freezes')).out).toMatch(
      /freeze01 +project shop +in force +in 2h +drain +ada +why/,
    );
    hub.answer('POST /freezes/freeze01:lift', { position: 6, events: ['FreezeLifted'] });
    expect((await run('unfreeze', 'freeze01')).out).toContain('freeze01 is lifted');
  });
});

describe('stages', () => {
  const change = { position: 5, events: ['StageHeld'] };

  test.each<[string[], object, string]>([
    [['promote', 'checkout/production'], {}, 'promote'],
    [
      ['promote', 'checkout/production', 'abcdef1', '--force'],
      { release: 'abcdef1', force: true },
      'promote',
    ],
    [
      ['promote', 'checkout/production', '--override', 'outage'],
      { overrideReason: 'outage' },
      'promote',
    ],
    [
      ['rollback', 'checkout/production', '--reason', 'why', '--override', 'outage'],
      { reason: 'why', overrideReason: 'outage' },
      'rollback',
    ],
    [['hold', 'checkout/production', '--reason', 'why'], { reason: 'why' }, 'hold'],
    [['resume', 'checkout/production', '--reason', 'why'], { reason: 'why' }, 'resume'],
    [['abort', 'checkout/production', '--reason', 'why'], { reason: 'why' }, 'abort'],
    [
      ['abort', 'checkout/production', '--rollback', '--reason', 'why'],
      { reason: 'why', rollback: true },
      'abort',
    ],
    [['pause', 'checkout/production', '--reason', 'why'], { reason: 'why' }, 'pause'],
    [['continue', 'checkout/production', '--reason', 'why'], { reason: 'why' }, 'continue'],
    [
      ['rollback', 'checkout/production', 'abcdef1', '--reason', 'why'],
      { release: 'abcdef1', reason: 'why' },
      'rollback',
    ],
  ])('%j is sent to the stage', async (args, body, verb) => {
    hub.answer(`POST /pipelines/checkout/stages/production:${verb}`, change);
    const { code, out } = await run(...args);
    expect(code).toBe(0);
    expect(out).toContain('checkout/production');
    expect(JSON.parse(hub.requests[0]?.body ?? '')).toEqual(body);
  });

  test.each([
    [['hold', 'checkout/production']],
    [['rollback', 'checkout/production']],
    [['promote', 'checkout']],
    [['promote', 'checkout/production', 'HEAD']],
    [['promote', 'checkout/production', '-o', 'xml']],
    [['no-such-verb']],
    [[]],
  ])('%j is wrong usage, and nothing is sent', async (args) => {
    const { code, out, err } = await run(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).not.toBe('');
    expect(hub.requests).toHaveLength(0);
  });

  test('rollouts are listed with their waves and how their targets fared', async () => {
    const target = (state: string) => ({ cluster: state, state });
    hub.answer('GET /pipelines/checkout/rollouts', {
      items: [
        {
          id: 'rollout1',
          pipeline: 'checkout',
          stage: 'production',
          release: 'abcdef1234'.padEnd(40, '0'),
          kind: 'promotion',
          state: 'running',
          startedAt: new Date(Date.now() - 60_000).toISOString(),
          batch: 2,
          batches: [['a'], ['b', 'c'], ['d']],
          paused: { reason: 'look', since: new Date().toISOString() },
          targets: ['succeeded', 'failed', 'skipped', 'waiting'].map(target),
        },
      ],
    });
    const { out } = await run('get', 'rollouts', 'checkout');
    expect(out.split('\n')[1]?.split(/ {2,}/).slice(1, 7)).toEqual([
      'checkout/production',
      'abcdef1234',
      'promotion',
      'paused: look',
      '2 of 3',
      '1 of 4 healthy, 1 failed, 1 skipped',
    ]);
  });

  test('a refusal names the rule and ends with 1', async () => {
    hub.refuse('POST /pipelines/checkout/stages/production:promote', 409, {
      code: 'command_refused',
      rule: 'release_not_eligible',
      detail: 'soak: 12m left',
      remedy: 'Wait.',
    });
    const { code, err } = await run('promote', 'checkout/production');
    expect({ code, err }).toEqual({
      code: 1,
      err: 'release_not_eligible: soak: 12m left\nRemedy: Wait.\n',
    });
  });

  const held = (name: string, phase: string, generation: number) => ({
    cluster: name,
    report: {
      phase,
      generation,
      pruneHeldObjects: 14,
      pruneHeldDigest: 'd1',
      pruneHeld: [{ group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'web' }],
    },
  });

  test('confirm-prune shows the objects that the target holds back now, and confirms exactly these', async () => {
    hub.answer('GET /pipelines/checkout/stages/production/targets', {
      items: [held('eu-1', 'prune-held', 7), held('eu-2', 'settled', 8)],
    });
    hub.answer('POST /pipelines/checkout/stages/production:confirm-prune', change);
    const { code, err } = await run('confirm-prune', 'checkout/production', '--cluster', 'eu-1');
    const text =
      'eu-1 holds back the deletion of 14 objects:\n  Deployment.apps shop/web\n  and 13 more\n';
    expect({ code, err }).toEqual({ code: 0, err: text });
    expect(JSON.parse(hub.requests[1]?.body ?? '')).toEqual({
      cluster: 'eu-1',
      generation: 7,
      digest: 'd1',
    });
    const before = hub.requests.length;
    const shown = await run('confirm-prune', 'checkout/production', '--cluster', 'eu-1', '--show');
    expect(shown).toMatchObject({ code: 0, out: text });
    expect(hub.requests.slice(before).map(({ method }) => method)).toEqual(['GET']);
    expect(await run('confirm-prune', 'checkout/production', '--cluster', 'eu-2')).toMatchObject({
      code: 3,
    });
  });

  test('F10: confirm-withdrawal names the targets that would leave, and sends their names back', async () => {
    const heldWithdrawal = { clusters: ['eu-1', 'eu-2'], targetsTotal: 3, cause: 'unmatched' };
    hub.answer('GET /pipelines/checkout/stages/production', { ...stage, heldWithdrawal });
    hub.answer('POST /pipelines/checkout/stages/production:confirm-withdrawal', change);
    const shown = await run('confirm-withdrawal', 'checkout/production', '--show');
    expect(shown.out).toBe('2 of 3 targets leave: eu-1, eu-2\n');
    expect(await run('confirm-withdrawal', 'checkout/production')).toMatchObject({ code: 0 });
    expect(JSON.parse(hub.requests.at(-1)?.body ?? '')).toEqual({
      clusters: ['eu-1', 'eu-2'],
      reason: '',
    });
  });

  test('PR-02: overwrite-ref names the commit that is given up, and why', async () => {
    hub.answer('POST /pipelines/checkout/stages/production:overwrite-ref', change);
    const found = 'f'.repeat(40);
    const words = ['overwrite-ref', 'checkout/production', '--found', found];
    const done = await run(...words, '--reason', 'by mistake');
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toContain('The branch of checkout/production will be pushed over ffffffff');
    expect(JSON.parse(hub.requests.at(-1)?.body ?? '')).toEqual({ found, reason: 'by mistake' });
    expect(await run(...words)).toMatchObject({ code: 2 });
  });

  const orphan = (name: string, objectsTotal: number, clusterStatus = 'connected') => ({
    pipeline: 'checkout',
    stage: 'production',
    cluster: name,
    clusterStatus,
    disposition: 'orphan',
    cause: 'pipeline-removed',
    generation: 9,
    assignedAt: '2026-01-01T00:00:00.000Z',
    report: { generation: 9, phase: 'orphaned', message: '', objectsTotal, current: true },
  });

  test.each([
    ['delete-objects', '/pipelines/checkout:delete-objects', 'checkout'],
    ['cluster delete-objects', '/clusters/checkout:delete-objects', 'checkout'],
  ])(
    'F02: %s shows what would go, and orders it only with the name again',
    async (verb, path, name) => {
      hub.answer('GET /orphans', {
        items: [orphan('eu-1', 4), orphan('eu-2', 5), orphan('eu-3', 9, 'removed')],
      });
      hub.answer(`POST ${path}`, change);
      const shown = await run(...verb.split(' '), name);
      expect(shown.code).toBe(2);
      expect(shown.err).toContain(
        '9 objects would be deleted. Nothing was: add --confirm checkout',
      );
      const wrong = await run(...verb.split(' '), name, '--confirm', 'chekout');
      expect(wrong.code).toBe(2);
      expect(hub.requests.every(({ method }) => method === 'GET')).toBe(true);
      const ordered = await run(...verb.split(' '), name, '--confirm', name, '--reason', 'old');
      expect(ordered).toMatchObject({ code: 0 });
      expect(JSON.parse(hub.requests.at(-1)?.body ?? '')).toEqual({
        confirm: name,
        objects: 9,
        reason: 'old',
      });
    },
  );

  test('F03: get orphans says that an order has expired', async () => {
    const expired = { ...orphan('eu-1', 4), cause: 'deletion-expired' };
    hub.answer('GET /orphans', { items: [expired] });
    expect((await run('get', 'orphans')).out).toContain('left in place, the order expired');
  });

  test('F01: accept-restore says what each cluster must be told', async () => {
    hub.answer('POST /hub:accept-restore', { position: 9, events: ['EpochAdvanced'], epoch: 3 });
    const { out } = await run('hub', 'accept-restore', '--reason', 'restored the backup of noon');
    expect(out).toContain('FAIRLEAD_ACCEPTED_EPOCH=3');
  });

  test('explain lists each gate with what clears it', async () => {
    hub.answer('GET /pipelines/checkout/stages/production/explain', {
      pipeline: 'checkout',
      stage: 'production',
      release: stage.currentRelease,
      summary: 'waits for soak',
      gates: [
        { gate: 'order', passed: true, detail: 'staging has it', evidence: {} },
        {
          gate: 'soak',
          passed: false,
          detail: '12m left',
          clearsAt: before(-720_000),
          evidence: {},
        },
      ],
      targets: [
        { cluster: 'eu-1' },
        { cluster: 'eu-2', blocker: 'eu-2 said waiting: web has no image.' },
      ],
    });
    const { out } = await run('explain', 'checkout/production', '5f3c000');
    expect(sent()[0]?.path).toMatch(/explain\?release=5f3c000$/);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ['checkout/production, release 5f3c000000: waits for soak'],
      [''],
      ['GATE', 'PASSED', 'DETAIL', 'CLEARS'],
      ['order', 'yes', 'staging has it'],
      ['soak', 'no', '12m left', 'in 12m'],
      ['- eu-2 said waiting: web has no image.'],
    ]);
  });
});

describe('wait', () => {
  const release = (state?: string) => ({
    commit: stage.currentRelease,
    orphaned: false,
    stages: state === undefined ? [] : [{ stage: 'production', state, current: true }],
  });
  const answerInTurn = (...pages: object[]) => {
    let turn = 0;
    hub.answer('GET /pipelines/checkout/releases', () => ({
      items: [pages[Math.min(turn++, pages.length - 1)]].filter(Boolean),
    }));
  };
  const wait = (more: string[] = [], options: Partial<TerminalOptions> = {}) =>
    terminal(options).run('wait', 'checkout/production', '--release', '5f3c000', ...more);

  test('ends with 0 when the release has succeeded', async () => {
    answerInTurn(release(), release('rolling-out'), release('succeeded'));
    expect(await wait()).toMatchObject({
      code: 0,
      out: '5f3c000 in checkout/production has succeeded.\n',
    });
    expect(hub.requests).toHaveLength(3);
  });

  test('ends with 1 at once when it can only fail', async () => {
    answerInTurn(release('failed'));
    expect(await wait()).toMatchObject({ code: 1 });
    expect(await wait(['--for', 'failed'])).toMatchObject({ code: 0 });
  });

  test('ends with 5 after the timeout, saying what it saw last', async () => {
    answerInTurn(release('rolling-out'));
    const { code, err } = await wait(['--timeout', '1m'], { stepMs: 40_000 });
    expect(code).toBe(5);
    expect(err).toContain('rolling-out');
  });
});

describe('connection', () => {
  test('a hub that is away ends with 4, a missing resource with 3', async () => {
    const away = await run('status', '--url', 'http://127.0.0.1:1');
    expect(away.code).toBe(4);
    expect(away.err).toContain('http://127.0.0.1:1');
    hub.refuse('GET /clusters/x', 404, { code: 'not_found', detail: 'No cluster has the name x.' });
    expect(await run('cluster', 'show', 'x')).toMatchObject({
      code: 3,
      err: 'not_found: No cluster has the name x.\n',
    });
    hub.refuse('GET /status', 503, { code: 'unavailable', detail: 'starting' });
    expect(await run('status')).toMatchObject({ code: 4 });
  });

  test('a name from a person cannot leave its place in the path', async () => {
    await run('cluster', 'show', '../status?x=1');
    expect(sent()[0]?.path).toBe('/clusters/..%2Fstatus%3Fx%3D1');
  });

  test('login checks the token, keeps it for its owner alone, and only for that address', async () => {
    hub.answer('GET /status', {});
    hub.answer('GET /clusters', { items: [] });
    const environment = { HOME: home };
    const first = createTerminal({ environment, input: 'fl_kept\n' });
    const login = await first.run('login', '--url', hub.url, '--token-stdin');
    expect(login).toMatchObject({ code: 0 });
    const path = join(home, '.config/fairlead/config.yaml');
    expect(readFileSync(path, 'utf8')).toBe(`url: ${hub.url}\ntoken: fl_kept\n`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await createTerminal({ environment }).run('cluster', 'list');
    expect(hub.requests.at(-1)?.token).toBe('fl_kept');

    await using other = await createFakeHub();
    other.answer('GET /clusters', { items: [] });
    await createTerminal({ environment }).run('cluster', 'list', '--url', other.url);
    expect(other.requests[0]?.token).toBeUndefined();
  });

  test('a refused login keeps nothing', async () => {
    hub.refuse('GET /status', 401, { code: 'unauthenticated', detail: 'No.' });
    const refused = await createTerminal({ environment: { HOME: home } }).run(
      ...['login', '--url', hub.url, '--token', 'bad'],
    );
    expect(refused.code).toBe(1);
    expect(() => statSync(join(home, '.config'))).toThrow();
  });
});

describe('audit and events', () => {
  const entry = (position: number, message?: string) => ({
    position,
    at: before(0),
    stream: 'pipeline/checkout',
    type: 'RolloutFailed',
    actor: { kind: 'hub', name: 'promoter' },
    pipeline: 'checkout',
    stage: 'production',
    commit: stage.currentRelease,
    hash: 'h',
    event: { type: 'RolloutFailed', message },
  });

  test('list stops at its limit, and export writes every entry as a line', async () => {
    hub.answer('GET /audit', ({ path }: Recorded) =>
      path.includes('cursor=')
        ? { items: [entry(3)] }
        : { items: [entry(1), entry(2)], nextCursor: 'x' },
    );
    const { out } = await run('audit', 'list', '--limit', '2', '--pipeline', 'checkout');
    expect(out.trim().split('\n')).toHaveLength(3);
    expect(sent()[0]?.path).toContain('pipeline=checkout');
    const file = join(home, 'audit.jsonl');
    expect(await run('audit', 'export', '--file', file)).toMatchObject({ code: 0 });
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).position)).toEqual([1, 2, 3]);
    expect(await run('audit', 'export', '--file', file)).toMatchObject({ code: 2 });
  });

  test('verify ends with 1 for a broken chain and names the entry', async () => {
    hub.answer('GET /audit/verify', { valid: false, position: 17, reason: 'hash differs' });
    expect(await run('audit', 'verify')).toMatchObject({
      code: 1,
      err: 'The log is broken at entry 17: hash differs\n',
    });
    hub.answer('GET /audit/verify', { valid: true, position: 17 });
    expect(await run('audit', 'verify')).toMatchObject({
      code: 0,
      out: 'The log is whole up to entry 17.\n',
    });
  });

  test('verify --database says that a file is missing and does not make it', async () => {
    const path = join(home, 'log.sqlite');
    expect(await run('audit', 'verify', '--database', path)).toMatchObject({ code: 3 });
    expect(() => statSync(path)).toThrow();
  });

  test('verify --database walks a log on this machine, without a hub', async () => {
    const path = join(home, 'log.sqlite');
    const log = await openSqliteDecisionLog({ path });
    await log.append({
      stream: 'hub',
      expectedVersion: 0,
      events: [{ type: 'HubInitialised', hubId: 'h', epoch: 1 }],
      actor: { kind: 'hub', name: 'test' },
      at: now,
    });
    await log.close();
    const { code, out } = await run('audit', 'verify', '--database', path, '-o', 'json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ valid: true, position: 1 });
    writeFileSync(path, 'not a database, but long enough to be looked at'.repeat(100));
    expect(await run('audit', 'verify', '--database', path)).toMatchObject({ code: 1 });
  });

  test('events --follow goes on after the last entry when the connection is cut', async () => {
    const ids: (string | undefined)[] = [];
    const second = Promise.withResolvers<void>();
    hub.answer('GET /events', ({ headers }: Recorded, response: ServerResponse) => {
      ids.push(headers['last-event-id']?.toString());
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const at = ids.length;
      response.write(`: keep-alive\n\nid: ${at}\ndata: ${JSON.stringify(entry(at, 'late'))}\n\n`);
      if (at === 1) response.end();
      else second.resolve();
    });
    const following = terminal();
    const ended = following.run('events', '--follow');
    await second.promise;
    await expect.poll(following.printed, { timeout: 5_000 }).toMatch(/\n.*\n/);
    following.interrupt();
    expect(await ended).toMatchObject({ code: 0 });
    expect(ids).toEqual([undefined, '1']);
    expect(following.printed().split('\n')[0]).toBe(
      `${before(0)}  RolloutFailed checkout/production 5f3c000000 late by hub promoter`,
    );
  });
});

test('hub and agent become programs of the workspace', async () => {
  const shell = terminal();
  await shell.run('hub');
  await shell.run('agent');
  await shell.run('health', '-f', 'a.yaml', '-', '-o', 'json', '--checks', 'checks.yaml');
  expect(shell.programs).toEqual([
    'hub',
    'agent',
    'health --file=a.yaml --file=- --checks=checks.yaml --output=json',
  ]);
});

test('health judges files without a hub, by the rules of the agent', () => {
  const command = fileURLToPath(new URL('../../bin/fairlead.js', import.meta.url));
  const object = {
    apiVersion: 'velero.io/v1',
    kind: 'Backup',
    metadata: { name: 'b' },
    status: { phase: 'PartiallyFailed' },
  };
  const judge = (input: string) =>
    spawnSync(process.execPath, [command, 'health', '-f', '-', '-o', 'json'], {
      input,
      encoding: 'utf8',
    });
  const { status, stdout } = judge(JSON.stringify({ id: 'x', object }));
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject([
    { id: 'x', kind: 'Backup', name: 'b', status: 'Degraded' },
  ]);
  const refused = judge('kind: Backup');
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain('standard input: document 1 lacks apiVersion');
});

test('read-model rebuild deletes nothing but the read model of a hub', async () => {
  expect(await run('read-model', 'rebuild', '--data-dir', home)).toMatchObject({ code: 3 });
  for (const name of ['decision-log.sqlite', 'read-model.sqlite', 'read-model.sqlite-wal']) {
    writeFileSync(join(home, name), '');
  }
  expect(await run('read-model', 'rebuild', '--data-dir', home)).toMatchObject({ code: 0 });
  expect(statSync(join(home, 'decision-log.sqlite')).isFile()).toBe(true);
  expect(() => statSync(join(home, 'read-model.sqlite'))).toThrow();
  expect(() => statSync(join(home, 'read-model.sqlite-wal'))).toThrow();
});

test('the launcher runs the command line and passes its exit code on', async () => {
  const launcher = fileURLToPath(new URL('../../bin/fairlead.js', import.meta.url));
  const launch = (...args: string[]) =>
    promisify(execFile)(process.execPath, [launcher, ...args], {
      env: { HOME: home, FAIRLEAD_URL: 'http://127.0.0.1:1' },
    });
  expect((await launch('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  await expect(launch('status')).rejects.toMatchObject({
    code: 4,
    stderr: expect.stringContaining('unreachable'),
  });
});
