import type { CommitId } from '@fairlead/shared/ids';

/** The branch at the remote that tells what a stage runs. */
export type StageRef = {
  /** What the remote was last known to have by the hub's own push. */
  readonly commit?: CommitId;
  /** How often it was put there: more than once after somebody deleted the ref. */
  readonly times: number;
  /** A commit that the hub did not put there. */
  readonly halted?: { readonly commit: CommitId; readonly found: CommitId };
  /** What a person said may be pushed over. */
  readonly mayOverwrite?: CommitId;
  /** Why the last try failed, until one succeeds. */
  readonly failure?: { readonly commit: CommitId; readonly message: string };
};
