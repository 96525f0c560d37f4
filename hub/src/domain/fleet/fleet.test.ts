import type { ClusterId, ClusterName, ProjectName } from '@fairlead/shared/ids';
import { specify } from '@fairlead/shared/testing';
import { describe, expect, test } from 'vitest';
import {
  type ClusterCommand,
  type ClusterEvent,
  certificateAllowed,
  clusterStatus,
  decideCluster,
  evolveCluster,
  initialClusterState,
} from './index.ts';

const decider = {
  initialState: initialClusterState,
  decide: decideCluster,
  evolve: evolveCluster,
};
const given = specify(decider);
const fold = (events: ClusterEvent[]) => events.reduce(evolveCluster, initialClusterState);

const certificate = (serial: string, expiresAt = 10_000) => ({ serial, issuedAt: 0, expiresAt });
const added = (id = 'cluster00'): ClusterEvent => ({
  type: 'ClusterAdded',
  id: id as ClusterId,
  name: 'berlin' as ClusterName,
  project: 'default' as ProjectName,
  labels: { environment: 'staging' },
});
const token = (hash = 'token-1'): ClusterEvent => ({
  type: 'JoinTokenIssued',
  hash,
  expiresAt: 1_000,
});
const enrolled: ClusterEvent = {
  type: 'ClusterEnrolled',
  id: 'cluster00' as ClusterId,
  clusterKeyHash: 'key-1',
  clusterUid: 'uid-1',
  natsPublicKey: 'nats-1',
  certificate: certificate('serial-1'),
  agentVersion: '1',
  claims: {},
  means: 'join-token',
};
const registered = [added(), token(), enrolled];

const enrol = (changes: Partial<Extract<ClusterCommand, { type: 'enrol' }>>): ClusterCommand => ({
  type: 'enrol',
  clusterKeyHash: 'key-1',
  clusterUid: 'uid-1',
  natsPublicKey: 'nats-2',
  certificate: certificate('serial-2'),
  agentVersion: '1',
  claims: {},
  at: 500,
  ...changes,
});
const renew = (serial: string, next: string): ClusterCommand => ({
  type: 'renew',
  clusterKeyHash: 'key-1',
  serial,
  natsPublicKey: 'nats-1',
  certificate: certificate(next),
  agentVersion: '1',
  at: 500,
});
const addCommand = (id: string): ClusterCommand => ({
  type: 'add-cluster',
  id: id as ClusterId,
  name: 'berlin' as ClusterName,
  project: 'default' as ProjectName,
  labels: {},
  tokenHash: `token-of-${id}`,
  tokenExpiresAt: 1_000,
});

const codeOf = (outcome: { result: { ok: boolean; error?: { code: string } } }) =>
  outcome.result.ok ? 'accepted' : outcome.result.error?.code;

describe('join tokens', () => {
  test.each([
    ['S3: good once', [added(), token()], enrol({ tokenHash: 'token-1' }), 'accepted'],
    ['S3: refused a second time', registered, enrol({ tokenHash: 'token-1' }), 'token_used'],
    ['S3: unknown is refused', [added(), token()], enrol({ tokenHash: 'x' }), 'token_unknown'],
    [
      'S3: good until just before its end',
      [added(), token()],
      enrol({ tokenHash: 'token-1', at: 999 }),
      'accepted',
    ],
    [
      'S3: over at exactly its end',
      [added(), token()],
      enrol({ tokenHash: 'token-1', at: 1_000 }),
      'token_expired',
    ],
    [
      'F47: a new one ends the one before',
      [added(), token(), token('token-2')],
      enrol({ tokenHash: 'token-1' }),
      'token_unknown',
    ],
    [
      'F44: a new one lets another Kubernetes cluster take the name',
      [...registered, token('token-2')],
      enrol({ tokenHash: 'token-2', clusterUid: 'uid-2', clusterKeyHash: 'key-2' }),
      'accepted',
    ],
  ] satisfies [string, ClusterEvent[], ClusterCommand, string][])(
    'a token: %s',
    (_, events, command, code) => expect(codeOf(given(events).when(command))).toBe(code),
  );
});

describe('enrolment by the cluster key', () => {
  test.each([
    ['F41: comes back after months', registered, enrol({ at: 9e12 }), 'accepted'],
    ['another key is refused', registered, enrol({ clusterKeyHash: 'k' }), 'cluster_key_unknown'],
    [
      'F44: another cluster is refused',
      registered,
      enrol({ clusterUid: 'u' }),
      'cluster_uid_differs',
    ],
    ['before any enrolment it is refused', [added(), token()], enrol({}), 'cluster_key_unknown'],
    [
      'F41: revoked is refused',
      [...registered, { type: 'ClusterRevoked', reason: '' }],
      enrol({}),
      'cluster_revoked',
    ],
    [
      'F43: quarantined is refused',
      [...registered, { type: 'ClusterQuarantined', instanceIds: ['a', 'b'] }],
      enrol({}),
      'cluster_quarantined',
    ],
    ['a name that nobody added is refused', [], enrol({}), 'cluster_not_found'],
  ] satisfies [string, ClusterEvent[], ClusterCommand, string][])(
    '%s',
    (_, events, command, code) => expect(codeOf(given(events).when(command))).toBe(code),
  );

  test('F43: a quarantine ends with a fresh token, and only then is a certificate good again', () => {
    const quarantined: ClusterEvent[] = [
      ...registered,
      { type: 'ClusterQuarantined', instanceIds: ['a', 'b'] },
      token('token-2'),
    ];
    expect(certificateAllowed(fold(quarantined), 'serial-1', 500)).toBe(false);
    const { state } = given(quarantined).when(enrol({ tokenHash: 'token-2' }));
    expect(certificateAllowed(state, 'serial-2', 500)).toBe(true);
    expect(certificateAllowed(state, 'serial-1', 500)).toBe(false);
  });
});

describe('certificates', () => {
  test('S5: the current and the next are good at once until the next one is used', () => {
    const { state } = given(registered).when(renew('serial-1', 'serial-2'));
    expect(certificateAllowed(state, 'serial-1', 500)).toBe(true);
    expect(certificateAllowed(state, 'serial-2', 500)).toBe(true);
    const used = evolveCluster(state, {
      type: 'ClusterConnected',
      instanceId: 'i',
      agentVersion: '1',
      serial: 'serial-2',
    });
    expect(certificateAllowed(used, 'serial-1', 500)).toBe(false);
    expect(certificateAllowed(used, 'serial-2', 500)).toBe(true);
    expect(codeOf({ result: decideCluster(used, renew('serial-1', 'x')) as never })).toBe(
      'certificate_superseded',
    );
  });

  test('S5: 200 renewals whose answer is lost lock nobody out', () => {
    let state = fold(registered);
    for (let attempt = 0; attempt < 200; attempt++) {
      const result = decideCluster(state, renew('serial-1', `lost-${attempt}`));
      if (!result.ok) throw new Error(result.error.detail);
      state = result.value.reduce(evolveCluster, state);
      expect(certificateAllowed(state, 'serial-1', 500)).toBe(true);
    }
    expect(certificateAllowed(state, 'lost-198', 500)).toBe(false);
    expect(certificateAllowed(state, 'lost-199', 500)).toBe(true);
  });

  test('a certificate is over at exactly its end, and at once with the revocation or the removal', () => {
    const state = fold(registered);
    expect(certificateAllowed(state, 'serial-1', 9_999)).toBe(true);
    expect(certificateAllowed(state, 'serial-1', 10_000)).toBe(false);
    for (const type of ['ClusterRevoked', 'ClusterRemoved'] as const) {
      expect(certificateAllowed(evolveCluster(state, { type, reason: '' }), 'serial-1', 1)).toBe(
        false,
      );
    }
  });
});

describe('registration', () => {
  test('F44: a taken name is refused', () => {
    expect(codeOf(given(registered).when(addCommand('cluster99')))).toBe('cluster_already_exists');
  });

  test('F50: removed and added again 50 times is a clean, other cluster each time', () => {
    let state = fold(registered);
    for (let round = 0; round < 50; round++) {
      for (const command of [
        { type: 'remove', reason: 'test' } satisfies ClusterCommand,
        addCommand(`cluster-${round}`),
      ]) {
        const result = decideCluster(state, command);
        if (!result.ok) throw new Error(result.error.detail);
        state = result.value.reduce(evolveCluster, state);
      }
      expect(state).toEqual({
        status: 'present',
        id: `cluster-${round}`,
        name: 'berlin',
        project: 'default',
        labels: {},
        token: { hash: `token-of-cluster-${round}`, expiresAt: 1_000 },
        usedTokenHashes: [],
        revoked: false,
        refusalsInARow: 0,
      });
      expect(decideCluster(state, enrol({})).ok).toBe(false);
    }
  });

  test('what changes nothing writes nothing', () => {
    const connected: ClusterEvent[] = [
      ...registered,
      { type: 'ClusterConnected', instanceId: 'i', agentVersion: '1' },
    ];
    const command = { type: 'record-connected', instanceId: 'i', agentVersion: '1' } as const;
    expect(given(connected).when(command).result).toEqual({ ok: true, value: [] });
    expect(
      given(registered).when({ type: 'change-labels', labels: { environment: 'staging' } }).result,
    ).toEqual({ ok: true, value: [] });
  });

  test('F49: guesses are refused for ever but recorded at most a hundred times in a row', () => {
    let state = fold([added(), token()]);
    let recorded = 0;
    for (let guess = 0; guess < 10_000; guess++) {
      const result = decideCluster(state, {
        type: 'record-refused-enrolment',
        code: 'token_unknown',
        address: `10.0.0.${guess % 256}`,
      });
      if (!result.ok) throw new Error(result.error.detail);
      recorded += result.value.length;
      state = result.value.reduce(evolveCluster, state);
    }
    expect(recorded).toBe(100);
  });
});

describe('status', () => {
  const seen = (lastSeenAt?: number) => ({ lastSeenAt, now: 100_000, offlineAfterMs: 25_000 });
  test.each([
    ['pending', [added(), token()], 99_000],
    ['connected', registered, 75_001],
    ['offline', registered, 75_000],
    ['offline', registered, undefined],
    ['revoked', [...registered, { type: 'ClusterRevoked', reason: '' }], 99_000],
    ['quarantined', [...registered, { type: 'ClusterQuarantined', instanceIds: [] }], 99_000],
    ['removed', [...registered, { type: 'ClusterRemoved', reason: '' }], 99_000],
  ] satisfies [string, ClusterEvent[], number | undefined][])(
    'F21: is %s',
    (status, events, lastSeenAt) =>
      expect(clusterStatus(fold(events), seen(lastSeenAt))).toBe(status),
  );
});
