import type { Assignment } from '../link/index.ts';

/** A Job that is to run once in this cluster. */
export type VerificationRun = {
  readonly runId: string;
  /** The verification's name in the pipeline. */
  readonly name: string;
  /** Under which terms it runs; `path` is the folder of the file. It is never taken for the unit's own assignment. */
  readonly assignment: Assignment;
  /** The one manifest, in `assignment.path`. */
  readonly file: string;
  readonly timeoutMs: number;
};

/** `inconclusive`: it cannot be told, which is no pass. */
export type VerificationOutcome = 'passed' | 'failed' | 'inconclusive';

export type VerificationResult = {
  readonly runId: string;
  readonly outcome: VerificationOutcome;
  /** Why, in words for a person. */
  readonly message: string;
  /** The end of what the containers wrote, unmasked. */
  readonly logTail: string;
  readonly logTruncated: boolean;
};
