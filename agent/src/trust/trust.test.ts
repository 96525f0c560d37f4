import type { CommitId } from '@fairlead/shared/ids';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { expectOk } from '@fairlead/shared/result';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ClusterError, createMemoryCluster, type MemoryRequest } from '../cluster/index.ts';
import { hashGitObject } from '../journal/index.ts';
import { policyAgeMsMax } from '../limits.ts';
import { assignmentOf } from '../reconcile/testing/index.ts';
import { sshSigningKey, withSignature } from '../signature/testing/index.ts';
import { createTrust } from './index.ts';

const namespace = 'fairlead';
const key = sshSigningKey('ed25519');
const payload = Buffer.from(
  `tree ${'a'.repeat(40)}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nno\n`,
);
const commits = new Map<string, Buffer>();
const commitOf = (data: Buffer): CommitId => {
  const id = hashGitObject({ kind: 'commit', data }, 40);
  commits.set(id, data);
  return id as CommitId;
};
const signed = commitOf(withSignature(payload, key.sign(payload)));
const unsigned = commitOf(payload);

const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort();
});

function setUp({ policyRequired = false } = {}) {
  const requests: MemoryRequest[] = [];
  const obstacle = { onRequest: (_: MemoryRequest) => {} };
  const cluster = createMemoryCluster({
    onRequest: (request) => {
      requests.push(request);
      obstacle.onRequest(request);
    },
  });
  const clock = { ms: 1_000_000 };
  const end = new AbortController();
  ends.push(end);
  const onChange = vi.fn();
  const trust = createTrust({
    cluster,
    objects: {
      read: async (id) => {
        const data = commits.get(id);
        return data && { kind: 'commit', data };
      },
    },
    agentNamespace: namespace,
    policyRequired,
    clock: { now: () => clock.ms },
    signal: end.signal,
    onChange,
  });
  const put = (kind: 'ConfigMap' | 'Secret', name: string, data: Record<string, string>) =>
    cluster.apply(
      { apiVersion: 'v1', kind, metadata: { name, namespace }, data } as KubernetesObject,
      { force: true },
    );
  const policy = (text: string) => put('ConfigMap', 'fairlead-policy', { 'policy.yaml': text });
  const keys = (name = 'fairlead-trusted-keys') =>
    put('ConfigMap', name, { 'maintainers.pub': `${key.publicLine} maintainers` });
  const drop = (kind: string, name: string) =>
    cluster.drop({ apiVersion: 'v1', kind, namespace, name });
  /** What becomes of an assignment of the commit. */
  const ask = async (commit: CommitId, mode: 'none' | 'warn' | 'required' = 'none') => {
    const assignment = assignmentOf('checkout/staging', 1, commit, {
      verification: { mode, keysName: '' },
    });
    const permit = await trust.permit(assignment);
    if (!permit.ok) return permit.error;
    const verified = await trust.verify(assignment, permit.value);
    return verified.ok ? verified.value : verified.error;
  };
  return { cluster, clock, trust, put, policy, keys, drop, ask, requests, obstacle, onChange };
}

const trusted = { signer: expect.stringMatching(/^maintainers \(SHA256:/), warning: '' };
const untrusted = { audit: 'SignatureRefused', terminal: true };
const notNow = (message: RegExp) => ({ terminal: false, message: expect.stringMatching(message) });

describe('a cluster without a policy', () => {
  test('asks for what the hub asks for', async () => {
    const { ask, keys } = setUp();
    expect(await ask(unsigned)).toEqual({ signer: '', warning: '' });
    await keys();
    expect(await ask(signed, 'required')).toEqual(trusted);
    expect(await ask(unsigned, 'required')).toMatchObject(untrusted);
    expect(await ask(unsigned, 'warn')).toMatchObject({
      warning: expect.stringMatching(
        /^commit [0-9a-f]{12} is not trusted: the commit is not signed$/,
      ),
    });
  });

  test('permits nothing where a policy is required', async () => {
    const { ask, policy, clock } = setUp({ policyRequired: true });
    expect(await ask(signed)).toMatchObject(notNow(/requires a policy, and there is no ConfigMap/));
    await policy('{}');
    clock.ms += policyAgeMsMax;
    expect(await ask(signed)).toEqual({ signer: '', warning: '' });
  });
});

describe('a cluster that requires signatures', () => {
  test('gets them whatever the hub asks for', async () => {
    const { ask, policy, keys } = setUp();
    await policy('signatures: {mode: required}');
    await keys();
    expect(await ask(signed)).toEqual(trusted);
    expect(await ask(unsigned)).toMatchObject({
      ...untrusted,
      message: expect.stringMatching(/the commit is not signed; nothing of it was applied$/),
    });
  });

  test('fails closed without its keys, and takes them from a Secret as well', async () => {
    const { ask, policy, put, clock } = setUp();
    await policy('signatures: {mode: required}');
    const missing = /neither a ConfigMap nor a Secret fairlead\/fairlead-trusted-keys/;
    expect(await ask(signed)).toMatchObject({ audit: 'SignatureRefused', ...notNow(missing) });
    const text = Buffer.from(`${key.publicLine} maintainers`).toString('base64');
    await put('Secret', 'fairlead-trusted-keys', { 'maintainers.pub': text });
    clock.ms += policyAgeMsMax;
    expect(await ask(signed)).toEqual(trusted);
  });

  test.each<[string, (request: MemoryRequest) => boolean, RegExp]>([
    ['its policy', ({ name }) => name === 'fairlead-policy', /policy, ConfigMap .* cannot be read/],
    ['its keys', ({ name }) => name === 'fairlead-trusted-keys', /trusted keys .* cannot be read/],
  ])('fails closed when %s cannot be read', async (_, matches, message) => {
    const { ask, policy, keys, obstacle } = setUp();
    await policy('signatures: {mode: required}');
    await keys();
    obstacle.onRequest = (request) => {
      if (matches(request)) throw new ClusterError('forbidden', 'no right to read it');
    };
    expect(await ask(signed)).toMatchObject(notNow(message));
    obstacle.onRequest = () => {};
    expect(await ask(signed)).toEqual(trusted);
  });

  test('fails closed when its policy is wrong, and says where', async () => {
    const { ask, policy, put, clock } = setUp();
    await policy('signatures: {mode: requierd}');
    expect(await ask(signed)).toMatchObject(
      notNow(
        /fairlead\/fairlead-policy is wrong, so nothing is permitted: signatures.mode must be/,
      ),
    );
    await put('ConfigMap', 'fairlead-policy', { policy: '{}' });
    clock.ms += policyAgeMsMax;
    expect(await ask(signed)).toMatchObject(notNow(/has no entry policy.yaml/));
  });
});

describe('a change in the cluster', () => {
  test('of policy or keys counts at once and tells who was refused', async () => {
    const { ask, policy, keys, drop, onChange } = setUp();
    await vi.waitFor(async () => expect(await ask(unsigned)).toEqual({ signer: '', warning: '' }));
    await policy('signatures: {mode: required}');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(1));
    expect(await ask(signed)).toMatchObject(notNow(/the trusted keys are missing/));
    await keys();
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(2));
    expect(await ask(signed)).toEqual(trusted);
    // A key that was stolen is taken away.
    drop('ConfigMap', 'fairlead-trusted-keys');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(3));
    expect(await ask(signed)).toMatchObject(notNow(/the trusted keys are missing/));
  });

  test('of another ConfigMap is none', async () => {
    const { put, policy, onChange } = setUp();
    await put('ConfigMap', 'other', {});
    await policy('{}');
    await vi.waitFor(() => expect(onChange).toHaveBeenCalled());
    expect(onChange).toHaveBeenCalledTimes(1);
  });

  test('is found without a watch when the last read is old', async () => {
    const { ask, policy, obstacle, clock } = setUp();
    obstacle.onRequest = ({ verb }) => {
      if (verb === 'list') throw new ClusterError('forbidden', 'no watch');
    };
    expect(await ask(unsigned)).toEqual({ signer: '', warning: '' });
    await policy('signatures: {mode: required}');
    clock.ms += policyAgeMsMax;
    expect(await ask(unsigned)).toMatchObject({ audit: 'SignatureRefused' });
  });
});

test('many units at once cost one read of policy and keys', async () => {
  const { ask, policy, keys, requests } = setUp();
  await policy('signatures: {mode: required}');
  await keys();
  requests.length = 0;
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(signed)));
  expect(answers).toEqual(Array(100).fill(trusted));
  expect(requests.filter(({ verb }) => verb === 'get')).toHaveLength(2);
});

test('an object that is no commit is never trusted, whatever it says', async () => {
  const { trust, keys, policy } = setUp();
  await keys();
  await policy('signatures: {mode: required}');
  const assignment = assignmentOf('checkout/staging', 1, 'b'.repeat(40));
  const permit = expectOk(await trust.permit(assignment), 'a permit');
  expect(await trust.verify(assignment, permit)).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining('the commit object is not here') },
  });
});
