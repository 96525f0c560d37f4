import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Recorded = {
  readonly method: string;
  /** Below /api/v1, with the query. */
  readonly path: string;
  readonly token: string | undefined;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
};

export type Answer = unknown | ((request: Recorded, response: ServerResponse) => unknown);

export type FakeHub = AsyncDisposable & {
  readonly url: string;
  readonly requests: readonly Recorded[];
  /** `GET /clusters` → a document, or a function that gives one or writes the answer itself. */
  readonly answer: (route: string, answer: Answer) => void;
  readonly refuse: (route: string, status: number, problem: object) => void;
};

/** A real server on a free port of loopback, with the routes that a test gives it. */
export async function createFakeHub(): Promise<FakeHub> {
  const answers = new Map<string, Answer>();
  const requests: Recorded[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const recorded: Recorded = {
      method: request.method ?? '',
      path: (request.url ?? '').replace(/^\/api\/v1/, ''),
      token: request.headers.authorization?.replace(/^Bearer /, ''),
      body: Buffer.concat(chunks).toString('utf8'),
      headers: request.headers,
    };
    requests.push(recorded);
    const route = `${recorded.method} ${recorded.path.split('?')[0]}`;
    const answer = answers.get(route);
    if (answer === undefined) {
      send(response, 404, { code: 'not_found', detail: `The test has no ${route}.` });
      return;
    }
    const document = typeof answer === 'function' ? await answer(recorded, response) : answer;
    if (!response.headersSent) send(response, 200, document);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (route, answer) => void answers.set(route, answer),
    refuse: (route, status, problem) =>
      void answers.set(route, (_: Recorded, response: ServerResponse) =>
        send(response, status, problem),
      ),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function send(response: ServerResponse, status: number, document: unknown): void {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(document));
}
