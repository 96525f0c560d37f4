import { specify } from '@fairlead/shared/testing';
import { expect, test } from 'vitest';
import type { HubEvent } from '../events.ts';
import { decideHub, evolveHub, initialHubState } from './index.ts';

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
