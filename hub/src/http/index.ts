// The HTTP API: commands in, documents out, problem+json for everything that goes wrong. Imports the read model, the
// command handler, the decision log's port, tokens, and the domain's types and pure checks; other edges are passed in
// as functions.
export { createHttpApi, type HttpApi } from './app.ts';
export type { HttpApiOptions, ReadinessCheck, WebhookOutcome } from './dependencies.ts';
export { openApiDocument } from './openapi.ts';
export type * from './schemas.ts';
export { type HttpServer, startHttpServer } from './server.ts';
