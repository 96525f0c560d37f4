import type { ClusterId, RepositoryName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { ConfigurationEvent } from './configuration/index.ts';
import type { ClusterEvent } from './fleet/events.ts';
import type { FreezeEvent } from './freeze/index.ts';
import type { Permission } from './hub/index.ts';
import type { RepositoryDefinition } from './pipeline/definition.ts';
import type { PipelineEvent } from './promotion/events.ts';

/** Stream `repository/<name>`. Only changes are events: a poll that finds nothing writes nothing. */
export type RepositoryEvent =
  | { type: 'RepositoryDefined'; definition: RepositoryDefinition }
  | { type: 'RepositoryRemoved' }
  | {
      type: 'BranchMoved';
      branch: string;
      commit: string;
      previous?: string;
      /** `forced` when `previous` is not an ancestor of `commit`. */
      kind: 'first' | 'forward' | 'forced';
    }
  | { type: 'DiscoveryFailed'; message: string }
  | { type: 'DiscoveryRecovered' }
  /** What a source says of a commit, which may be unknown yet. */
  | {
      type: 'StatusReported';
      commit: string;
      name: string;
      state: 'pending' | 'success' | 'failure';
      description: string;
      url?: string;
      at: Instant;
    };

/** Stream `hub`. */
export type HubEvent =
  | { type: 'HubInitialised'; hubId: string; epoch: number }
  | { type: 'EpochAdvanced'; epoch: number; reason: string }
  | {
      type: 'TokenIssued';
      tokenId: string;
      name: string;
      hash: string;
      role: 'admin' | 'viewer';
      /** Whose it is; absent: it stands for itself, by its name. */
      subject?: string;
      groups?: readonly string[];
      emails?: readonly string[];
      /** Of a viewer: what it may do besides reading. */
      permissions?: readonly Permission[];
    }
  | { type: 'TokenRevoked'; tokenId: string };

/** Stream `agent-audit/<cluster id>`: what the agent says it did, each event exactly once and in its order. */
export type AgentAuditEvent =
  | {
      type: 'AgentAudited';
      cluster: ClusterId;
      agentEpoch: string;
      sequence: number;
      /** Agent's clock, shown and never compared. */
      occurredAt: Instant;
      pipeline: string;
      stage: string;
      generation: number;
      commit: string;
      kind: string;
      message: string;
      object?: { group: string; kind: string; namespace: string; name: string };
      details?: unknown;
    }
  | {
      type: 'AgentAuditGap';
      cluster: ClusterId;
      agentEpoch: string;
      /** Sequences that never arrived, both ends included. */
      from: number;
      to: number;
    };

/** Stream `refusals`: commands that the rules or the rights did not allow. */
export type RefusalEvent = {
  type: 'CommandRefused';
  command: string;
  subject: string;
  code: string;
  detail: string;
};

export type DomainEvent =
  | PipelineEvent
  | ClusterEvent
  | RepositoryEvent
  | HubEvent
  | ConfigurationEvent
  | FreezeEvent
  | AgentAuditEvent
  | RefusalEvent;

export const streams = {
  hub: 'hub',
  refusals: 'refusals',
  freezes: 'freezes',
  configuration: 'configuration',
  cluster: (name: string) => `cluster/${name}`,
  pipeline: (name: string) => `pipeline/${name}`,
  repository: (name: RepositoryName | string) => `repository/${name}`,
  agentAudit: (cluster: ClusterId) => `agent-audit/${cluster}`,
} as const;
