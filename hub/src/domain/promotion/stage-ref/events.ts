import type { CommitId, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';

/** What came of bringing the remote's ref to `commit`. */
export type StageRefOutcome =
  | { readonly kind: 'pushed' }
  /** The remote has it already, perhaps by a push whose record was lost. */
  | { readonly kind: 'found' }
  /** The ref holds a commit that the hub did not put there, and is left as it is. */
  | { readonly kind: 'halted'; readonly found: CommitId }
  | { readonly kind: 'failed'; readonly message: string };

/** `ref` is a branch of the repository's remote, `refs/heads/fairlead/<pipeline>/<stage>`. */
type Of = { readonly stage: StageName; readonly ref: string; readonly commit: CommitId };

export type StageRefEvent =
  /** The remote has it; `found` tells that nothing had to be pushed for it. */
  | (Of & { type: 'StageRefPushed'; at: Instant; found?: boolean })
  | (Of & { type: 'StageRefHalted'; found: CommitId; at: Instant })
  /** Of several failures in a row for the same reason only the first is an event. */
  | (Of & { type: 'StageRefFailed'; message: string; at: Instant })
  /** A person decided that the hub may push over the commit that it was halted by. */
  | { type: 'StageRefOverwriteAllowed'; stage: StageName; found: CommitId; reason: string };
