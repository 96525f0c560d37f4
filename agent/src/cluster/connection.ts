import type { IncomingMessage } from 'node:http';
import { Agent, type AgentOptions, request as httpsRequest, type RequestOptions } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  apiAnswerBytesMax,
  apiBackoffMsMax,
  apiBackoffMsMin,
  apiKeepAliveMs,
  apiRefusedMsMax,
  apiRequestMsMax,
  apiRequestsInFlightMax,
  apiTriesMax,
  credentialsAgeMsMax,
} from '../limits.ts';
import { createCredentials, type KubernetesAccess } from './credentials.ts';
import { errorOfStatus } from './error-of-status.ts';
import { createPacing } from './pacing.ts';
import { ClusterError } from './port.ts';

export type ApiRequest = {
  readonly method: 'GET' | 'PATCH' | 'DELETE';
  /** With the query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly accept?: string;
  /** Asks as this user, who must be one that the agent may impersonate; the API server adds a service account's groups. */
  readonly asUser?: string;
  readonly signal?: AbortSignal;
};

export type Connection = {
  /** The answer's JSON. Retries what may be retried: every request of the agent is idempotent. */
  readonly json: (request: ApiRequest) => Promise<unknown>;
  /** The answer as it is, with the same retries. */
  readonly text: (request: ApiRequest) => Promise<string>;
  /** An open answer of a watch; the caller reads it to its end and destroys it. */
  readonly stream: (request: ApiRequest) => Promise<IncomingMessage>;
  readonly close: () => void;
};

/** Uses the kubeconfig file, or without one the service account that Kubernetes mounts into the pod. */
export function connect(access: KubernetesAccess): Connection {
  const { server, read } = createCredentials(access);
  const { hostname, port, pathname } = new URL(server);
  const prefix = pathname.replace(/\/$/, '');

  const credentials = createRereading(read);
  const agents = {
    json: pooled({ maxSockets: apiRequestsInFlightMax, scheduling: 'fifo' }),
    stream: pooled({}),
  };

  const send = async (request: ApiRequest, agent: Agent): Promise<IncomingMessage> => {
    const { headers, ...tls } = await credentials();
    const { signal } = request;
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(
        {
          ...tls,
          host: hostname.replace(/^\[|\]$/g, ''),
          port: port || 443,
          path: prefix + request.path,
          method: request.method,
          agent,
          headers: {
            ...headers,
            accept: request.accept ?? 'application/json',
            'user-agent': 'fairlead-agent',
            ...(request.asUser === undefined ? {} : { 'impersonate-user': request.asUser }),
            ...(request.body === undefined
              ? {}
              : {
                  'content-type': request.contentType ?? 'application/json',
                  'content-length': Buffer.byteLength(request.body),
                }),
          },
        },
        resolve,
      );
      sent.on('error', reject);
      sent.setTimeout(apiRequestMsMax, () =>
        sent.destroy(new Error(`no answer within ${apiRequestMsMax} ms`)),
      );
      if (signal) {
        // Node's own option for it watches the whole stream, which costs a quarter of a request.
        const abort = () => sent.destroy(signal.reason);
        signal.addEventListener('abort', abort, { once: true });
        sent.once('close', () => signal.removeEventListener('abort', abort));
      }
      sent.end(request.body);
    });
  };

  const pacing = createPacing({ inFlightMax: apiRequestsInFlightMax });

  const once = async <Value>(
    request: ApiRequest,
    read: (text: string) => Value,
  ): Promise<Attempt<Value>> => {
    const place = pacing.enter(request.signal);
    if (place) await place;
    const round = pacing.round();
    let outcome: 'served' | 'refused' | 'none' = 'none';
    try {
      const answer = await send(request, agents.json);
      const text = await readAll(answer);
      const status = answer.statusCode ?? 0;
      outcome = status === 429 || status === 503 ? 'refused' : 'served';
      if (status < 300) return { value: read(text) };
      const error = errorOfStatus(status, text, request.path);
      const again = status === 429 || status >= 500;
      return {
        error,
        isRefused: status === 429,
        retryAfterMs: again ? retryAfterMs(answer) : undefined,
      };
    } catch (error) {
      request.signal?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      return {
        error: new ClusterError('unavailable', `${server} does not answer: ${reason}`, {
          cause: error,
        }),
        isRefused: false,
        retryAfterMs: 0,
      };
    } finally {
      pacing.leave(outcome, round);
    }
  };

  const ask = async <Value>(request: ApiRequest, read: (text: string) => Value): Promise<Value> => {
    let backoffMs = apiBackoffMsMin;
    let tries = 0;
    const until = performance.now() + apiRefusedMsMax;
    for (;;) {
      const attempt = await once(request, read);
      if ('value' in attempt) return attempt.value;
      // A server that asks to wait is waited for; one that fails is tried a few times.
      const mayGoOn = attempt.isRefused ? performance.now() < until : ++tries < apiTriesMax;
      if (attempt.retryAfterMs === undefined || !mayGoOn) throw attempt.error;
      const asked = attempt.retryAfterMs * (1 + Math.random() / 2);
      const pauseMs = asked > 0 ? asked : backoffMs * (0.5 + Math.random());
      await sleep(Math.min(pauseMs, apiBackoffMsMax), undefined, { signal: request.signal });
      if (asked === 0) backoffMs *= 2;
    }
  };

  return {
    json: (request) =>
      ask(request, (text): unknown => (text === '' ? undefined : JSON.parse(text))),
    text: (request) => ask(request, (text) => text),
    stream: async (request) => {
      const answer = await send(request, agents.stream);
      const status = answer.statusCode ?? 0;
      if (status < 300) return answer;
      throw errorOfStatus(status, await readAll(answer), request.path);
    },
    close: () => {
      agents.json.destroy();
      agents.stream.destroy();
    },
  };
}

type NamedOptions = RequestOptions & { readonly poolName?: string };

/** Sockets are kept by the name of the credentials: an agent would put all of them together anew for each request. */
const pooled = (options: AgentOptions): Agent =>
  Object.assign(new Agent({ keepAlive: true, keepAliveMsecs: apiKeepAliveMs, ...options }), {
    getName: ({ poolName = '' }: NamedOptions) => poolName,
  });

type Attempt<Value> =
  | { readonly value: Value }
  | {
      readonly error: ClusterError;
      /** The server is too busy now, and has not looked at the request. */
      readonly isRefused: boolean;
      readonly retryAfterMs: number | undefined;
    };

/** A service account's token changes while the agent runs, so credentials are read again after a while. */
function createRereading(read: () => Promise<RequestOptions>): () => Promise<NamedOptions> {
  const namer = new Agent();
  let held: { readonly options: Promise<NamedOptions>; readonly readAt: number } | undefined;
  const named = async (): Promise<NamedOptions> => {
    const { headers, ...tls } = await read();
    return { headers, ...tls, poolName: namer.getName(tls) };
  };
  return () => {
    const now = performance.now();
    if (!held || now - held.readAt > credentialsAgeMsMax) {
      held = { readAt: now, options: named() };
      held.options.catch(() => {
        held = undefined;
      });
    }
    return held.options;
  };
}

const retryAfterMs = (answer: IncomingMessage): number =>
  Number(answer.headers['retry-after'] ?? 0) * 1_000 || 0;

/** By events: an asynchronous iteration costs several promises a chunk, and most answers are one chunk. */
const readAll = (answer: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > apiAnswerBytesMax) {
        answer.destroy(new Error(`an answer is larger than ${apiAnswerBytesMax} bytes`));
      }
    });
    answer.once('error', reject);
    // Every answer closes; only one that has not ended was cut off.
    answer.once('close', () => {
      if (!answer.readableEnded) reject(new Error('the answer was cut off'));
    });
    answer.once('end', () => {
      const [first = Buffer.alloc(0)] = chunks;
      resolve((chunks.length > 1 ? Buffer.concat(chunks) : first).toString());
    });
  });
