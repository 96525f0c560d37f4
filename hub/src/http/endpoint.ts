import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Actor } from '../decision-log/index.ts';
import type { Permission, Person } from '../domain/hub/index.ts';
import type { HttpEnvironment } from './environment.ts';

export const apiPrefix = '/api/v1';

/** Who may call: anybody, any token, whoever has a permission, or an administrator. */
export type Access = 'public' | 'viewer' | 'admin' | Permission;

export type EndpointInput<Params, QueryInput, Body> = {
  readonly params: Params;
  readonly query: QueryInput;
  readonly body: Body;
  readonly actor: Actor;
  /** Nobody with a right, where the route is public. */
  readonly person: Person;
  readonly context: Context<HttpEnvironment>;
};

/** One route with everything that the server and the OpenAPI document need of it. */
export type Endpoint = {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As OpenAPI writes it, below `/api/v1`: `/pipelines/{pipeline}/stages/{stage}:promote`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly access: Access;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  /** Absent: the request has none. `text` is a document in YAML or JSON, handed over as it came. */
  readonly body?: { readonly kind: 'json' | 'text'; readonly schema: z.ZodType };
  readonly response: z.ZodType;
  readonly status: 200 | 201 | 202;
  readonly handle: (input: EndpointInput<never, never, never>) => Promise<object> | object;
};

const none = z.object({});

/** Ties a handler's input and output to the schemas, and forgets the types that only the handler needs. */
export function endpoint<
  Response extends z.ZodType,
  Params extends z.ZodObject = typeof none,
  QuerySchema extends z.ZodObject = typeof none,
  Body extends z.ZodType = z.ZodUndefined,
>(definition: {
  readonly method: Endpoint['method'];
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly access?: Access;
  readonly params?: Params;
  readonly query?: QuerySchema;
  readonly body?: Body;
  /** The body is a document of this shape in YAML or JSON, handed over as it came: `body` is then a text. */
  readonly text?: z.ZodType;
  readonly response: Response;
  readonly status?: Endpoint['status'];
  readonly handle: (
    input: EndpointInput<z.output<Params>, z.output<QuerySchema>, z.output<Body>>,
  ) => Promise<z.input<Response> & object> | (z.input<Response> & object);
}): Endpoint {
  const { method, path, tag, summary, response, handle, text, body } = definition;
  const schema = text ?? body;
  return {
    method,
    path,
    tag,
    summary,
    access: definition.access ?? (method === 'get' ? 'viewer' : 'admin'),
    params: definition.params ?? none,
    query: definition.query ?? none,
    ...(schema === undefined ? {} : { body: { kind: text ? 'text' : 'json', schema } }),
    response,
    status: definition.status ?? 200,
    handle: handle as Endpoint['handle'],
  };
}

/**
 * The path as Hono matches it. A verb after a colon belongs to its segment, so the parameter before it matches with the
 * verb and `withoutVerb` takes it off again.
 */
export const routerPath = (path: string): string =>
  path.replaceAll(/\{(\w+)\}:([a-z-]+)/g, ':$1{[^:]+:$2}').replaceAll(/\/\{(\w+)\}/g, '/:$1');

export const verbOf = (path: string): string => /:([a-z-]+)$/.exec(path)?.[1] ?? '';

export function withoutVerb(
  params: Readonly<Record<string, string>>,
  verb: string,
): Record<string, string> {
  const suffix = `:${verb}`;
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      verb !== '' && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value,
    ]),
  );
}
