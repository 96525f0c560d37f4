// The hub's side of the message bus: its own nats-server as a child, the two streams that carry what agents report and
// audit, and the loop that takes them in. The bus is never the truth: an audit event is acknowledged after it is in the
// decision log, reports can be asked for again, and a lost message costs at most one re-sync.
//
// May import `auth/ca`, `auth/nats-accounts`, `auth/private-file`, the domain's types, `limits`, `shared` and
// @fairlead/proto. The NATS client stops here.
export { type AccountUpdater, pushAccount } from './account-update.ts';
export { type BusOptions, connectBus } from './bus-connection.ts';
export { type EmbeddedNats, type EmbeddedNatsOptions, startEmbeddedNats } from './embedded-nats.ts';
export { createIngest, type Ingest } from './ingest.ts';
export type { AppendAgentAudit, IngestOptions, RecordReports } from './ingest-options.ts';
export { natsFiles, renderNatsConfiguration } from './nats-configuration.ts';
export type {
  ReceivedAuditEvent,
  ReceivedBeat,
  ReceivedReport,
  ReceivedResult,
} from './payloads.ts';
export { createPresence, type Presence, type PresenceEntry } from './presence.ts';
