import { specify } from '@fairlead/shared/testing';
import { expect, test } from 'vitest';
import type { HubEvent } from '../events.ts';
import { decideHub, evolveHub, initialHubState, peopleOf, permissions } from './index.ts';

const given = specify({ initialState: initialHubState, decide: decideHub, evolve: evolveHub });
const initialised: HubEvent = { type: 'HubInitialised', hubId: 'hub', epoch: 3 };
const issued: HubEvent = {
  type: 'TokenIssued',
  tokenId: 't1',
  name: 'ci',
  hash: 'h',
  role: 'admin',
};

test('a hub is initialised once', () => {
  const again = given([initialised]).when({ type: 'initialise', hubId: 'other', epoch: 1 });
  expect(again.result).toMatchObject({ ok: false, error: { code: 'hub_already_initialised' } });
});

test.each([
  [3, false],
  [4, true],
])('F01: the epoch only grows: 3 to %i is allowed: %s', (epoch, allowed) => {
  const { result } = given([initialised]).when({ type: 'advance-epoch', epoch, reason: 'restore' });
  expect(result.ok).toBe(allowed);
});

const engineer = {
  subject: 'ada',
  groups: ['release-managers'],
  emails: ['Ada@example.com'],
  permissions: ['approve', 'manage-tokens'] as const,
};

test('GATE-03: two tokens of one subject are one person with what both say', () => {
  const one: HubEvent = {
    ...issued,
    tokenId: 't2',
    name: 'ada-laptop',
    role: 'viewer',
    ...engineer,
  };
  const two: HubEvent = {
    ...one,
    tokenId: 't3',
    name: 'ada-phone',
    groups: ['on-call'],
    emails: ['ada@home.example'],
    permissions: ['rollback'],
  };
  const { state } = given([one, two]).when({ type: 'revoke-token', tokenId: 'nothing' });
  expect(peopleOf(state.tokens.values())).toEqual([
    {
      subject: 'ada',
      groups: ['release-managers', 'on-call'],
      emails: ['Ada@example.com', 'ada@home.example'],
      permissions: ['approve', 'rollback', 'manage-tokens'],
    },
  ]);
});

test('GATE-04: what only a revoked token said of a person is not so any more', () => {
  const one: HubEvent = { ...issued, tokenId: 't2', name: 'a', role: 'viewer', subject: 'ada' };
  const two: HubEvent = { ...one, tokenId: 't3', name: 'b', groups: ['release-managers'] };
  const { state } = given([one, two]).when({ type: 'revoke-token', tokenId: 't3' });
  expect(peopleOf(state.tokens.values())).toMatchObject([{ subject: 'ada', groups: [] }]);
});

test('a token of the first version stands for itself: an administrator may do everything, a viewer reads', () => {
  const viewer: HubEvent = { ...issued, tokenId: 't2', name: 'board', role: 'viewer' };
  const { state } = given([issued, viewer]).when({ type: 'revoke-token', tokenId: 'nothing' });
  expect(peopleOf(state.tokens.values())).toEqual([
    { subject: 'board', groups: [], emails: [], permissions: [] },
    { subject: 'ci', groups: [], emails: [], permissions },
  ]);
});

test('nobody issues a token with a right that they lack', () => {
  const issue = { type: 'issue-token', tokenId: 't2', name: 'x', hash: 'h', by: engineer } as const;
  const refusal = { ok: false, error: { code: 'permission_missing' } };
  expect(given([]).when({ ...issue, role: 'admin' }).result).toMatchObject(refusal);
  const rights = { role: 'viewer', permissions: ['approve', 'promote'] } as const;
  const refused = given([]).when({ ...issue, ...rights }).result;
  expect(refused).toMatchObject({
    ok: false,
    error: { detail: expect.stringContaining('promote') },
  });
  expect(
    given([]).when({ ...issue, role: 'viewer', permissions: ['approve'] }).result,
  ).toMatchObject({
    ok: true,
    value: [{ type: 'TokenIssued', permissions: ['approve'] }],
  });
});

test('a revoked token is gone and cannot be revoked twice, and its name is free again', () => {
  const { state } = given([issued]).when({ type: 'revoke-token', tokenId: 't1' });
  expect(state.tokens.size).toBe(0);
  const revoked: HubEvent = { type: 'TokenRevoked', tokenId: 't1' };
  expect(
    given([issued, revoked]).when({ type: 'revoke-token', tokenId: 't1' }).result,
  ).toMatchObject({ ok: false, error: { code: 'token_not_found' } });
  const issue = { type: 'issue-token', tokenId: 't2', name: 'ci', hash: 'h2', role: 'viewer' };
  expect(given([issued]).when(issue as never).result.ok).toBe(false);
  expect(given([issued, revoked]).when(issue as never).result.ok).toBe(true);
});
