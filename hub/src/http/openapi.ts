import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { HttpApiOptions } from './dependencies.ts';
import { apiPrefix, type Endpoint } from './endpoint.ts';
import { endpoints } from './endpoints.ts';
import { problemSchema, readinessSchema, resourceName } from './schemas.ts';

const json = <Schema extends z.ZodType>(schema: Schema) => ({ 'application/json': { schema } });
const problems = {
  default: {
    description: 'What went wrong (RFC 9457).',
    content: { 'application/problem+json': { schema: problemSchema } },
  },
};
const bearer = [{ bearer: [] }];
const positionHeaders = z.object({
  'X-Fairlead-Position': z
    .string()
    .openapi({ description: 'Up to where the log is shown, or was written.' }),
});
const readPosition = z.object({
  atPosition: z.coerce
    .number()
    .int()
    .nonnegative()
    .optional()
    .openapi({ description: 'Waits until the answer shows the log up to here.' }),
});

type Registry = OpenAPIHono['openAPIRegistry'];

/** The OpenAPI 3.1 document, made of the very schemas that check requests. */
export function openApiDocument(): object {
  const app = new OpenAPIHono();
  const registry = app.openAPIRegistry;
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  // Only what the endpoints declare is read; no handler runs, so none of their dependencies is needed.
  for (const one of endpoints({} as HttpApiOptions)) registerEndpoint(registry, one);
  registerEvents(registry);
  registerUnauthenticated(registry);
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Fairlead',
      version: 'v1',
      description:
        'Promotes commits of environment repositories through stages, over a fleet of clusters.',
      license: { name: 'Apache-2.0' },
    },
  });
}

function registerEndpoint(registry: Registry, one: Endpoint): void {
  const query = one.method === 'get' ? one.query.extend(readPosition.shape) : one.query;
  registry.registerPath({
    method: one.method,
    path: apiPrefix + one.path,
    operationId: operationId(one),
    tags: [one.tag],
    summary: one.summary,
    description: accessText(one.access),
    security: one.access === 'public' ? [] : bearer,
    request: {
      params: one.params,
      query,
      ...(one.body === undefined ? {} : { body: { content: bodyContent(one.body) } }),
    },
    responses: {
      [one.status]: {
        description: 'Done.',
        headers: positionHeaders,
        content: json(one.response),
      },
      ...problems,
    },
  });
}

function accessText(access: Endpoint['access']): string {
  if (access === 'public') return 'Needs no token.';
  if (access === 'viewer') return 'Any token may.';
  return access === 'admin' ? 'An administrator may.' : `Needs the permission \`${access}\`.`;
}

const bodyContent = ({ kind, schema }: NonNullable<Endpoint['body']>) =>
  kind === 'json' ? json(schema) : { 'application/yaml': { schema }, ...json(schema) };

/** `post /pipelines/{pipeline}/stages/{stage}:promote` is `postPipelinesStagesPromote`. */
const operationId = ({ method, path }: Endpoint): string =>
  method +
  path
    .replaceAll(/\{\w+\}/g, '')
    .split(/[/:-]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('') +
  (path.endsWith('}') ? 'ByName' : '');

function registerEvents(registry: Registry): void {
  registry.registerPath({
    method: 'get',
    path: `${apiPrefix}/events`,
    operationId: 'getEvents',
    tags: ['audit'],
    summary: 'Streams entries of the log as server-sent events; an id is a position.',
    security: bearer,
    request: {
      headers: z.object({ 'Last-Event-ID': z.string().optional() }),
      query: z.object({
        after: z.coerce.number().int().nonnegative().optional(),
        pipeline: resourceName.optional(),
        cluster: resourceName.optional(),
      }),
    },
    responses: {
      200: {
        description: 'AuditEntry documents, as they are recorded.',
        content: { 'text/event-stream': { schema: z.string() } },
      },
      ...problems,
    },
  });
}

function registerUnauthenticated(registry: Registry): void {
  registry.registerPath({
    method: 'post',
    path: `${apiPrefix}/webhooks/{repository}`,
    operationId: 'postWebhook',
    tags: ['repositories'],
    summary: 'Takes a signed webhook of a Git host as a hint to fetch.',
    security: [],
    request: {
      params: z.object({ repository: resourceName }),
      body: { content: json(z.looseObject({})) },
    },
    responses: {
      202: { description: 'Taken.', content: json(z.object({ accepted: z.boolean() })) },
      ...problems,
    },
  });
  registry.registerPath({
    method: 'get',
    path: '/readyz',
    operationId: 'getReadiness',
    tags: ['operation'],
    summary: 'Says whether every part of the hub works.',
    security: [],
    responses: {
      200: { description: 'All parts work.', content: json(readinessSchema) },
      503: { description: 'A part does not.', content: json(readinessSchema) },
    },
  });
  for (const [path, summary] of [
    ['/healthz', 'Says that the program runs.'],
    ['/metrics', 'Metrics in the text format of Prometheus.'],
    [`${apiPrefix}/openapi.json`, 'This document.'],
  ] as const) {
    registry.registerPath({
      method: 'get',
      path,
      operationId: `get${path.slice(path.lastIndexOf('/') + 1).replace('.json', 'Document')}`,
      tags: ['operation'],
      summary,
      security: [],
      responses: {
        200: { description: 'Done.', content: { 'text/plain': { schema: z.string() } } },
      },
    });
  }
}
