import type { ClusterId } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Result } from '@fairlead/shared/result';
import type { Clock } from '@fairlead/shared/time';
import type { NatsAccounts } from '../auth/nats-accounts/index.ts';
import type { Actor } from '../decision-log/index.ts';
import type { BusOptions } from './bus-connection.ts';
import type {
  ReceivedAuditEvent,
  ReceivedBeat,
  ReceivedReport,
  ReceivedResult,
} from './payloads.ts';

/**
 * Appends an agent's events in their order, each once: what the log has already is passed over. Gives the last
 * sequence of this agent epoch that is in the log. Durable on return. A failure is tried again.
 */
export type AppendAgentAudit = (
  cluster: ClusterId,
  agentEpoch: string,
  events: readonly ReceivedAuditEvent[],
  actor: Actor,
) => Promise<Result<{ readonly sequence: number }, { readonly code: string }>>;

/** Takes reports and results of runs in, and with them the stream's sequence up to which all are taken; an empty batch sets it alone. */
export type RecordReports = (
  reports: readonly ReceivedReport[],
  streamSequence: number,
  results?: readonly ReceivedResult[],
) => void | Promise<void>;

export type IngestCounter =
  | 'fairlead_reports_total'
  | 'fairlead_audit_events_total'
  | 'fairlead_bus_messages_invalid_total'
  | 'fairlead_bus_stores_lost_total';

export type IngestOptions = BusOptions & {
  readonly accounts: NatsAccounts;
  readonly appendAgentAudit: AppendAgentAudit;
  readonly recordReports: RecordReports;
  readonly reportStreamSequence: () => number | Promise<number>;
  /** Everybody who is asked to report again after the store was lost. */
  readonly clusters: () => readonly ClusterId[] | Promise<readonly ClusterId[]>;
  readonly onAuditAppended: (cluster: ClusterId, agentEpoch: string, sequence: number) => void;
  readonly onBeat: (cluster: ClusterId, beat: ReceivedBeat) => void;
  readonly count?: (name: IngestCounter, amount?: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal?: AbortSignal;
};
