// The hub as a process of its own, with its data in a folder and fixed ports, so that it can be killed and come back.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTool } from '../../deploy/tools/index.ts';
import { runCommand } from './command.ts';
import { freePort } from './free-port.ts';
import { type SupervisedProcess, startProcess } from './process.ts';
import { waitFor } from './wait-for.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export type HubOptions = {
  readonly directory: string;
  readonly logDirectory: string;
  readonly signal?: AbortSignal;
  /** Added to the hub's environment. */
  readonly environment?: Readonly<Record<string, string>>;
};

export type Hub = AsyncDisposable & {
  readonly url: string;
  readonly directory: string;
  /** The administrator's token, as the hub printed it at its first start. */
  readonly token: string;
  readonly process: SupervisedProcess;
  /** Asks the API; throws with the problem's code and detail where the status is not 2xx. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read the API's JSON as it comes.
  readonly api: (method: string, path: string, body?: unknown) => Promise<any>;
  /** Runs the `fairlead` command line against this hub and gives its standard output. */
  readonly cli: (args: readonly string[], stdin?: string) => Promise<string>;
  /** SIGKILL to the hub alone; its nats-server child may live on, as after a real crash. */
  readonly crash: () => Promise<void>;
  /** Process id of the nats-server that the hub runs now. */
  readonly natsPid: () => Promise<number>;
};

export async function startHub(options: HubOptions): Promise<Hub> {
  const { directory, logDirectory } = options;
  const [http, enrol, link, nats] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const url = `http://127.0.0.1:${http}`;
  const process_ = await startProcess({
    name: 'hub',
    command: process.execPath,
    args: ['hub/src/main.ts'],
    cwd: root,
    env: {
      FAIRLEAD_DATA_DIR: directory,
      FAIRLEAD_HTTP_ADDRESS: `127.0.0.1:${http}`,
      FAIRLEAD_ENROL_ADDRESS: `127.0.0.1:${enrol}`,
      FAIRLEAD_LINK_ADDRESS: `127.0.0.1:${link}`,
      FAIRLEAD_NATS_ADDRESS: `127.0.0.1:${nats}`,
      FAIRLEAD_NATS_SERVER: await findTool('nats-server'),
      ...options.environment,
    },
    logFile: join(logDirectory, 'hub.log'),
    ready: async () => (await fetch(`${url}/readyz`)).ok,
    signal: options.signal,
  });
  const token = await waitFor(
    'the hub prints the administrator token',
    async () => /\bfl_[\w-]{20,}/.exec(await readFile(process_.logFile, 'utf8'))?.[0],
    { timeoutMs: 5_000 },
  );

  return {
    url,
    directory,
    token,
    process: process_,
    api: async (method, path, body) => {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined
            ? {}
            : {
                'content-type': typeof body === 'string' ? 'application/yaml' : 'application/json',
              }),
        },
        body:
          body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === '' ? undefined : JSON.parse(text);
    },
    cli: (args, stdin) =>
      runCommand(process.execPath, ['hub/src/cli/main.ts', ...args], {
        cwd: root,
        env: { FAIRLEAD_URL: url, FAIRLEAD_TOKEN: token },
        stdin,
      }),
    crash: async () => {
      const { exited } = process_;
      process_.sendSignal('SIGKILL');
      await exited;
    },
    natsPid: async () =>
      Number.parseInt(await readFile(join(directory, 'nats', 'nats-server.pid'), 'utf8'), 10),
    [Symbol.asyncDispose]: () => process_[Symbol.asyncDispose](),
  };
}
