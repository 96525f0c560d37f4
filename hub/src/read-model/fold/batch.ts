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
  definitions: new Map(),
});
