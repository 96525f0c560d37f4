import type { PipelineName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { ClusterSnapshot, Snapshot, TargetReport } from '../domain/promotion/index.ts';

export type SnapshotSources = {
  readonly clusterSnapshots: () => ClusterSnapshot[];
  readonly reportsOf: (pipeline: PipelineName) => TargetReport[];
  /** See the snapshot. */
  readonly watchedMs: () => number;
};

export type SnapshotOf = (pipeline: PipelineName, at: Instant) => Promise<Snapshot>;

/** Gathers everything outside of a pipeline's stream that a decision on it may look at, at one moment. */
export const createSnapshotReader =
  (sources: SnapshotSources): SnapshotOf =>
  async (pipeline, at) => ({
    at,
    clusters: sources.clusterSnapshots(),
    reports: sources.reportsOf(pipeline),
    watchedMs: sources.watchedMs(),
    freezes: [],
    people: [],
    statuses: [],
    verifications: [],
    samples: [],
  });
