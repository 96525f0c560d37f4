// A small JSON client for one API server, for the administration that tests do.

import { Agent, request as httpsRequest } from 'node:https';
import { apiRequestTimeoutMs } from './limits.ts';

/** An answer of 400 or more; `body` is usually a Status. */
export class KubeRequestError extends Error {
  override readonly name = 'KubeRequestError';
  readonly status: number;
  readonly body: unknown;

  constructor(message: string, status: number, body: unknown) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

export type KubeRequestOptions = {
  /** Defaults to application/json. */
  readonly contentType?: string;
  /** Defaults to the administrator's. */
  readonly token?: string;
};

// The caller knows the shape that a path answers with; tests read it and fail when it differs.
// biome-ignore lint/suspicious/noExplicitAny: see above.
export type KubeObject = any;

export type KubeRequest = (
  method: string,
  path: string,
  body?: unknown,
  options?: KubeRequestOptions,
) => Promise<KubeObject>;

export type KubeClient = Disposable & { readonly request: KubeRequest };

export function createKubeClient(server: string, ca: string, adminToken: string): KubeClient {
  const agent = new Agent({ keepAlive: true, ca, maxSockets: 32 });
  return {
    request: (method, path, body, options = {}) =>
      new Promise((resolve, reject) => {
        const payload = body === undefined ? undefined : JSON.stringify(body);
        const request = httpsRequest(
          new URL(path, server),
          {
            method,
            agent,
            signal: AbortSignal.timeout(apiRequestTimeoutMs),
            headers: {
              Authorization: `Bearer ${options.token ?? adminToken}`,
              Accept: 'application/json',
              ...(payload === undefined
                ? {}
                : {
                    'Content-Type': options.contentType ?? 'application/json',
                    'Content-Length': Buffer.byteLength(payload),
                  }),
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () => {
              const text = Buffer.concat(chunks).toString('utf8');
              const isJson = response.headers['content-type']?.includes('json') ?? false;
              const answer: KubeObject = isJson && text !== '' ? JSON.parse(text) : text;
              const status = response.statusCode ?? 0;
              if (status < 400) return resolve(answer);
              const reason = answer?.message ?? text;
              reject(
                new KubeRequestError(`${method} ${path}: ${status} ${reason}`, status, answer),
              );
            });
          },
        );
        request.on('error', reject);
        request.end(payload);
      }),
    [Symbol.dispose]() {
      agent.destroy();
    },
  };
}
