// A nats-server with JetStream on its own, for tests of what talks to it. The hub starts its own.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findTool } from '../../deploy/tools/index.ts';
import { freePort } from './free-port.ts';
import { type SupervisedProcess, startProcess } from './process.ts';

export type NatsOptions = {
  /** Holds the configuration and JetStream's files; created if need be, not removed. */
  readonly directory: string;
  /** Defaults to `logs` in the directory. */
  readonly logDirectory?: string;
  /**
   * More configuration, for example authorization or TLS. Listening addresses and JetStream's folder
   * are set before it and must not be in it.
   */
  readonly configText?: string;
  readonly name?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
};

export type NatsServer = AsyncDisposable & {
  /** Stays the same over a restart. */
  readonly url: string;
  readonly port: number;
  readonly monitorUrl: string;
  readonly process: SupervisedProcess;
  stop(): Promise<void>;
};

export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const { directory, signal } = options;
  const name = options.name ?? 'nats';
  const command = await findTool('nats-server', { onProgress: options.onProgress, signal });
  const port = await freePort();
  const monitorPort = await freePort();
  const monitorUrl = `http://127.0.0.1:${monitorPort}`;
  const configFile = join(directory, 'nats.conf');
  const base = [
    `server_name: ${JSON.stringify(name)}`,
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitorPort}"`,
    `jetstream { store_dir: ${JSON.stringify(join(directory, 'jetstream'))} }`,
  ];
  await mkdir(directory, { recursive: true });
  await writeFile(configFile, `${base.join('\n')}\n${options.configText ?? ''}\n`);
  const server = await startProcess({
    name,
    command,
    args: ['--config', configFile],
    logFile: join(options.logDirectory ?? join(directory, 'logs'), `${name}.log`),
    signal,
    ready: async () => (await fetch(`${monitorUrl}/healthz`)).ok,
  });
  const stop = async () => {
    await server[Symbol.asyncDispose]();
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    monitorUrl,
    process: server,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
