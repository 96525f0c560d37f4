// A real nats-server with accounts, TLS and both streams, as a hub runs it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { encodeAccount, encodeOperator, encodeUser } from '@nats-io/jwt';
import { createAccount, createOperator, createUser, fromPublic } from '@nats-io/nkeys';
import { connect, jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { findTool } from '../../../deploy/tools/index.ts';
import type { TestAuthority } from './testing-authority.ts';

export type TestBus = Awaited<ReturnType<typeof createTestBus>>;

const unlimited = { subs: -1, data: -1, payload: -1 };

export async function createTestBus(
  directory: string,
  authority: TestAuthority,
  hosts: readonly string[] = ['127.0.0.1'],
) {
  const operator = createOperator();
  const account = createAccount();
  const accountId = account.getPublicKey();
  const operatorJwt = await encodeOperator('test', operator);
  const accountJwt = await encodeAccount(
    'test',
    account,
    {
      limits: {
        ...unlimited,
        imports: -1,
        exports: -1,
        wildcards: true,
        conn: -1,
        leaf: -1,
        mem_storage: -1,
        disk_storage: -1,
        streams: -1,
        consumer: -1,
      },
    },
    { signer: operator },
  );
  // JetStream wants a system account, which nobody uses here.
  const system = createAccount();
  const systemId = system.getPublicKey();
  const systemJwt = await encodeAccount(
    'system',
    system,
    { limits: { ...unlimited, conn: -1, imports: -1, exports: -1, wildcards: true, leaf: -1 } },
    { signer: operator },
  );
  const hub = createUser();
  const hubJwt = await encodeUser('hub', hub, account, { ...unlimited }, {});
  const port = await freePort();
  const { keyPem, chainPem } = await authority.server(hosts);
  const file = (name: string): string => join(directory, name);
  await mkdir(directory, { recursive: true });
  await writeFile(file('key.pem'), keyPem);
  await writeFile(file('cert.pem'), chainPem);
  await writeFile(
    file('nats.conf'),
    `host: 127.0.0.1
port: ${port}
tls { cert_file: "${file('cert.pem')}", key_file: "${file('key.pem')}" }
jetstream { store_dir: "${file('store')}" }
operator: ${operatorJwt}
resolver: MEMORY
system_account: ${systemId}
resolver_preload {
  ${accountId}: ${accountJwt}
  ${systemId}: ${systemJwt}
}
`,
  );
  let child: ChildProcess | undefined;

  const connectHub = (): Promise<NatsConnection> =>
    connect({
      servers: `127.0.0.1:${port}`,
      authenticator: jwtAuthenticator(hubJwt, hub.getSeed()),
      // The client takes an address for `localhost`; which server this is, is not in question here.
      tls: { ca: authority.caPem, ...{ checkServerIdentity: () => undefined } },
      reconnect: false,
      timeout: 2_000,
    });

  const start = async (): Promise<NatsConnection> => {
    child = spawn(await findTool('nats-server'), ['-c', file('nats.conf'), '-l', file('log')], {
      stdio: 'ignore',
    });
    const deadline = Date.now() + 15_000;
    for (;;) {
      try {
        const connection = await connectHub();
        const manager = await jetstreamManager(connection);
        for (const kind of ['audit', 'report']) {
          await manager.streams.add({ name: kind, subjects: [`fairlead.v1.*.${kind}`] });
        }
        return connection;
      } catch (error) {
        if (Date.now() > deadline) {
          const log = await readFile(file('log'), 'utf8').catch(() => '');
          throw new Error(`nats-server: ${String(error)}\n${log.slice(-2_000)}`);
        }
        await delay(50);
      }
    }
  };
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };

  return {
    url: `127.0.0.1:${port}`,
    start,
    kill,
    /** What a hub lets one cluster's agent do. */
    userJwt: (clusterId: string, publicKey: string, lifetimeMs: number): Promise<string> =>
      encodeUser(
        clusterId,
        fromPublic(publicKey),
        account,
        {
          ...unlimited,
          pub: {
            allow: ['beat', 'report', 'audit'].map((kind) => `fairlead.v1.${clusterId}.${kind}`),
            deny: [],
          },
          sub: { allow: [`fairlead.v1.${clusterId}.wake`, `_INBOX_${clusterId}.>`], deny: [] },
        },
        { exp: Math.floor((Date.now() + lifetimeMs) / 1_000) },
      ),
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
