import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Logger } from '@fairlead/shared/log';
import type { Clock, Instant } from '@fairlead/shared/time';
import type { CertificateAuthority } from '../auth/ca/index.ts';
import { type NatsAccounts, renderAuthorization } from '../auth/nats-accounts/index.ts';
import { replacePrivateFile } from '../auth/private-file/index.ts';
import {
  busReadyTimeoutMs,
  busRestartBackoffMsMax,
  busRestartBackoffMsMin,
  certificateCheckIntervalMs,
} from '../limits.ts';
import { type Child, startChild, stopStale } from './child-process.ts';
import { natsFiles, renderNatsConfiguration } from './nats-configuration.ts';

export type EmbeddedNatsOptions = {
  /** Path of nats-server. */
  readonly binary: string;
  readonly directory: string;
  /** Address to listen on; loopback unless told otherwise. */
  readonly host?: string;
  /** 0 or absent: a free one is chosen at the first start and kept. */
  readonly port?: number;
  /** Names and addresses that agents use, for the server certificate. */
  readonly hosts: readonly string[];
  readonly authority: Pick<CertificateAuthority, 'issueServerCertificate'>;
  readonly accounts: NatsAccounts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal?: AbortSignal;
  readonly certificateCheckIntervalMs?: number;
};

export type EmbeddedNats = {
  readonly host: string;
  readonly port: number;
  /** Of the running server; `undefined` between its end and its restart. */
  readonly processId: () => number | undefined;
  readonly close: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/**
 * Runs nats-server as a child: started again when it dies, with the same port and store, and gone when the hub is.
 * One hub at a time may use `directory`. Rejects when the server does not answer at the first start.
 */
export async function startEmbeddedNats(options: EmbeddedNatsOptions): Promise<EmbeddedNats> {
  const { binary, accounts, logger, clock } = options;
  const host = options.host ?? '127.0.0.1';
  const files = natsFiles(options.directory);
  await requireVersion(binary);
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  if (await stopStale(files.processId, files.configuration)) {
    logger.warn('ended the nats-server that an earlier hub left behind');
  }
  const port = await chosenPort(files.port, host, options.port ?? 0);
  let certificate = await writeCertificate(options, files);
  let child: Child | undefined;
  let closing = false;
  const stopping = new AbortController();

  const start = async (): Promise<Child> => {
    const configuration = renderNatsConfiguration({
      directory: options.directory,
      host,
      port,
      certificatePath: files.certificate,
      keyPath: files.key,
      authorization: await renderAuthorization(accounts, { directory: files.accounts }),
    });
    await replacePrivateFile(files.configuration, configuration);
    return startChild(binary, ['-c', files.configuration]);
  };

  const supervise = async (first: Child): Promise<void> => {
    let backoffMs = busRestartBackoffMsMin;
    let startedAt = clock.now();
    child = first;
    while (!closing) {
      const { code, signal } = await child.exited;
      if (closing) return;
      const lastOutput = child.errorOutput();
      child = undefined;
      if (clock.now() - startedAt > busRestartBackoffMsMax) backoffMs = busRestartBackoffMsMin;
      logger.error({ code, signal, lastOutput, backoffMs }, 'nats-server ended; starting it again');
      await pause(backoffMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (closing) return;
      backoffMs = Math.min(backoffMs * 2, busRestartBackoffMsMax);
      startedAt = clock.now();
      child = await start();
    }
  };

  const first = await start();
  try {
    await ready(first, host, port);
  } catch (error) {
    await first.stop();
    throw error;
  }
  const supervised = supervise(first).catch((error) => {
    logger.error({ error }, 'nats-server cannot be started again');
  });

  const renewal = setInterval(async () => {
    if (!isDue(certificate, clock.now())) return;
    try {
      certificate = await writeCertificate(options, files);
      // A server reads its certificate again on this signal, and keeps its connections.
      child?.process.kill('SIGHUP');
      logger.info({ expiresAt: certificate.expiresAt }, 'renewed the certificate of nats-server');
    } catch (error) {
      logger.error({ error }, 'cannot renew the certificate of nats-server');
    }
  }, options.certificateCheckIntervalMs ?? certificateCheckIntervalMs);
  renewal.unref();

  const close = async () => {
    closing = true;
    clearInterval(renewal);
    stopping.abort();
    await child?.stop();
    await supervised;
  };
  options.signal?.addEventListener('abort', () => void close(), { once: true });

  return {
    host,
    port,
    processId: () => child?.processId,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Releases before it do not check all JetStream management requests against the account (CVE-2025-30215). */
const versionMin = [2, 10, 27] as const;

async function requireVersion(binary: string): Promise<void> {
  const { stdout } = await promisify(execFile)(binary, ['--version'], { timeout: 10_000 });
  const found = /v(\d+)\.(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number) ?? [0, 0, 0];
  const difference = versionMin
    .map((part, index) => (found[index] ?? 0) - part)
    .find((d) => d !== 0);
  if (difference !== undefined && difference < 0) {
    throw new Error(
      `${binary} is nats-server ${found.join('.')}; at least ${versionMin.join('.')} is needed`,
    );
  }
}

/** A server certificate is renewed at two thirds of its life. */
export const isDue = (
  certificate: { issuedAt: Instant; expiresAt: Instant },
  at: Instant,
): boolean => at >= certificate.issuedAt + ((certificate.expiresAt - certificate.issuedAt) * 2) / 3;

async function writeCertificate(
  { authority, hosts, clock }: EmbeddedNatsOptions,
  files: ReturnType<typeof natsFiles>,
) {
  const certificate = await authority.issueServerCertificate({ hosts, at: clock.now() });
  await replacePrivateFile(files.key, certificate.keyPem);
  await replacePrivateFile(files.certificate, certificate.certificatePem);
  return certificate;
}

async function chosenPort(path: string, host: string, wanted: number): Promise<number> {
  if (wanted !== 0) return wanted;
  const kept = Number(await readFile(path, 'utf8').catch(() => ''));
  if (Number.isInteger(kept) && kept > 0 && kept < 65_536) return kept;
  const port = await freePort(host);
  await writeFile(path, `${port}\n`);
  return port;
}

const freePort = (host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });

async function ready(child: Child, host: string, port: number): Promise<void> {
  const deadline = Date.now() + busReadyTimeoutMs;
  let ended = false;
  child.exited.then(() => {
    ended = true;
  });
  while (!(await greets(host, port))) {
    if (ended) {
      throw new Error(`nats-server ended at its start: ${child.errorOutput() || 'see its log'}`);
    }
    if (Date.now() > deadline) {
      throw new Error(
        `nats-server does not answer on ${host}:${port} after ${busReadyTimeoutMs} ms`,
      );
    }
    await pause(25);
  }
}

/** A server that is ready greets each connection with its INFO line. */
const greets = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: host === '0.0.0.0' ? '127.0.0.1' : host, port });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('data', (data) => finish(data.subarray(0, 5).toString('latin1') === 'INFO '));
  });
