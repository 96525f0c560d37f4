import { randomUUID } from 'node:crypto';
import { ProblemError, problem } from '@fairlead/shared/problem';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context, Hono } from 'hono';
import { requestBodyBytesMax } from '../limits.ts';
import { authorise, waitForPosition } from './access.ts';
import { readBody } from './body.ts';
import type { HttpApiOptions } from './dependencies.ts';
import { apiPrefix, type Endpoint, routerPath, verbOf, withoutVerb } from './endpoint.ts';
import { endpoints } from './endpoints.ts';
import type { HttpEnvironment } from './environment.ts';
import { openApiDocument } from './openapi.ts';
import { problemResponse, schemaFaults } from './problems.ts';
import { mountEventStream } from './routes/events.ts';
import { mountProbes } from './routes/probes.ts';
import { mountWebhooks } from './routes/webhooks.ts';

export const positionHeader = 'x-fairlead-position';

export type HttpApi = Hono<HttpEnvironment>;

/** Makes the application; it listens on nothing. */
export function createHttpApi(options: HttpApiOptions): HttpApi {
  const app = new OpenAPIHono<HttpEnvironment>({});
  app.onError((error, context) => problemResponse(context, error, options.logger));
  app.notFound((context) => {
    const error = new ProblemError(
      problem('not_found', `There is nothing at ${context.req.path}.`),
    );
    return problemResponse(context, error, options.logger);
  });
  app.use('*', async (context, next) => {
    // A given id is taken, so that a request can be followed through a proxy, unless it could break a log line.
    const given = context.req.header('x-request-id') ?? '';
    const requestId = /^[\w.-]{1,128}$/.test(given) ? given : randomUUID();
    context.set('requestId', requestId);
    await next();
    context.header('x-request-id', requestId);
    context.header('x-content-type-options', 'nosniff');
  });
  mountProbes(app, options);
  mountWebhooks(app, options);
  mountEventStream(app, options);
  let document: object | undefined;
  app.get(`${apiPrefix}/openapi.json`, (context) => {
    document ??= openApiDocument();
    return context.json(document);
  });
  for (const route of endpoints(options)) mountEndpoint(app, route, options);
  return app;
}

function mountEndpoint(
  app: OpenAPIHono<HttpEnvironment>,
  route: Endpoint,
  options: HttpApiOptions,
): void {
  const verb = verbOf(route.path);
  app.on(route.method.toUpperCase(), apiPrefix + routerPath(route.path), async (context) => {
    const params = withoutVerb(context.req.param() as Record<string, string>, verb);
    const caller = await authorise(context, { ...options, route, params });
    const input = await readInput(context, route, params);
    if (route.method === 'get') await waitForPosition(context, options);
    const document = await route.handle({ ...input, ...caller, context } as never);
    const written = (document as { position?: unknown }).position;
    const position =
      route.method !== 'get' && typeof written === 'number'
        ? written
        : options.readModel.position();
    context.header(positionHeader, String(position));
    context.header('cache-control', 'no-store');
    return context.json(document, route.status);
  });
}

/** Checks path, query and body together, so that the answer names every fault at once. */
async function readInput(
  context: Context<HttpEnvironment>,
  route: Endpoint,
  params: Record<string, string>,
) {
  const parsedParams = route.params.safeParse(params);
  const parsedQuery = route.query.safeParse(context.req.query());
  const parsedBody = route.body?.kind === 'json' ? await jsonBody(context, route) : undefined;
  const faults = [
    ...(parsedParams.success ? [] : schemaFaults(parsedParams.error, '')),
    ...(parsedQuery.success ? [] : schemaFaults(parsedQuery.error, '')),
    ...(parsedBody === undefined || parsedBody.success ? [] : schemaFaults(parsedBody.error, '')),
  ];
  if (faults.length > 0) {
    throw new ProblemError(
      problem('request_invalid', `The request has ${faults.length} fault(s).`, faults),
    );
  }
  const body =
    route.body?.kind === 'text'
      ? (await readBody(context, requestBodyBytesMax)).toString('utf8')
      : parsedBody?.data;
  return { params: parsedParams.data, query: parsedQuery.data, body };
}

async function jsonBody(context: Context<HttpEnvironment>, route: Endpoint) {
  const text = (await readBody(context, requestBodyBytesMax)).toString('utf8');
  let value: unknown;
  try {
    // A command without arguments may come without a body.
    value = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw new ProblemError(
      problem('request_invalid', `The body is not JSON: ${(error as Error).message}`),
      error,
    );
  }
  return route.body?.schema.safeParse(value);
}
