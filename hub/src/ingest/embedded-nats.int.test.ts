import { spawn } from 'node:child_process';
import { mkdtemp, stat, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { ClusterId } from '@fairlead/shared/ids';
import { describe, expect, test } from 'vitest';
import { openCertificateAuthority } from '../auth/ca/index.ts';
import { startEmbeddedNats } from './embedded-nats.ts';
import { natsFiles } from './nats-configuration.ts';
import { connectAgent, eventually, startBus } from './testing.ts';

const cluster = 'aaaaaaaaaaaaaaaaaaaaaaaaaa' as ClusterId;

const isAlive = (processId: number) => {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
};

/** NATS upgrades to TLS after its greeting. */
const presentedSerial = (port: number) =>
  new Promise<string>((resolve, reject) => {
    const raw = connectTcp({ host: '127.0.0.1', port });
    raw.once('error', reject);
    raw.once('data', () => {
      const socket = connectTls({ socket: raw, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.once('error', reject);
    });
  });

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connectTcp({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

describe("the hub's nats-server", () => {
  test('is started again on the same port after a kill -9, and agents come back', async () => {
    await using bus = await startBus();
    const { connection } = await connectAgent(bus, cluster);
    const before = bus.nats.processId() ?? 0;
    process.kill(before, 'SIGKILL');
    const after = await eventually(
      'another process',
      () => bus.nats.processId(),
      (id) => id !== undefined && id !== before,
    );
    expect(after).not.toBe(before);
    await eventually(
      'the agent is connected again',
      async () => {
        const flushed = connection.flush().then(
          () => true,
          () => false,
        );
        return Promise.race([flushed, new Promise<boolean>((go) => setTimeout(go, 200, false))]);
      },
      (flushed) => flushed,
    );
    await connection.close();
  });

  test('keeps its port over a restart of the hub, and its files private', async () => {
    const first = await startBus();
    await first.nats.close();
    await using second = await startBus(first.root);
    expect(second.nats.port).toBe(first.nats.port);
    for (const file of ['nats/nats-server.conf', 'nats/tls-key.pem', 'nats-accounts.json']) {
      const { mode } = await stat(join(second.root, file));
      expect([file, mode & 0o777]).toEqual([file, 0o600]);
    }
  });

  test('S6: renews its certificate under live connections', async () => {
    const { options, accounts, nats, bus } = await startBus();
    await nats.close();
    // Lives 6 s, so it is renewed after 4 s.
    const authority = await openCertificateAuthority({
      directory: join(options.directory, '..'),
      at: Date.now(),
      serverCertificateLifetimeMs: 6_000,
    });
    await using again = await startEmbeddedNats({
      ...options,
      authority,
      certificateCheckIntervalMs: 100,
    });
    const parts = { bus, accounts } as Parameters<typeof connectAgent>[0];
    const { connection } = await connectAgent(parts, cluster, { reconnect: false });
    const before = await presentedSerial(again.port);
    await eventually(
      'another certificate',
      () => presentedSerial(again.port),
      (serial) => serial !== before,
    );
    await connection.flush();
    expect(connection.isClosed()).toBe(false);
    await connection.close();
  });

  test('S12: a server that is too old is refused at the start', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-old-'));
    const old = join(directory, 'nats-server');
    await writeFile(old, '#!/bin/sh\necho nats-server: v2.10.26\n', { mode: 0o755 });
    await using bus = await startBus();
    await expect(startEmbeddedNats({ ...bus.options, binary: old })).rejects.toThrow(
      /2\.10\.26; at least 2\.10\.27/,
    );
  });

  test('is gone after close', async () => {
    const bus = await startBus();
    const processId = bus.nats.processId() ?? 0;
    await bus.nats.close();
    expect(isAlive(processId)).toBe(false);
    expect(await listens(bus.nats.port)).toBe(false);
  });

  test('dies with a hub that is killed with -9', async () => {
    const bus = await startBus();
    await bus.nats.close();
    const script = `
      import { startBus } from ${JSON.stringify(join(import.meta.dirname, 'testing.ts'))};
      const bus = await startBus(${JSON.stringify(bus.root)});
      process.stdout.write(bus.nats.processId() + '\\n');
      setInterval(() => {}, 1000);
    `;
    const hub = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const line = await new Promise<string>((resolve) => {
      hub.stdout.setEncoding('utf8').once('data', resolve);
    });
    const processId = Number(line);
    expect(isAlive(processId)).toBe(true);
    hub.kill('SIGKILL');
    await eventually(
      'nats-server ends',
      () => isAlive(processId),
      (alive) => !alive,
    );
  });

  test('ends a server that an earlier hub left behind, and takes over its port', async () => {
    const bus = await startBus();
    await bus.nats.close();
    const configuration = natsFiles(bus.options.directory).configuration;
    const left = spawn(bus.options.binary, ['-c', configuration], { stdio: 'ignore' });
    await eventually(
      'the left server listens',
      () => listens(bus.nats.port),
      (answer) => answer,
    );
    await using next = await startEmbeddedNats(bus.options);
    expect(left.signalCode !== null || left.exitCode !== null).toBe(true);
    expect(next.port).toBe(bus.nats.port);
    expect(next.processId()).not.toBe(left.pid);
  });

  test('says what is wrong when it cannot start', async () => {
    await using bus = await startBus();
    const directory = join(bus.root, 'second');
    const options = { ...bus.options, directory, port: bus.nats.port, binary: '/does/not/exist' };
    await expect(startEmbeddedNats({ ...options, port: 0 })).rejects.toThrow(/ENOENT/);
  });

  test('S4: an agent that trusts another authority does not connect', async () => {
    await using bus = await startBus();
    await using other = await startBus();
    await expect(
      connectAgent(bus, cluster, { caPem: other.bus.caPem, reconnect: false }),
    ).rejects.toThrow();
  });
});
