import { execFileSync, spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export type GitHostOptions = {
  /** Holds the repositories that are served, by folder name. */
  readonly root: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `user:password` that every request must bring. */
  readonly login?: string;
};

export type GitHost = AsyncDisposable & {
  readonly url: (repository: string) => string;
  /** Takes the host off the network, or back. */
  readonly setReachable: (reachable: boolean) => void;
  readonly requests: () => number;
  /** Answers requests whose path holds `part` with this status (and these headers) instead, so many times. */
  readonly answer: (
    status: number,
    times: number,
    more?: { part?: string; headers?: Record<string, string> },
  ) => void;
  /** Carries out so many pushes and then drops the connection instead of answering. */
  readonly loseAnswers: (times: number) => void;
};

/** Serves repositories by Git's own `git http-backend` on a free port of loopback. */
export async function createGitHost(options: GitHostOptions): Promise<GitHost> {
  const backend = join(
    execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(),
    'git-http-backend',
  );
  let reachable = true;
  let requests = 0;
  let answers: { status: number; times: number; part: string; headers: Record<string, string> } = {
    status: 0,
    times: 0,
    part: '',
    headers: {},
  };
  let lostAnswers = 0;
  const server = createServer((request, response) => {
    requests++;
    if (!reachable) request.socket.destroy();
    else if (answers.times > 0 && request.url?.includes(answers.part)) {
      answers.times--;
      response.writeHead(answers.status, answers.headers).end();
    } else if (options.login && request.headers.authorization !== basic(options.login)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    } else {
      const isPush =
        request.method === 'POST' && request.url?.endsWith('/git-receive-pack') === true;
      const isLost = isPush && lostAnswers-- > 0;
      serve(backend, options, request, response, isLost);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: (repository) => `http://127.0.0.1:${port}/${repository}`,
    setReachable: (value) => {
      reachable = value;
    },
    requests: () => requests,
    answer: (status, times, { part = '', headers = {} } = {}) => {
      answers = { status, times, part, headers };
    },
    loseAnswers: (times) => {
      lostAnswers = times;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const basic = (login: string): string => `Basic ${Buffer.from(login).toString('base64')}`;

function serve(
  backend: string,
  { root, environment }: GitHostOptions,
  request: IncomingMessage,
  response: ServerResponse,
  isLost: boolean,
): void {
  const url = new URL(request.url ?? '/', 'http://host');
  const child = spawn(backend, {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      PATH: environment.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'],
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
      GIT_PROTOCOL: request.headers['git-protocol']?.toString(),
    },
  });
  child.stdin.on('error', () => {});
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  let headSent = false;
  child.stdout.on('data', (chunk: Buffer) => {
    if (isLost) return;
    if (headSent) return void response.write(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1) return;
    const lines = head.toString('latin1', 0, end).split('\r\n');
    const headers = lines.map((line) => line.split(/:\s*(.*)/, 2) as [string, string]);
    const status = headers.find(([name]) => name === 'Status')?.[1];
    response.writeHead(
      Number.parseInt(status ?? '200', 10),
      Object.fromEntries(headers.filter(([name]) => name !== 'Status')),
    );
    response.write(head.subarray(end + 4));
    headSent = true;
  });
  child.once('close', () => (isLost ? request.socket.destroy() : response.end()));
}
