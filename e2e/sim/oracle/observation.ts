import type { Assignment, AuditEntry } from '../../../agent/src/domain/link/index.ts';
import type { MemoryLogDisk } from '../../../hub/src/decision-log/index.ts';
import type { PipelineEvent, Snapshot } from '../../../hub/src/domain/promotion/index.ts';
import type { AgentHost } from '../parts/agent-host.ts';
import type { ReceivedReport } from '../parts/read-model.ts';

export type LogRow = ReturnType<MemoryLogDisk['rows']>[number];

/** What the oracle sees of a run: records, messages and requests, never the state of the core. */
export type Observation =
  | { readonly type: 'entry'; readonly row: LogRow }
  /** What the hub knew when it decided. */
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly type: 'report-seen'; readonly report: ReceivedReport }
  /** The very same command was given a second time at once, and these events came of it. */
  | { readonly type: 'repeated'; readonly events: readonly PipelineEvent[] }
  /** Before it is written. */
  | { readonly type: 'accepted'; readonly host: AgentHost; readonly assignment: Assignment }
  | {
      readonly type: 'audited';
      readonly host: AgentHost;
      readonly sequence: number;
      readonly entry: AuditEntry;
    }
  | { readonly type: 'power-lost'; readonly host: AgentHost }
  /** A request to delete an object, before the cluster serves it. */
  | {
      readonly type: 'removes';
      readonly host: AgentHost;
      readonly address: {
        readonly kind: string;
        readonly namespace: string;
        readonly name: string;
      };
    };

export type Observe = (observation: Observation) => void;
