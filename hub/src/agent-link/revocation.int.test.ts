import { systemClock } from '@fairlead/shared/time';
import { status } from '@grpc/grpc-js';
import { connect, jwtAuthenticator } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { newBusUser } from '../auth/testing/index.ts';
import { createIngest } from '../ingest/index.ts';
import { eventually, silent, startBus } from '../ingest/testing.ts';
import { enroll, openLink, renewal, startLink, watch } from './testing.ts';

test('S7, FLT-24: a revoked cluster is cut on gRPC and on the bus within 5 s, with every key it was ever given', async () => {
  await using bus = await startBus();
  await using ingest = await createIngest({
    ...bus.bus,
    accounts: bus.accounts,
    appendAgentAudit: async () => ({ ok: true, value: { sequence: 0 } }),
    recordReports: () => undefined,
    reportStreamSequence: () => 0,
    clusters: () => [],
    onAuditAppended: () => undefined,
    onBeat: () => undefined,
    clock: systemClock,
    logger: silent,
  });
  const natsKeysOf = async (name: string) => {
    const keys = new Set<string>();
    for await (const { event } of hub.log.readStream(`cluster/${name}`)) {
      if ('natsPublicKey' in event) keys.add(event.natsPublicKey);
    }
    return [...keys];
  };
  await using hub = await startLink({
    authority: bus.authority,
    accounts: bus.accounts,
    natsUrls: bus.bus.urls,
    cutBus: async (_, name) => ingest.revokeUsers(await natsKeysOf(name)),
  });

  const { id, name, token } = await hub.addCluster('edge-1');
  const { identity, keys } = await enroll(hub, { name, token });
  const client = openLink(hub, identity, keys);
  // A second key by renewal: revoking the newest alone would leave the first one connected for a day.
  const second = await enroll(hub, { name, token: '', keys: { ...keys, ...newBusKeys() } });
  const buses = await Promise.all(
    [{ identity, keys }, second].map(({ identity: of, keys: { natsSeed } }) =>
      connect({
        servers: [...of.natsUrls],
        authenticator: jwtAuthenticator(of.natsUserJwt, natsSeed),
        tls: { ca: of.caPem },
        maxReconnectAttempts: 3,
        reconnectTimeWait: 50,
      }),
    ),
  );
  const current = openLink(hub, second.identity, keys);
  const watching = watch(current);
  await eventually('the snapshot', watching.kinds, (kinds) => kinds.includes('snapshotComplete'));

  const startedAt = Date.now();
  await hub.commands.cluster(
    name,
    { type: 'revoke', reason: 'stolen' },
    { kind: 'person', name: 'tester' },
  );
  await hub.link.disconnectCluster(id, name);
  await Promise.all(buses.map((connection) => connection.closed()));
  await eventually('the watch ends', watching.ended, (ended) => ended !== undefined, 5_000);
  expect(Date.now() - startedAt).toBeLessThan(5_000);
  await expect(renewal(current, keys)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  client.close();
  current.close();
});

function newBusKeys() {
  const { publicKey, seed } = newBusUser();
  return { natsPublicKey: publicKey, natsSeed: seed };
}
