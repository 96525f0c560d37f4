import type { CommitId, PipelineName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { CommandHandler } from '../commands/index.ts';
import { inForce, nextFreezeChange } from '../domain/freeze/index.ts';
import { peopleOf } from '../domain/hub/index.ts';
import type {
  ClusterSnapshot,
  CommitStatus,
  MetricSample,
  Snapshot,
  TargetReport,
  VerificationResult,
} from '../domain/promotion/index.ts';
import { statusesOfCommit } from '../domain/repository/index.ts';
import type { StatusView } from '../read-model/index.ts';

export type SnapshotSources = {
  readonly commands: Pick<CommandHandler, 'hubState' | 'repositoryState' | 'freezesState'>;
  readonly statusesOfPipeline: (pipeline: PipelineName) => StatusView[];
  readonly clusterSnapshots: () => ClusterSnapshot[];
  readonly reportsOf: (pipeline: PipelineName) => TargetReport[];
  readonly verificationsOf: (pipeline: PipelineName) => VerificationResult[];
  readonly samplesOf: (pipeline: PipelineName) => MetricSample[];
  /** See the snapshot. */
  readonly watchedMs: () => number;
};

export type SnapshotOf = (pipeline: PipelineName, at: Instant) => Promise<Snapshot>;

/** Gathers everything outside of a pipeline's stream that a decision on it may look at, at one moment. */
export const createSnapshotReader =
  (sources: SnapshotSources): SnapshotOf =>
  async (pipeline, at) => {
    const { state, version } = await sources.commands.freezesState();
    const freezesChangeAt = nextFreezeChange(state, at);
    return {
      at,
      clusters: sources.clusterSnapshots(),
      reports: sources.reportsOf(pipeline),
      watchedMs: sources.watchedMs(),
      freezes: inForce(state, at),
      ...(freezesChangeAt === undefined ? {} : { freezesChangeAt }),
      freezesVersion: version,
      people: peopleOf((await sources.commands.hubState()).tokens.values()),
      statuses: await statusesOf(sources, pipeline),
      verifications: sources.verificationsOf(pipeline),
      samples: sources.samplesOf(pipeline),
    };
  };

/** As queries show them, with the log's own newest words in their place: what was acknowledged is never overlooked. */
async function statusesOf(
  { commands, statusesOfPipeline }: SnapshotSources,
  pipeline: PipelineName,
): Promise<CommitStatus[]> {
  const rows = statusesOfPipeline(pipeline);
  const [first] = rows;
  if (first === undefined) return [];
  const repository = await commands.repositoryState(first.repository);
  return rows.map((row) => {
    const { commit, name } = row;
    const newest =
      repository.status === 'defined'
        ? statusesOfCommit(repository.statuses, commit).get(name)
        : undefined;
    const { state, description, at: receivedAt } = newest ?? row;
    return { commit: commit as CommitId, name, state, description, receivedAt };
  });
}
