// The decision log: append-only, hash-chained, durable on return; the only truth of the hub. The port, and SQLite
// behind it, and an implementation in memory for the simulator. Any passes `conformance.ts`. Imports the domain's event types, `limits`, and `shared`;
// drizzle and better-sqlite3 stop here.
export { DecisionLogCorruptError } from './errors.ts';
export {
  createMemoryLogDisk,
  type MemoryLogDisk,
  type MemoryLogOptions,
  openMemoryDecisionLog,
} from './memory.ts';
export type {
  Actor,
  AppendRequest,
  DecisionLog,
  RecordedEvent,
  StreamGuard,
  Verification,
  VersionConflict,
} from './port.ts';
export { openSqliteDecisionLog, type SqliteDecisionLogOptions } from './sqlite.ts';
