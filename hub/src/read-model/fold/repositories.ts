import { unreachable } from '@fairlead/shared/result';
import { and, eq } from 'drizzle-orm';
import type { RepositoryEvent } from '../../domain/events.ts';
import type { Orm } from '../orm.ts';
import { pipelineTable, repositoryTable } from '../schema.ts';
import type { Entry, FoldBatch } from './batch.ts';
import { createStatusFold } from './statuses.ts';

export function createRepositoryFold(orm: Orm) {
  const change = (name: string, values: Partial<typeof repositoryTable.$inferInsert>) => {
    orm.update(repositoryTable).set(values).where(eq(repositoryTable.name, name)).run();
  };

  const statuses = createStatusFold(orm);
  const pipelinesOf = (repository: string) =>
    orm
      .select({ name: pipelineTable.name })
      .from(pipelineTable)
      .where(and(eq(pipelineTable.repository, repository), eq(pipelineTable.removed, false)))
      .all();

  return (batch: FoldBatch, entry: Entry<RepositoryEvent>) => {
    const { event, recordedAt } = entry;
    const name = entry.stream.slice('repository/'.length);
    switch (event.type) {
      case 'RepositoryDefined': {
        const { definition } = event;
        batch.repositories.add(name);
        orm
          .insert(repositoryTable)
          .values({ name, definition })
          .onConflictDoUpdate({ target: repositoryTable.name, set: { definition } })
          .run();
        return;
      }
      case 'RepositoryRemoved':
        statuses.removed(name);
        batch.repositories.add(name);
        orm.delete(repositoryTable).where(eq(repositoryTable.name, name)).run();
        return;
      case 'BranchMoved':
        return change(name, { head: event.commit, headSeenAt: recordedAt });
      case 'DiscoveryFailed':
        return change(name, { failureMessage: event.message, failureSince: recordedAt });
      case 'DiscoveryRecovered':
        return change(name, { failureMessage: null, failureSince: null });
      case 'StatusReported':
        for (const pipeline of pipelinesOf(name)) {
          batch.pipelines.add(pipeline.name);
          // It is news from outside of the pipeline's stream, whatever else of the pipeline is in the batch.
          batch.spans.set(pipeline.name, { first: 0, last: entry.position });
        }
        return statuses.reported(name, { ...entry, event });
      default:
        return unreachable(event);
    }
  };
}
