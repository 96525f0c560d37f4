import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, memoryStore, type TestAgentOptions, testIdentity } from './testing-agent.ts';
import { createTestAuthority, type TestAuthority } from './testing-authority.ts';
import { startTestHub, type TestHub } from './testing-hub.ts';

const noBus = { url: '127.0.0.1:1', userJwt: async () => 'no-bus' };
let authority: TestAuthority;
let hub: TestHub;
let lifetime: AbortController;
let running: Promise<void>[];

beforeEach(async () => {
  authority = await createTestAuthority();
  hub = await startTestHub(authority, noBus);
  hub.state.tokens.add('token');
  lifetime = new AbortController();
  running = [];
});
afterEach(async () => {
  lifetime.abort();
  await Promise.all(running);
  hub.close();
});

function start(options: Partial<TestAgentOptions> = {}, signal = lifetime.signal) {
  const store = memoryStore();
  const { enrolAddress } = hub;
  const all = { enrolAddress, caKeyHash: authority.caKeyHash, joinToken: 'token', store };
  const identity = testIdentity({ ...all, ...options });
  running.push(identity.run(AbortSignal.any([signal, lifetime.signal])));
  return { identity, store: (options.store as typeof store | undefined) ?? store };
}

describe('enrolling', () => {
  it('gives an identity for the token, with keys that were saved before they were used', async () => {
    const { identity, store } = start();
    const first = await identity.first(AbortSignal.timeout(10_000));
    expect(first).toMatchObject({ clusterName: 'east', serial: hub.state.serials.at(-1) });
    expect(identity.status()).toMatchObject({ state: 'valid', message: '' });
    expect(store.saved[0]).toMatchObject({ joinedEpoch: 0 });
    expect(store.saved[0]?.issued).toBeUndefined();
    expect(store.saved[1]?.clusterKeyPem).toBe(store.saved[0]?.clusterKeyPem);
    expect(store.saved[1]?.joinedEpoch).toBe(1);
    expect(hub.state.enrolments[0]).toMatchObject({
      joinToken: 'token',
      clusterName: 'east',
      clusterUid: 'uid-of-kube-system',
      claims: { kubernetes: '1.37.2' },
    });
  });

  it('survives a lost answer: the token is used, and the key is known', async () => {
    hub.state.answersLost = 1;
    const { identity, store } = start();
    expect(await identity.first(AbortSignal.timeout(10_000))).toBeDefined();
    expect(new Set(store.saved.map(({ clusterKeyPem }) => clusterKeyPem)).size).toBe(1);
    expect(hub.state.knownKeys.size).toBe(1);
  });

  it('survives a kill between the keys and the answer', async () => {
    hub.state.answersLost = 100;
    const killed = new AbortController();
    const { store } = start({}, killed.signal);
    await eventually(
      'a first try',
      () => hub.state.enrolments.length,
      (count) => count >= 1,
    );
    killed.abort();
    hub.state.answersLost = 0;
    const { identity } = start({ store });
    expect(await identity.first(AbortSignal.timeout(10_000))).toBeDefined();
    expect(hub.state.knownKeys.size).toBe(1);
  });

  it('says in clear words that it is refused, and tries again rarely', async () => {
    const { identity } = start({ joinToken: 'wrong' });
    const status = await eventually('refusal', identity.status, ({ state }) => state === 'refused');
    expect(status.message).toMatch(/refuses this cluster.*add it again/);
    expect(status.message).not.toContain('wrong');
    hub.state.tokens.add('wrong');
    expect(await identity.first(AbortSignal.timeout(10_000))).toBeDefined();
  });
});

describe('S4: before it sends anything, the agent refuses', () => {
  const cases: [string, () => Promise<{ keyPem: string; chainPem: string }>, RegExp][] = [
    [
      'another authority',
      async () => (await createTestAuthority()).server(['127.0.0.1']),
      /no certificate with the pinned key/,
    ],
    [
      'a self-signed certificate',
      async () => (await createTestAuthority({}, false)).own(),
      /no certificate with the pinned key/,
    ],
    [
      'the right authority for a foreign host',
      () => authority.server(['other.example.com', '192.0.2.1']),
      /not for 127\.0\.0\.1/,
    ],
    [
      'an expired certificate',
      () => authority.server(['127.0.0.1'], { from: -7_200_000, to: -60_000 }),
      /clock says/,
    ],
    [
      'one that is not yet valid',
      () => authority.server(['127.0.0.1'], { from: 60_000, to: 7_200_000 }),
      /clock says/,
    ],
    [
      'a foreign leaf with the pinned authority put beside it',
      async () => {
        const foreign = await (await createTestAuthority()).server(['127.0.0.1']);
        const leaf = foreign.chainPem.split('-----END CERTIFICATE-----')[0];
        return {
          ...foreign,
          chainPem: `${leaf}-----END CERTIFICATE-----\n${authority.caPem}`,
        };
      },
      /not signed by the pinned authority|no certificate with the pinned key/,
    ],
    ['the authority itself as a server', () => authority.own(), /no authority/],
  ];
  it.each(cases)('%s', async (_name, server, message) => {
    hub.close();
    hub = await startTestHub(authority, noBus, await server());
    const { identity } = start();
    const status = await eventually('refusal', identity.status, ({ message: m }) => m !== '');
    expect(status.message).toMatch(message);
    expect(status.state).toBe('refused');
    expect(hub.state.enrolments).toEqual([]);
  });

  it('a pin of the leaf, which is no authority', async () => {
    const { X509Certificate } = await import('node:crypto');
    const { keyHashOf } = await import('./pinned-authority.ts');
    hub.close();
    const server = await authority.server(['127.0.0.1']);
    hub = await startTestHub(authority, noBus, server);
    const { identity } = start({ caKeyHash: keyHashOf(new X509Certificate(server.chainPem)) });
    const status = await eventually('refusal', identity.status, ({ message: m }) => m !== '');
    expect(status.message).toMatch(/no authority/);
    expect(hub.state.enrolments).toEqual([]);
  });
});

describe('renewing', () => {
  it('happens at half life with the same keys, and a lost answer locks nobody out', async () => {
    hub.state.lifetimeMs = 4_000;
    const { identity, store } = start();
    await identity.first(AbortSignal.timeout(10_000));
    hub.state.answersLost = 1;
    const before = identity.current()?.serial;
    await eventually(
      'renewal',
      () => identity.current()?.serial,
      (serial) => serial !== before,
    );
    expect(hub.state.renewals).toBeGreaterThanOrEqual(2);
    expect(hub.state.enrolments).toHaveLength(1);
    expect(new Set(store.saved.map(({ clusterKeyPem }) => clusterKeyPem)).size).toBe(1);
    expect(store.saved.at(-1)?.joinedEpoch).toBe(1);
  });

  it('F41: an agent back after months enrols again by its cluster key, without a token', async () => {
    const { identity, store } = start();
    await identity.first(AbortSignal.timeout(10_000));
    lifetime.abort();
    lifetime = new AbortController();
    hub.state.epoch = 9;
    // The hub's certificates must stay valid, so it is the stored identity that is made old.
    const aged = store.saved.at(-1);
    if (aged?.issued === undefined) throw new Error('not enrolled');
    const receivedAtMs = aged.issued.receivedAtMs - 120 * 24 * 3_600_000;
    const old = { ...aged, issued: { ...aged.issued, receivedAtMs } };
    const again = start({ store: memoryStore(old), joinToken: undefined });
    const serials = hub.state.serials.length;
    await eventually(
      'a new identity',
      () => again.identity.current()?.serial,
      (serial) => serial !== undefined && serial !== aged.issued?.serial,
    );
    expect(hub.state.serials.length).toBeGreaterThan(serials);
    expect(hub.state.enrolments.at(-1)?.joinToken).toBe('');
    // The epoch that a person saw at the join stays; only a person may accept another.
    expect(again.identity.current()?.joinedEpoch).toBe(1);
  });

  it('F41: a revoked cluster is refused, keeps its keys and says so', async () => {
    hub.state.lifetimeMs = 1_500;
    const { identity, store } = start();
    await identity.first(AbortSignal.timeout(10_000));
    hub.state.revoked = true;
    const status = await eventually('refusal', identity.status, ({ state }) => state === 'refused');
    expect(status.message).toMatch(/refuses this cluster/);
    hub.state.revoked = false;
    await eventually('return', identity.status, ({ state }) => state === 'valid');
    expect(new Set(store.saved.map(({ clusterKeyPem }) => clusterKeyPem)).size).toBe(1);
  });

  it('S8: a clock that jumps back makes the agent renew at once instead of never', async () => {
    let skewMs = 0;
    const clock = { now: () => Date.now() + skewMs };
    const { identity, store } = start({ clock });
    await identity.first(AbortSignal.timeout(10_000));
    lifetime.abort();
    lifetime = new AbortController();
    skewMs = -600_000;
    start({ clock, store });
    await eventually(
      'renewal',
      () => hub.state.renewals,
      (count) => count >= 1,
    );
  });
});
