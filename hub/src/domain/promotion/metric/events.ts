import type { CommitId, RunId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { RunOutcome } from '../verification/events.ts';

export type MetricEvent =
  /** The hub asks the source at the rule's interval from now on. Samples are no events: only what follows from them is. */
  | {
      type: 'MetricAnalysisStarted';
      stage: StageName;
      release: CommitId;
      name: string;
      runId: RunId;
      definitionRevision: number;
      at: Instant;
      /** The watched time then, see the snapshot: a hub that is down gives no analysis up. */
      watchedMs: number;
    }
  | {
      type: 'MetricAnalysisEnded';
      stage: StageName;
      release: CommitId;
      name: string;
      runId: RunId;
      outcome: RunOutcome;
      message: string;
      samplesTotal: number;
      samplesBad: number;
      at: Instant;
      /** Nothing waited for it any more, or its rule has changed: it says nothing, and another one may start. */
      abandoned?: true;
    };
