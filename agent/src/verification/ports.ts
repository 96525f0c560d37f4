import type { KubernetesObject } from '@fairlead/shared/manifest';
import type { Result } from '@fairlead/shared/result';
import type { ServiceAccount } from '../cluster/index.ts';
import type { Assignment } from '../domain/link/index.ts';
import type { VerificationResult, VerificationRun } from '../domain/verification/index.ts';
import type { StepFailure, Tree } from '../reconcile/index.ts';

/** Everything that is open in this cluster, as the hub lists it. */
export type OfferedRuns = {
  readonly epoch: number;
  readonly runs: readonly VerificationRun[];
  /** Listed, but not to be understood by this agent. */
  readonly unusable: readonly { readonly runId: string; readonly reason: string }[];
};

export type JobReference = {
  readonly namespace: string;
  readonly name: string;
  /** Empty between the intent to make it and the API server's answer. */
  readonly uid: string;
  /** In whose name it was made; absent is the agent. */
  readonly account?: ServiceAccount;
};

/** What the agent knows of a run over all its starts. */
export type RunRecord = {
  readonly runId: string;
  readonly step: 'accepted' | 'starting' | 'started' | 'ended' | 'dropped';
  /** By the agent's clock. */
  readonly receivedAtMs: number;
  /** Absent when it is only remembered, so that it is not run again. */
  readonly run?: VerificationRun;
  /** Of a dropped run: what is still to be removed. */
  readonly job?: JobReference;
  readonly result?: VerificationResult;
};

export type PendingResult = {
  readonly result: VerificationResult;
  /** How often it was queued before. */
  readonly tries: number;
};

/** The verifier's durable memory. Calls are synchronous, and what they wrote outlives the process. */
export type VerificationJournal = {
  readonly durable: () => Promise<void>;
  readonly acceptedEpoch: () => number;
  /** A result that is in the record for the first time waits to be sent from then on. */
  readonly saveRun: (record: RunRecord) => void;
  readonly loadRuns: () => readonly RunRecord[];
  readonly forgetRun: (runId: string) => void;
  /** The hub still lists the run, so its result is sent anew. */
  readonly requeueResult: (runId: string) => void;
};

/** Renders one manifest of the assignment's path. */
export type RenderFile = (
  file: string,
  assignment: Assignment,
  tree: Tree,
  signal: AbortSignal,
) => Promise<Result<KubernetesObject[], StepFailure>>;
