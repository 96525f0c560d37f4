import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { httpConnectionsMax, httpDrainMs, httpRequestTimeoutMs } from '../limits.ts';
import type { HttpApi } from './app.ts';

export type HttpServer = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  /** Takes no new requests, lets those under way end for a bounded time, and cuts the rest. */
  readonly close: () => Promise<void>;
};

/** Resolves when it listens; port 0 lets the system choose. */
export async function startHttpServer(options: {
  readonly app: HttpApi;
  readonly host: string;
  readonly port: number;
}): Promise<HttpServer> {
  const { app, host } = options;
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.requestTimeout = httpRequestTimeoutMs;
  server.headersTimeout = httpRequestTimeoutMs;
  server.maxConnections = httpConnectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const cut = setTimeout(() => server.closeAllConnections(), httpDrainMs);
    await closed;
    clearTimeout(cut);
  };
  const name = host.includes(':') ? `[${host}]` : host;
  return { url: `http://${name}:${port}`, port, close, [Symbol.asyncDispose]: close };
}
