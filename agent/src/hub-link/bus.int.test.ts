import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@fairlead/shared/time';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bus, createBus } from './bus.ts';
import type { HubIdentity } from './hub-identity.ts';
import type { IdentitySource } from './identity.ts';
import { makeKeys, natsPublicKey } from './keys.ts';
import { eventually, silent } from './testing-agent.ts';
import { createTestAuthority, type TestAuthority } from './testing-authority.ts';
import { createTestBus, type TestBus } from './testing-bus.ts';

const clusterId = 'cluster0123456789';
let folder: string;
let authority: TestAuthority;
let bus: TestBus;
let lifetime: AbortController;
let running: Promise<void>[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bus-'));
  authority = await createTestAuthority();
  bus = await createTestBus(folder, authority);
  lifetime = new AbortController();
  running = [];
}, 600_000);
afterEach(async () => {
  lifetime.abort();
  await Promise.all(running);
  await bus.kill();
  rmSync(folder, { recursive: true, force: true });
});

async function identityOf(changes: Partial<HubIdentity> = {}): Promise<IdentitySource> {
  const keys = makeKeys();
  const identity = {
    clusterId,
    clusterName: 'east',
    caPem: authority.caPem,
    natsUserJwt: await bus.userJwt(clusterId, natsPublicKey(keys.natsSeed), 60_000),
    natsUrls: [bus.url],
    beatIntervalMs: 1_000,
    ...keys,
    ...changes,
  } as HubIdentity;
  return {
    first: async () => identity,
    current: () => identity,
    onChange: () => () => undefined,
  } as Partial<IdentitySource> as IdentitySource;
}

function start(identity: IdentitySource, reconnectSpreadMs = 100): Bus {
  const created = createBus({
    identity,
    random: systemRandom,
    logger: silent,
    reconnectSpreadMs,
    onWake: () => undefined,
    onSession: (_session, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  });
  running.push(created.run(lifetime.signal));
  return created;
}

describe('the connection to the bus', () => {
  it('F30, FLT-25: returns spread over time when a server dies, not at once', async () => {
    await bus.start();
    const spreadMs = 2_000;
    const agents: Bus[] = [];
    for (let count = 0; count < 30; count++) agents.push(start(await identityOf(), spreadMs));
    const open = () => agents.filter((agent) => agent.status().state === 'open').length;
    await eventually('all open', open, (count) => count === agents.length);
    const port = Number(bus.url.split(':')[1]);
    await bus.kill();
    const killedAtMs = Date.now();
    const arrivals: number[] = [];
    // It keeps whoever comes waiting for a greeting, so that nobody comes twice.
    const sockets: Socket[] = [];
    const counter = createServer((socket) => {
      arrivals.push(Date.now() - killedAtMs);
      socket.on('error', () => undefined);
      sockets.push(socket);
    });
    await new Promise<void>((resolve) => counter.listen(port, '127.0.0.1', resolve));
    await eventually(
      '30 arrivals',
      () => arrivals.length,
      (count) => count >= 30,
    );
    for (const socket of sockets) socket.destroy();
    counter.close();
    const first = arrivals.slice(0, 30);
    expect(Math.max(...first) - Math.min(...first)).toBeGreaterThan(spreadMs / 3);
    const within = (fromMs: number) =>
      first.filter((atMs) => atMs >= fromMs && atMs < fromMs + spreadMs / 10).length;
    expect(Math.max(...first.map(within))).toBeLessThan(15);
  }, 60_000);

  it('goes on to the next server when one does not answer', async () => {
    await bus.start();
    const agent = start(await identityOf({ natsUrls: ['127.0.0.1:1', bus.url] }));
    await eventually(
      'open',
      () => agent.status().state,
      (state) => state === 'open',
    );
  });

  it('S4: is not made to a server of an unknown authority', async () => {
    await bus.start();
    const { caPem } = await createTestAuthority();
    const agent = start(await identityOf({ caPem }));
    const status = await eventually('refused', agent.status, ({ message }) => message !== '');
    expect(status.state).toBe('connecting');
    expect(status.message).toMatch(/certificate/i);
  });

  it('S4: is not made to a server whose certificate names another host', async () => {
    bus = await createTestBus(join(folder, 'other'), authority, ['localhost', '127.0.0.2']);
    await bus.start();
    const agent = start(await identityOf());
    const status = await eventually('refused', agent.status, ({ message }) => message !== '');
    expect(status.state).toBe('connecting');
    expect(status.message).toMatch(/127\.0\.0\.1/);
  });

  it('S4: is not made without TLS, even when the server offers none', async () => {
    let received = '';
    const plain = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        received += data;
        if (received.includes('PING')) socket.write('PONG\r\n');
      });
      socket.write(
        'INFO {"server_id":"x","version":"2.15.2","proto":1,"headers":true,"max_payload":1048576,"nonce":"abc"}\r\n',
      );
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const address = plain.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const agent = start(await identityOf({ natsUrls: [`127.0.0.1:${port}`] }));
    const { message } = await eventually(
      'refused',
      agent.status,
      (status) => status.message !== '',
    );
    expect(message).toMatch(/TLS/i);
    expect(received).not.toMatch(/PUB /);
    lifetime.abort();
    plain.close();
  });
});
