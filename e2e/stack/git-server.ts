// A Git host on loopback: smart HTTP by git's own http-backend, pushes allowed, with GitHub's webhooks.

import { spawn } from 'node:child_process';
import { createHash, timingSafeEqual } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import { gitEnvironment } from './environment.ts';
import { createWebhooks, type WebhookDelivery } from './git-webhook.ts';
import { commandTimeoutMs } from './limits.ts';

export type GitServerOptions = {
  /** Holds the bare repositories; created if need be, not removed. */
  readonly directory: string;
  /** With it, every request needs these credentials (HTTP basic). */
  readonly basicAuthentication?: { readonly username: string; readonly password: string };
  /** Abort closes the server. */
  readonly signal?: AbortSignal;
};

export type GitRepository = {
  readonly name: string;
  readonly url: string;
  /** The bare repository's folder. */
  readonly path: string;
};

export type GitRequestCounts = {
  /** Every HTTP request, refused ones too. */
  readonly total: number;
  /** Every clone, fetch and ls-remote, told by the request that opens it. */
  readonly fetches: number;
  readonly pushes: number;
};

export type GitServer = AsyncDisposable & {
  readonly url: string;
  /** A new, empty bare repository with the default branch main. */
  createRepository(name: string): Promise<GitRepository>;
  /** After each push to the repository, POSTs a push webhook as GitHub does, once, to the URL. */
  webhook(repository: string, url: string, secret: string): void;
  /** What became of the newest webhook deliveries, oldest first. */
  deliveries(): readonly WebhookDelivery[];
  requestCounts(): GitRequestCounts;
  /** While true, every request is answered with 503. */
  setOutage(outage: boolean): void;
  close(): Promise<void>;
};

type Listening = {
  readonly options: GitServerOptions;
  readonly counts: { -readonly [Name in keyof GitRequestCounts]: number };
  outage: boolean;
  /** The last push under way for each repository; pushes to one repository run one after the other. */
  readonly pushes: Map<string, Promise<void>>;
  readonly aroundPush: (repository: string, push: () => Promise<void>) => Promise<void>;
};

const repositoryName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const service = /^\/([^/]+)\.git\/(info\/refs|git-upload-pack|git-receive-pack|HEAD|objects\/.*)$/;

export async function startGitServer(options: GitServerOptions): Promise<GitServer> {
  options.signal?.throwIfAborted();
  await mkdir(options.directory, { recursive: true });
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const pathOf = (name: string) => join(options.directory, `${name}.git`);
  const webhooks = createWebhooks(pathOf, (name) => `${url}/${name}.git`);
  const listening: Listening = {
    options,
    counts: { total: 0, fetches: 0, pushes: 0 },
    outage: false,
    pushes: new Map(),
    aroundPush: webhooks.around,
  };
  server.on('request', (request, response) => {
    answer(listening, request, response).catch((error: Error) =>
      refuse(response, 500, error.message),
    );
  });

  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      options.signal?.removeEventListener('abort', abort);
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await ended;
      await Promise.allSettled(listening.pushes.values());
      await webhooks.close();
    })();
    return closed;
  };
  const abort = () => void close();
  options.signal?.addEventListener('abort', abort, { once: true });

  return {
    url,
    async createRepository(name) {
      if (!repositoryName.test(name)) throw new Error(`"${name}" is no repository name.`);
      const path = pathOf(name);
      await createBareRepository(path);
      return { name, url: `${url}/${name}.git`, path };
    },
    webhook: webhooks.add,
    deliveries: webhooks.deliveries,
    requestCounts: () => ({ ...listening.counts }),
    setOutage(outage) {
      listening.outage = outage;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const repositoryConfiguration = {
  'http.receivepack': 'true',
  'uploadpack.allowFilter': 'true',
  'uploadpack.allowReachableSHA1InWant': 'true',
  'uploadpack.allowAnySHA1InWant': 'true',
  'receive.autogc': 'false',
  'gc.auto': '0',
};

async function createBareRepository(path: string): Promise<void> {
  const env = gitEnvironment();
  await runCommand('git', ['init', '--quiet', '--bare', '--initial-branch=main', path], { env });
  for (const [key, value] of Object.entries(repositoryConfiguration)) {
    await runCommand('git', ['-C', path, 'config', key, value], { env });
  }
}

async function answer(
  listening: Listening,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { counts, options } = listening;
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  counts.total += 1;
  if (listening.outage) return refuse(response, 503, 'The Git host is out of order.');
  if (!isAuthorised(request, options)) {
    response.setHeader('WWW-Authenticate', 'Basic realm="git"');
    return refuse(response, 401, 'Credentials are needed.');
  }
  const [, repository, wanted] = service.exec(url.pathname) ?? [];
  if (repository === undefined || !repositoryName.test(repository)) {
    return refuse(response, 404, 'There is no such repository.');
  }
  if (wanted === 'info/refs' && url.searchParams.get('service') !== 'git-receive-pack') {
    counts.fetches += 1;
  }
  if (wanted !== 'git-receive-pack') return runBackend(listening, url, request, response);

  counts.pushes += 1;
  const earlier = listening.pushes.get(repository) ?? Promise.resolve();
  const push = earlier.then(() =>
    listening.aroundPush(repository, () => runBackend(listening, url, request, response)),
  );
  // A push that failed must not fail those that wait behind it.
  listening.pushes.set(
    repository,
    push.catch(() => undefined),
  );
  return push;
}

/** One request through `git http-backend`, a CGI program (RFC 3875). */
function runBackend(
  { options }: Listening,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const header = (name: string) => request.headers[name]?.toString() ?? '';
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...gitEnvironment(),
      GIT_PROJECT_ROOT: options.directory,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROTOCOL: header('git-protocol'),
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: header('content-type'),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      ...(header('content-length') === '' ? {} : { CONTENT_LENGTH: header('content-length') }),
      REMOTE_ADDR: '127.0.0.1',
      REMOTE_USER: options.basicAuthentication?.username ?? 'test',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: commandTimeoutMs,
    killSignal: 'SIGKILL',
  });
  // A client that goes away takes its backend with it.
  response.once('close', () => {
    if (!response.writableFinished) backend.kill('SIGKILL');
  });
  backend.stdin.on('error', () => {});
  request.pipe(backend.stdin);

  let head: Buffer | undefined = Buffer.alloc(0);
  backend.stdout.on('data', (chunk: Buffer) => {
    if (head === undefined) {
      if (!response.write(chunk)) {
        backend.stdout.pause();
        response.once('drain', () => backend.stdout.resume());
      }
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    writeHead(response, head.subarray(0, end).toString('latin1'));
    response.write(head.subarray(end + 4));
    head = undefined;
  });
  return new Promise((resolve, reject) => {
    backend.once('error', reject);
    backend.once('close', (code) => {
      if (head !== undefined) refuse(response, 500, `git http-backend ended with ${code}.`);
      else response.end();
      resolve();
    });
  });
}

function writeHead(response: ServerResponse, head: string): void {
  response.statusCode = 200;
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === 'status') response.statusCode = Number.parseInt(value, 10);
    else response.setHeader(name, value);
  }
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain');
  response.end(`${reason}\n`);
}

function isAuthorised(request: IncomingMessage, options: GitServerOptions): boolean {
  const wanted = options.basicAuthentication;
  if (wanted === undefined) return true;
  const encoded = Buffer.from(`${wanted.username}:${wanted.password}`).toString('base64');
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(request.headers.authorization ?? ''), digest(`Basic ${encoded}`));
}
