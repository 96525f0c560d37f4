import type { CommitId, RunId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { RunOutcome } from '../verification/events.ts';

/** The newest analysis of one metric for one release. */
export type MetricAnalysis = {
  readonly runId: RunId;
  readonly name: string;
  readonly release: CommitId;
  readonly revision: number;
  readonly startedAt: Instant;
  /** Watched time, see the snapshot. */
  readonly startedMs: number;
  readonly ended?: {
    readonly outcome: RunOutcome;
    readonly message: string;
    readonly at: Instant;
    readonly abandoned?: true;
  };
};
