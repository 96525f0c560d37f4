import type { ClusterId, ClusterName, CommitId, RunId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';

export type RunOutcome = 'passed' | 'failed' | 'inconclusive';

export type VerificationEvent =
  /** The agent of the cluster is to run the Job. */
  | {
      type: 'VerificationStarted';
      /** Whose gate asks for it. */
      stage: StageName;
      release: CommitId;
      name: string;
      runId: RunId;
      /** Where it runs: a target of this stage. */
      inStage: StageName;
      cluster: ClusterId;
      clusterName: ClusterName;
      /** Path of the file with the Job. */
      job: string;
      timeoutMs: number;
      definitionRevision: number;
      at: Instant;
      /** Without a result by then it is inconclusive. */
      deadlineAt: Instant;
      /** Subject of the person who asked for another run. */
      by?: string;
    }
  | {
      type: 'VerificationEnded';
      stage: StageName;
      release: CommitId;
      name: string;
      runId: RunId;
      outcome: RunOutcome;
      message: string;
      at: Instant;
      /** It did not pass, and the release was let in on the word of an earlier run: whoever runs it should know. */
      revokes?: true;
    };
