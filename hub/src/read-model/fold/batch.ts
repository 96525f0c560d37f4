import type { ClusterId, FreezeId } from '@fairlead/shared/ids';
import type { RecordedEvent } from '../../decision-log/index.ts';
import type { DomainEvent } from '../../domain/events.ts';
import type { PipelineDefinition } from '../../domain/pipeline/definition.ts';
import type { Orm } from '../orm.ts';

/** What one transaction of the fold shares: where it writes, and what it changed for those who listen. */
export type FoldBatch = {
  readonly orm: Orm;
  /** Clusters that were added, removed, relabelled, or changed their status. */
  readonly registrations: Set<ClusterId>;
  /** Clusters with a new or withdrawn assignment. */
  readonly assignments: Set<ClusterId>;
  readonly pipelines: Set<string>;
  /** Freezes that were declared or lifted. */
  readonly freezes: Set<FreezeId>;
  /** Tokens that were issued or revoked; decisions ask who still has one. */
  readonly tokens: Set<string>;
  /** Of each of these pipelines, the positions of its first and last entry; from 0 where other entries concern it too. */
  readonly spans: Map<string, { readonly first: number; readonly last: number }>;
  /** Pipelines with a new definition. */
  readonly defined: Set<string>;
  /** Repositories that were defined or removed. */
  readonly repositories: Set<string>;
  /** By `<pipeline>/<revision>`: a definition is large, and a rollout composes one assignment a cluster. */
  readonly definitions: Map<string, PipelineDefinition>;
};

export type Entry<Event extends DomainEvent> = RecordedEvent<Event>;

export const newBatch = (orm: Orm): FoldBatch => ({
  orm,
  registrations: new Set(),
  assignments: new Set(),
  pipelines: new Set(),
  freezes: new Set(),
  tokens: new Set(),
  spans: new Map(),
  defined: new Set(),
  repositories: new Set(),
  definitions: new Map(),
});
