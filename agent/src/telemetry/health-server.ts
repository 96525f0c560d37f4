import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { healthConnectionsMax, healthHeaderBytesMax, healthRequestMsMax } from '../limits.ts';
import type { AgentMetrics } from './metrics.ts';

/** Empty when it holds; otherwise each reason in words. */
export type HealthCheck = () => readonly string[];

export type HealthServerOptions = {
  /** Loopback, unless the kubelet has to reach it on the pod's address. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The process can do its work: its journal opens and its loop turns. The hub may be gone. */
  readonly healthy: HealthCheck;
  /** It has an identity and has seen its assignments at least once. */
  readonly ready: HealthCheck;
  readonly metrics: Pick<AgentMetrics, 'text' | 'contentType'>;
};

export type HealthServer = AsyncDisposable & { readonly port: number };

/** `/livez`, `/healthz`, `/readyz` and `/metrics`: the only port that the agent opens. It takes nothing in. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const checks: Readonly<Record<string, HealthCheck>> = {
    '/livez': () => [],
    '/healthz': options.healthy,
    '/readyz': () => [...options.healthy(), ...options.ready()],
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return end(response, 405, 'GET only\n');
    if (path === '/metrics') {
      const text = await options.metrics.text();
      response.setHeader('content-type', options.metrics.contentType);
      return end(response, 200, text);
    }
    const check = Object.hasOwn(checks, path) ? checks[path] : undefined;
    if (check === undefined) return end(response, 404, 'not found\n');
    const reasons = check();
    return end(response, reasons.length === 0 ? 200 : 503, `${reasons.join('\n') || 'ok'}\n`);
  };

  const server = createServer(
    {
      requestTimeout: healthRequestMsMax,
      headersTimeout: healthRequestMsMax,
      maxHeaderSize: healthHeaderBytesMax,
    },
    (request, response) => {
      request.resume();
      answer(request, response).catch(() => end(response, 500, 'the check failed\n'));
    },
  );
  server.maxConnections = healthConnectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function end(response: ServerResponse, status: number, text: string): void {
  if (!response.headersSent && !response.hasHeader('content-type')) {
    response.setHeader('content-type', 'text/plain; charset=utf-8');
  }
  response.statusCode = status;
  response.end(text);
}
