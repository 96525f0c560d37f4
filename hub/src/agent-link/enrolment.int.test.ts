import { X509Certificate } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { decode } from '@nats-io/jwt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCertificateAuthority } from '../auth/ca/index.ts';
import { eventually } from '../ingest/testing.ts';
import {
  enroll,
  newKeys,
  openLink,
  type Refusal,
  renewal,
  startLink,
  type TestLink,
  watch,
} from './testing.ts';

let hub: TestLink;
beforeEach(async () => {
  hub = await startLink();
});
afterEach(() => hub[Symbol.asyncDispose]());

const outcome = (attempt: Promise<unknown>): Promise<Refusal | 'accepted'> =>
  attempt.then(
    () => 'accepted' as const,
    (refusal: Refusal) => refusal,
  );

const refusalCodes = async (name: string) => {
  const codes: string[] = [];
  for await (const { event } of hub.log.readStream(`cluster/${name}`)) {
    if (event.type === 'EnrolmentRefused') codes.push(event.code);
  }
  return codes;
};

describe('joining', () => {
  test('a join token buys an identity that works', async () => {
    const { id, name, token } = await hub.addCluster('edge-1');
    const { identity, keys } = await enroll(hub, { name, token });
    expect(identity).toMatchObject({
      clusterId: id,
      clusterName: name,
      epoch: 1,
      beatIntervalMs: 5_000,
    });
    expect(identity.linkAddress).toBe(`127.0.0.1:${hub.link.linkPort}`);
    expect(identity.natsUrls).toEqual(['tls://127.0.0.1:4222']);
    expect(identity.caPem).toBe(hub.authority.caPem);
    const jwt = decode<{ pub: { allow: string[] } }>(identity.natsUserJwt);
    expect(jwt.sub).toBe(keys.natsPublicKey);
    expect(jwt.exp).toBe(identity.expiresAtMs / 1_000);
    expect(jwt.nats.pub?.allow).toEqual(
      ['beat', 'report', 'audit'].map((kind) => `fairlead.v1.${id}.${kind}`),
    );
    const client = openLink(hub, identity, keys);
    const watching = watch(client);
    await eventually('the snapshot', watching.kinds, (kinds) => kinds.includes('snapshotComplete'));
    client.close();
  });

  test('S3 F47: a wrong, used, expired or foreign token gets one and the same answer', async () => {
    const { name, token } = await hub.addCluster('edge-1');
    const other = await hub.addCluster('edge-2');
    const expired = await hub.addCluster('edge-3', -1);
    await enroll(hub, { name, token });
    const refusals = [
      await outcome(enroll(hub, { name, token: 'wrong' })),
      await outcome(enroll(hub, { name, token })),
      await outcome(enroll(hub, { name, token: other.token })),
      await outcome(enroll(hub, { name: 'edge-3', token: expired.token })),
      await outcome(enroll(hub, { name: 'never-added', token })),
      await outcome(enroll(hub, { name: '../odd name', token })),
      await outcome(enroll(hub, { name, token: 'x'.repeat(1_000) })),
    ];
    expect(new Set(refusals.map((refusal) => JSON.stringify(refusal))).size).toBe(1);
    expect(refusals[0]).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await refusalCodes('edge-1')).toEqual([
      'token_unknown',
      'token_used',
      'token_unknown',
      'request_invalid',
    ]);
    expect(await refusalCodes('edge-3')).toEqual(['token_expired']);
    expect(await hub.eventsOf('never-added')).toEqual([]);
    // The foreign token still works where it belongs.
    expect(await outcome(enroll(hub, { name: 'edge-2', token: other.token }))).toBe('accepted');
  });

  test('S3: of 100 uses of one token at once, one wins', async () => {
    const { name, token } = await hub.addCluster('edge-1');
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => outcome(enroll(hub, { name, token }))),
    );
    expect(outcomes.filter((result) => result === 'accepted')).toHaveLength(1);
    const codes = outcomes.flatMap((result) => (result === 'accepted' ? [] : [result.code]));
    expect(codes.filter((code) => code === status.UNAUTHENTICATED)).toHaveLength(10);
    expect(codes.filter((code) => code === status.RESOURCE_EXHAUSTED)).toHaveLength(89);
    const events = await hub.eventsOf(name);
    expect(events.filter((type) => type === 'ClusterEnrolled')).toHaveLength(1);
  });

  test('S3: a guesser is stopped after ten tries, and a good token too until the minute is over', async () => {
    const { name, token } = await hub.addCluster('edge-1');
    for (let guess = 0; guess < 10; guess++)
      await outcome(enroll(hub, { name, token: `${guess}` }));
    expect(await outcome(enroll(hub, { name, token }))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    hub.moveClock(61_000);
    expect(await outcome(enroll(hub, { name, token }))).toBe('accepted');
  });

  test('a fleet may join from one address at once', async () => {
    const clusters = await Promise.all(
      Array.from({ length: 40 }, (_, index) => hub.addCluster(`edge-${index}`)),
    );
    const outcomes = await Promise.all(clusters.map((cluster) => outcome(enroll(hub, cluster))));
    expect(outcomes.filter((result) => result === 'accepted')).toHaveLength(40);
  });

  test('S1: an enrolment without a usable request or key is refused, and the token stays good', async () => {
    const { name, token } = await hub.addCluster('edge-1');
    const keys = await newKeys();
    const other = await newKeys();
    for (const bad of [
      { ...keys, der: new Uint8Array() },
      { ...keys, der: new Uint8Array([1, 2, 3]) },
      { ...keys, der: other.der.subarray(0, 40) },
      { ...keys, natsPublicKey: 'not a key' },
      { ...keys, natsPublicKey: 'A'.repeat(56) },
    ]) {
      expect(await outcome(enroll(hub, { name, token, keys: bad }))).toMatchObject({
        code: status.UNAUTHENTICATED,
      });
    }
    expect(await outcome(enroll(hub, { name, token, keys }))).toBe('accepted');
  });

  test('S4: an agent that trusts another authority sends nothing', async () => {
    const { name, token } = await hub.addCluster('edge-1');
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-other-'));
    const other = await openCertificateAuthority({ directory, at: Date.now() });
    expect(await outcome(enroll(hub, { name, token, caPem: other.caPem }))).toMatchObject({
      code: status.UNAVAILABLE,
    });
    expect(await hub.eventsOf(name)).not.toContain('ClusterEnrolled');
    expect(await outcome(enroll(hub, { name, token }))).toBe('accepted');
  });
});

describe('coming back by the cluster key', () => {
  test('F41: an agent whose certificate ran out long ago enrols again by itself', async () => {
    const { name, token } = await hub.addCluster('edge-1');
    const { keys } = await enroll(hub, { name, token });
    hub.moveClock(120 * 24 * 3_600_000);
    expect(await outcome(enroll(hub, { name, token: '', keys }))).toBe('accepted');
    expect((await hub.eventsOf(name)).filter((type) => type === 'ClusterEnrolled')).toHaveLength(2);
  });

  test('F41 F44: a revoked one, another key and another Kubernetes cluster are refused', async () => {
    const { name, token } = await hub.addCluster('edge-1');
    const { keys } = await enroll(hub, { name, token });
    const refused = { code: status.UNAUTHENTICATED };
    expect(await outcome(enroll(hub, { name, token: '' }))).toMatchObject(refused);
    expect(await outcome(enroll(hub, { name, token: '', keys, uid: 'uid-2' }))).toMatchObject(
      refused,
    );
    await hub.commands.cluster(
      name,
      { type: 'revoke', reason: 'stolen' },
      { kind: 'person', name: 'p' },
    );
    expect(await outcome(enroll(hub, { name, token: '', keys }))).toMatchObject(refused);
    expect(await refusalCodes(name)).toEqual([
      'cluster_key_unknown',
      'cluster_uid_differs',
      'cluster_revoked',
    ]);
  });
});

describe('renewing', () => {
  const joined = async () => {
    const { name, token } = await hub.addCluster('edge-1');
    return { name, ...(await enroll(hub, { name, token })) };
  };
  const opens = async (certificatePem: string, keys: { keyPem: string }) => {
    const client = openLink(hub, { certificatePem }, keys);
    const watching = watch(client);
    await eventually(
      'an answer',
      () => [watching.updates.length, watching.ended()],
      ([count, ended]) => count !== 0 || ended !== undefined,
    );
    const ended = watching.ended();
    client.close();
    return ended === undefined ? ('accepted' as const) : ended;
  };

  test('S5: an answer that is lost locks nobody out, however often', async () => {
    const { identity, keys } = await joined();
    const client = openLink(hub, identity, keys);
    for (let lost = 0; lost < 5; lost++) await renewal(client, keys);
    const { identity: next } = await renewal(client, keys);
    client.close();
    expect(await opens(identity.certificatePem, keys)).toBe('accepted');
    expect(await opens(next?.certificatePem ?? '', keys)).toBe('accepted');
  });

  test('the first use of the next certificate ends the one before', async () => {
    const { identity, keys } = await joined();
    const client = openLink(hub, identity, keys);
    const before = watch(client);
    const { identity: next } = await renewal(client, keys);
    expect(before.ended()).toBeUndefined();
    expect(await opens(next?.certificatePem ?? '', keys)).toBe('accepted');
    await eventually(
      'the old watch ends',
      before.ended,
      (ended) => ended?.code === status.UNAUTHENTICATED,
    );
    expect(await outcome(renewal(client, keys))).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await opens(identity.certificatePem, keys)).toMatchObject({
      code: status.UNAUTHENTICATED,
    });
    client.close();
  });

  test('another cluster key is refused', async () => {
    const { identity, keys } = await joined();
    const client = openLink(hub, identity, keys);
    expect(await outcome(renewal(client, await newKeys()))).toMatchObject({
      code: status.UNAUTHENTICATED,
    });
    expect(await outcome(renewal(client, { ...keys, der: new Uint8Array([1]) }))).toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    client.close();
  });

  test('S4: only certificates on record count, whoever signed them', async () => {
    const { name, identity, keys } = await joined();
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-other-'));
    const other = await openCertificateAuthority({ directory, at: Date.now() });
    const at = Date.now();
    const clusterId = identity.clusterId as never;
    const request = { csrDer: keys.der, clusterId, clusterName: name };
    const foreign = await other.issueClusterCertificate({ ...request, at });
    const unrecorded = await hub.authority.issueClusterCertificate({ ...request, at });
    const stranger = await hub.authority.issueClusterCertificate({
      ...request,
      clusterId: 'zzzzzzzzzzzzzzzz' as never,
      at,
    });
    const nameless = await hub.authority.issueClusterCertificate({
      ...request,
      clusterName: 'never-added',
      at,
    });
    const expired = await hub.authority.issueClusterCertificate({
      ...request,
      at: at - 25 * 3_600_000,
    });
    const early = await hub.authority.issueClusterCertificate({ ...request, at: at + 600_000 });
    const server = await hub.authority.issueServerCertificate({ hosts: ['127.0.0.1'], at });
    const refused = (code: number) => expect.objectContaining({ code });
    expect(await opens(foreign.certificatePem, keys)).toEqual(refused(status.UNAVAILABLE));
    expect(await opens(expired.certificatePem, keys)).toEqual(refused(status.UNAVAILABLE));
    expect(await opens(early.certificatePem, keys)).toEqual(refused(status.UNAVAILABLE));
    expect(await opens(server.certificatePem, { keyPem: server.keyPem })).toEqual(
      refused(status.UNAVAILABLE),
    );
    expect(await opens(unrecorded.certificatePem, keys)).toEqual(refused(status.UNAUTHENTICATED));
    expect(await opens(stranger.certificatePem, keys)).toEqual(refused(status.UNAUTHENTICATED));
    expect(await opens(nameless.certificatePem, keys)).toEqual(refused(status.UNAUTHENTICATED));
    expect(await opens(identity.certificatePem, keys)).toBe('accepted');
    expect(
      new X509Certificate(identity.certificatePem).checkIssued(
        new X509Certificate(hub.authority.caPem),
      ),
    ).toBe(true);
  });
});
