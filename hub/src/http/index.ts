// The HTTP API: commands in, documents out, problem+json for everything that goes wrong. Imports the read model, the
// command handler, the decision log's port, tokens, and the domain's types; other edges are passed in as functions.
export type * from './schemas.ts';
