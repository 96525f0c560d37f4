import { eq, sql } from 'drizzle-orm';
import type { RecordedEvent } from '../../decision-log/index.ts';
import type { HubEvent, RepositoryEvent } from '../../domain/events.ts';
import type { ClusterEvent } from '../../domain/fleet/events.ts';
import type { PipelineEvent } from '../../domain/promotion/events.ts';
import type { Orm } from '../orm.ts';
import { auditTable, clusterTable } from '../schema.ts';
import type { FoldBatch } from './batch.ts';
import { createClusterFold } from './clusters.ts';
import { createPipelineFold } from './pipelines.ts';
import { createRepositoryFold } from './repositories.ts';
import { entrySubject } from './subject.ts';
import { createTokenFold } from './tokens.ts';

/** Folds an entry into the tables of the batch's transaction. */
export type Fold = (batch: FoldBatch, entry: RecordedEvent) => void;

export function createFold(orm: Orm): Fold {
  const folds = {
    cluster: createClusterFold(orm),
    pipeline: createPipelineFold(orm),
    repository: createRepositoryFold(orm),
    hub: createTokenFold(orm),
  };
  const placeholder = sql.placeholder;
  const clusterName = orm
    .select({ name: clusterTable.name })
    .from(clusterTable)
    .where(eq(clusterTable.id, placeholder('id')))
    .prepare();
  const insertAudit = orm
    .insert(auditTable)
    .values({
      position: placeholder('position'),
      stream: placeholder('stream'),
      type: placeholder('type'),
      pipeline: placeholder('pipeline'),
      stage: placeholder('stage'),
      cluster: placeholder('cluster'),
      commit: placeholder('commit'),
    })
    .prepare();

  return (batch, entry) => {
    const kind = entry.stream.split('/', 1)[0];
    if (kind === 'cluster') folds.cluster(batch, entry as RecordedEvent<ClusterEvent>);
    if (kind === 'pipeline') folds.pipeline(batch, entry as RecordedEvent<PipelineEvent>);
    if (kind === 'repository') folds.repository(batch, entry as RecordedEvent<RepositoryEvent>);
    if (entry.event.type === 'FreezeDeclared') batch.freezes.add(entry.event.freeze.id);
    if (entry.event.type === 'FreezeLifted') batch.freezes.add(entry.event.id);
    if (kind === 'hub') folds.hub(batch, entry as RecordedEvent<HubEvent>);
    const subject = entrySubject(entry, (id) => clusterName.get({ id })?.name);
    insertAudit.run({
      position: entry.position,
      stream: entry.stream,
      type: entry.event.type,
      pipeline: subject.pipeline ?? null,
      stage: subject.stage ?? null,
      cluster: subject.cluster ?? null,
      commit: subject.commit ?? null,
    });
  };
}
