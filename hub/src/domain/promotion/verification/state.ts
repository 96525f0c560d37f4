import type { ClusterId, ClusterName, CommitId, RunId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { RunOutcome } from './events.ts';

/** The newest run of one verification for one release, in one cluster. */
export type VerificationRun = {
  readonly runId: RunId;
  readonly name: string;
  readonly release: CommitId;
  readonly inStage: StageName;
  readonly cluster: ClusterId;
  readonly clusterName: ClusterName;
  readonly job: string;
  readonly timeoutMs: number;
  readonly revision: number;
  readonly startedAt: Instant;
  readonly deadlineAt: Instant;
  readonly ended?: { readonly outcome: RunOutcome; readonly message: string; readonly at: Instant };
};
