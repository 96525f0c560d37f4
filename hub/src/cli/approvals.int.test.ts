import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFakeHub, createTerminal, type FakeHub } from './testing/index.ts';

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
const run = (...args: string[]) =>
  createTerminal({
    at: now,
    environment: { HOME: home, FAIRLEAD_URL: hub.url, FAIRLEAD_TOKEN: 'fl_token' },
  }).run(...args);
const sent = () =>
  hub.requests
    .filter(({ method }) => method !== 'GET')
    .map(({ method, path, body }) => ({ method, path, body: body === '' ? {} : JSON.parse(body) }));

const commit = '5f3c0000000000000000000000000000000000aa';
const approval = {
  id: 'request1',
  pipeline: 'checkout',
  stage: 'production',
  release: commit,
  state: 'open',
  definitionRevision: 3,
  requestedAt: before(60_000),
  expiresAt: before(-3_600_000),
  required: 2,
  from: ['group:release-managers'],
  including: ['group:security'],
  votes: [{ subject: 'ada', comment: '', at: before(1_000) }],
};
const other = { ...approval, id: 'request2', release: commit.replace('5f3c', '6f3c') };
const change = { position: 7, events: ['ApprovalGiven'] };
const stage = '/pipelines/checkout/stages/production';

describe('votes', () => {
  beforeEach(() => {
    hub.answer(`POST ${stage}:approve`, change);
    hub.answer(`POST ${stage}:reject`, change);
    hub.answer(`POST ${stage}:withdraw-approval`, change);
  });

  test('GATE-01: approve names the release and the request that it has shown', async () => {
    hub.answer('GET /approvals', { items: [approval] });
    const { code, out, err } = await run('approve', 'checkout/production', '--comment', 'seen');
    expect({ code, out }).toEqual({
      code: 0,
      out: '5f3c000000 is approved for checkout/production.\n',
    });
    expect(err).toContain('Request request1: 5f3c000000 for checkout/production');
    expect(sent()).toEqual([
      {
        method: 'POST',
        path: `${stage}:approve`,
        body: { release: commit, requestId: 'request1', comment: 'seen' },
      },
    ]);
  });

  test('among several requests none is guessed, and without any nothing is sent', async () => {
    hub.answer('GET /approvals', { items: [approval, other] });
    const several = await run('approve', 'checkout/production');
    expect(several.code).toBe(2);
    expect(several.err).toContain('5f3c000000, 6f3c000000');
    expect((await run('approve', 'checkout/production', '--request', 'request2')).code).toBe(0);
    expect(sent()).toMatchObject([{ body: { release: other.release, requestId: 'request2' } }]);
    hub.answer('GET /approvals', { items: [] });
    expect((await run('reject', 'checkout/production', '--reason', 'x')).code).toBe(3);
    expect(sent()).toHaveLength(1);
  });

  test('GATE-07: a release that is named can be approved before it is asked about', async () => {
    hub.answer('GET /approvals', { items: [] });
    expect((await run('approve', 'checkout/production', '5f3c0000')).code).toBe(0);
    expect(sent()[0]?.body).toEqual({ release: '5f3c0000', comment: '' });
  });

  test('GATE-05: reject wants a reason, and an approval is taken back', async () => {
    hub.answer('GET /approvals', { items: [approval] });
    expect((await run('reject', 'checkout/production')).code).toBe(2);
    await run('reject', 'checkout/production', '--reason', 'not now');
    await run('withdraw-approval', 'checkout/production');
    expect(sent().map(({ path, body }) => [path, body])).toEqual([
      [`${stage}:reject`, { release: commit, requestId: 'request1', reason: 'not now' }],
      [`${stage}:withdraw-approval`, { release: commit }],
    ]);
  });

  test('get approvals shows who voted, who may, and until when', async () => {
    hub.answer('GET /approvals', { items: [approval] });
    const { out } = await run('get', 'approvals');
    expect(out).toMatch(
      /checkout\/production +5f3c000000 +1 of 2 +ada +group:release-managers, group:security +1m ago +in 1h +request1/,
    );
    hub.answer('GET /approvals', { items: [] });
    expect((await run('get', 'approvals', 'checkout')).out).toBe('Nothing waits for approvals.\n');
    expect(hub.requests.at(-1)?.path).toContain('pipeline=checkout');
  });
});

test('GATE-11: CI reports a status, and a repetition is told as such', async () => {
  hub.answer('POST /repositories/shop/statuses', { position: 1, events: ['StatusReported'] });
  const report = (...args: string[]) => run('report-status', 'shop', commit, ...args);
  const link = 'https://ci.example.com/7';
  const { out } = await report('--name', 'load-test', '--state', 'success', '--link', link);
  expect(out).toBe('load-test of 5f3c000000 is success.\n');
  expect(sent()[0]?.body).toEqual({
    commit,
    name: 'load-test',
    state: 'success',
    description: '',
    url: link,
  });
  hub.answer('POST /repositories/shop/statuses', { position: 1, events: [] });
  expect((await report('--name', 'a', '--state', 'success')).out).toContain('already');
  expect((await report('--name', 'a', '--state', 'good')).code).toBe(2);
  expect(
    (await run('report-status', 'shop', '5f3c0000', '--name', 'a', '--state', 'success')).code,
  ).toBe(2);
});

describe('hotfixes', () => {
  test('RB-11: promote names the gates and the reason, and never one without the other', async () => {
    hub.answer(`POST ${stage}:promote`, change);
    const hotfix = ['promote', 'checkout/production', '5f3c0000', '--hotfix', 'order,health'];
    expect((await run(...hotfix)).code).toBe(2);
    expect((await run('promote', 'checkout/production', '--reason', 'x')).code).toBe(2);
    expect((await run(...hotfix, '--reason', 'the shop is down')).code).toBe(0);
    expect(sent().map(({ body }) => body)).toEqual([
      {
        release: '5f3c0000',
        hotfix: { bypass: ['order', 'health'], reason: 'the shop is down' },
      },
    ]);
  });

  test('RB-12: status and explain show what passed without a gate, and what is ahead', async () => {
    const stages = [
      {
        pipeline: 'checkout',
        name: 'production',
        after: ['staging'],
        promote: 'automatic',
        currentRelease: commit,
        rollout: { id: 'r', release: commit, state: 'succeeded', startedAt: before(60_000) },
        health: 'healthy',
        healthMessage: '',
        targets: { total: 1, healthy: 1, progressing: 0, failing: 0, offline: 0, pruneHeld: 0 },
        ahead: { release: commit, notIn: ['staging'] },
      },
    ];
    hub.answer('GET /status', {
      clusterTotals: {},
      clusters: { items: [] },
      pipelines: {
        items: [{ name: 'checkout', repository: 'shop', newestRelease: commit, stages }],
      },
    });
    expect((await run('status')).out).toContain('runs the hotfix 5f3c000000, not yet in staging');
    const gates = [
      {
        gate: 'order',
        passed: false,
        detail: 'Not in staging.',
        evidence: {},
        bypassed: { by: 'ada', reason: 'the shop is down' },
      },
    ];
    hub.answer(`GET ${stage}/explain`, {
      pipeline: 'checkout',
      stage: 'production',
      summary: 'It goes.',
      gates,
      targets: [],
    });
    expect((await run('explain', 'checkout/production')).out).toMatch(
      /order +bypassed +Not in staging\. Passed without it by ada: the shop is down/,
    );
  });
});

describe('tokens', () => {
  const token = {
    id: 't1',
    name: 'ada-laptop',
    role: 'viewer',
    subject: 'ada',
    groups: ['release-managers'],
    emails: ['ada@example.com'],
    permissions: ['approve', 'promote'],
    issuedAt: before(60_000),
  };

  test('create says whose it is and prints the token alone', async () => {
    hub.answer('POST /tokens', { id: 't1', name: 'ada-laptop', token: 'fl_new', position: 3 });
    const of = [
      '--group',
      'a',
      '--group',
      'b',
      '--email',
      'ada@example.com',
      '--permission',
      'approve',
    ];
    const { out } = await run('token', 'create', 'ada-laptop', '--subject', 'ada', ...of);
    expect(out).toBe('fl_new\n');
    expect(sent()[0]?.body).toEqual({
      name: 'ada-laptop',
      role: 'viewer',
      subject: 'ada',
      groups: ['a', 'b'],
      emails: ['ada@example.com'],
      permissions: ['approve'],
    });
  });

  test('list shows the good ones, and revoke finds one by its name', async () => {
    const revoked = { ...token, id: 't0', subject: 'eve', revokedAt: before(1_000) };
    hub.answer('GET /tokens', { items: [revoked, token] });
    hub.answer('DELETE /tokens/t1', { position: 4, events: ['TokenRevoked'] });
    const { out } = await run('token', 'list');
    expect(out).toMatch(
      /ada-laptop +ada +release-managers +ada@example.com +read, approve, promote/,
    );
    expect(out).not.toContain('eve');
    expect((await run('token', 'revoke', 'ada-laptop')).out).toBe(
      'The token ada-laptop is revoked.\n',
    );
    expect((await run('token', 'revoke', 'nobody')).code).toBe(3);
    expect(sent()).toMatchObject([{ method: 'DELETE', path: '/tokens/t1' }]);
  });
});
