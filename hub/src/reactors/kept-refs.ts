import type { CommitId, PipelineName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { CommandHandler } from '../commands/index.ts';
import { retainedReleases } from '../domain/promotion/index.ts';
import type { Git } from '../git/index.ts';
import { keptRefsDroppedMax, releaseKeptMs } from '../limits.ts';

export type KeptRefsOptions = {
  readonly git: Pick<Git, 'keptRefs' | 'dropRef'>;
  readonly commands: Pick<CommandHandler, 'pipelineState'>;
  /** Commits of a pipeline's releases that were discovered before then. */
  readonly releasesDiscoveredBefore: (
    pipeline: PipelineName,
    before: Instant,
  ) => readonly CommitId[];
};

/**
 * Lets go of the refs that keep releases fetchable which no pipeline needs any more and which are old. A commit that no
 * pipeline of the repository knows is left alone: whose it was cannot be told. Returns how many were dropped.
 */
export async function dropKeptRefs(
  { git, commands, releasesDiscoveredBefore }: KeptRefsOptions,
  repository: {
    readonly directory: string;
    readonly pipelines: readonly PipelineName[];
    readonly at: Instant;
  },
): Promise<number> {
  const { directory, pipelines, at } = repository;
  const old = new Set<CommitId>();
  const needed = new Set<CommitId>();
  for (const pipeline of pipelines) {
    const state = await commands.pipelineState(pipeline);
    if (state.status !== 'active') return 0;
    for (const commit of retainedReleases(state)) needed.add(commit);
    const before = new Set(releasesDiscoveredBefore(pipeline, at - releaseKeptMs));
    for (const { commit } of state.releases) {
      if (before.has(commit)) old.add(commit);
      else needed.add(commit);
    }
  }
  const droppable = [...(await git.keptRefs(directory))]
    .filter((commit) => old.has(commit) && !needed.has(commit))
    .slice(0, keptRefsDroppedMax);
  for (const commit of droppable) await git.dropRef(directory, commit);
  return droppable.length;
}
