// The wire protocol between hub and agent: gRPC services and NATS payloads, generated from `fairlead/v1/*.proto`,
// whose comments are the specification. Only the link modules of hub and agent import this package: everything
// further in speaks in domain types. Regenerate with `npm run generate`.
export * from './gen/fairlead/v1/assignment.ts';
export * from './gen/fairlead/v1/fleet.ts';
export * from './gen/fairlead/v1/link.ts';
