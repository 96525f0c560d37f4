import { createParser } from 'eventsource-parser';
import type { Page, ProblemDocument } from '../http/index.ts';
import { cliPageItems, cliRequestTimeoutMs } from '../limits.ts';
import { ApiError, CliError } from './cli-error.ts';
import type { Connection } from './connection.ts';
import { exitCodes } from './exit-codes.ts';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;
export type ServerEvent = { readonly id?: string; readonly event?: string; readonly data: string };

export type ApiClient = {
  readonly get: <Document>(path: string, query?: Query) => Promise<Document>;
  readonly send: <Document>(
    method: Method,
    path: string,
    body?: unknown,
    query?: Query,
  ) => Promise<Document>;
  readonly remove: <Document>(path: string, query: Query) => Promise<Document>;
  /** Sends YAML as it is, so that the hub can name places in it. */
  readonly sendYaml: <Document>(path: string, text: string, query?: Query) => Promise<Document>;
  /** Every item of a list, page by page. */
  readonly items: <Item>(path: string, query?: Query) => AsyncGenerator<Item>;
  /** One connection's events, until the hub ends it. */
  readonly events: (path: string, query: Query, lastId?: string) => AsyncGenerator<ServerEvent>;
};

export type Method = 'POST' | 'PUT' | 'PATCH';

/** A segment of a path; names come from people. */
export const segment = (text: string): string => encodeURIComponent(text);

export function createApiClient({ url, token }: Connection, signal: AbortSignal): ApiClient {
  const call = async (
    path: string,
    init: RequestInit & { query?: Query; ended?: AbortSignal },
  ): Promise<Response> => {
    const target = new URL(`${url}/api/v1${path}`);
    for (const [name, value] of Object.entries(init.query ?? {})) {
      if (value !== undefined) target.searchParams.set(name, String(value));
    }
    const headers = new Headers(init.headers);
    if (token) headers.set('authorization', `Bearer ${token}`);
    const timeout = AbortSignal.timeout(cliRequestTimeoutMs);
    let response: Response;
    try {
      response = await fetch(target, {
        ...init,
        headers,
        signal: init.ended ?? AbortSignal.any([signal, timeout]),
      });
    } catch (error) {
      throw notReached(url, error, signal);
    }
    if (response.ok) return response;
    throw new ApiError(response.status, await problemOf(response));
  };
  const json = async <Document>(response: Response): Promise<Document> => {
    const text = await response.text();
    try {
      return (text === '' ? undefined : JSON.parse(text)) as Document;
    } catch (error) {
      throw new CliError(
        exitCodes.unreachable,
        `${url} does not answer like a hub: check the address.`,
        error,
      );
    }
  };
  const get: ApiClient['get'] = async (path, query) => json(await call(path, { query }));

  return {
    get,
    send: async (method, path, body, query) => {
      const content =
        body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
      return json(await call(path, { method, query, ...content }));
    },
    remove: async (path, query) => json(await call(path, { method: 'DELETE', query })),
    sendYaml: async (path, text, query) =>
      json(
        await call(path, {
          method: 'POST',
          query,
          body: text,
          headers: { 'content-type': 'application/yaml' },
        }),
      ),
    items: async function* <Item>(path: string, query: Query = {}) {
      let cursor: string | undefined;
      do {
        const page: Page<Item> = await get(path, { limit: cliPageItems, ...query, cursor });
        yield* page.items;
        cursor = page.nextCursor;
      } while (cursor !== undefined);
    },
    events: async function* (path, query, lastId) {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId !== undefined) headers['last-event-id'] = lastId;
      const response = await call(path, { query, headers, ended: signal });
      const waiting: ServerEvent[] = [];
      const parser = createParser({ onEvent: (event) => waiting.push(event) });
      const decoder = new TextDecoder();
      try {
        for await (const chunk of response.body ?? []) {
          parser.feed(decoder.decode(chunk, { stream: true }));
          yield* waiting.splice(0);
        }
      } catch (error) {
        throw notReached(url, error, signal);
      }
    },
  };
}

async function problemOf(response: Response): Promise<Partial<ProblemDocument>> {
  try {
    return (await response.json()) as Partial<ProblemDocument>;
  } catch {
    return { detail: `the hub answered ${response.status} ${response.statusText}` };
  }
}

function notReached(url: string, error: unknown, signal: AbortSignal): CliError {
  if (signal.aborted) return new CliError(exitCodes.refused, 'Interrupted.', error);
  const { cause, name } = error as { cause?: { code?: string; message?: string }; name?: string };
  const reason =
    name === 'TimeoutError'
      ? `no answer in ${cliRequestTimeoutMs / 1_000} s`
      : (cause?.code ?? cause?.message ?? 'the connection ended');
  return new CliError(
    exitCodes.unreachable,
    `The hub at ${url} is unreachable (${reason}).\nRemedy: check --url or FAIRLEAD_URL, and that the hub runs.`,
    error,
  );
}
