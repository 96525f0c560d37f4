import type { Instant } from '@fairlead/shared/time';
import { covers, type DeclaredFreeze, isWithheldBy } from '../domain/freeze/index.ts';
import { type Assignment, isStaleDeletion } from '../domain/rollout/index.ts';

export type DatedAssignment = {
  readonly assignment: Assignment;
  /** Hub time. */
  readonly assignedAt: Instant;
  /** The newest generation that the target has reported on; absent when it never did. */
  readonly reportedGeneration?: number | null;
};

/** What a cluster's agent is told. `unlessNew`: only if it has seen it before. */
export type OfferedAssignment = Assignment & { readonly unlessNew?: boolean };

/**
 * An order to delete that is too old is given to nobody, also before it is taken back in the log. In a freeze an agent
 * that was away gets nothing that was decided before and is news to it: it waits for the end of the freeze.
 */
export const offeredAssignments = (
  dated: readonly DatedAssignment[],
  freezes: readonly DeclaredFreeze[],
  at: Instant,
): OfferedAssignment[] =>
  dated
    .filter(({ assignment }) => !isStaleDeletion(assignment, at))
    .map(({ assignment, assignedAt, reportedGeneration }) => {
      const wasSeen = (reportedGeneration ?? 0) >= assignment.generation;
      const isKept =
        !wasSeen &&
        assignment.disposition !== 'orphan' &&
        freezes.some(
          (freeze) => covers(freeze.scope, assignment) && isWithheldBy(freeze, { assignedAt, at }),
        );
      return isKept ? { ...assignment, unlessNew: true } : assignment;
    });
