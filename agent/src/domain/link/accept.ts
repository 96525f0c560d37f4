import type { Assignment } from './assignment.ts';

export type Acceptance =
  | { readonly kind: 'accept' }
  /** The very assignment that is held already. */
  | { readonly kind: 'ignore' }
  | { readonly kind: 'refuse'; readonly reason: string };

const refuse = (reason: string): Acceptance => ({ kind: 'refuse', reason });

/**
 * Promise 5: a receiver refuses an older generation, a smaller hub epoch, and a larger one it was not told to accept.
 * One generation has one content, so a changed content under a held generation is refused as well.
 */
export function acceptAssignment(
  held: Assignment | undefined,
  offered: Assignment,
  acceptedEpoch: number,
): Acceptance {
  if (offered.epoch > acceptedEpoch) {
    return refuse(
      `hub epoch ${offered.epoch} is newer than the accepted epoch ${acceptedEpoch}; an operator must accept it`,
    );
  }
  const epochMin = Math.max(acceptedEpoch, held?.epoch ?? 0);
  if (offered.epoch < epochMin) {
    return refuse(`hub epoch ${offered.epoch} is older than the accepted epoch ${epochMin}`);
  }
  if (held === undefined || offered.epoch > held.epoch) return { kind: 'accept' };
  if (offered.generation < held.generation) {
    return refuse(
      `generation ${offered.generation} is older than the held generation ${held.generation}`,
    );
  }
  if (offered.generation > held.generation) return { kind: 'accept' };
  if (sameAssignment(held, offered)) return { kind: 'ignore' };
  return refuse(`generation ${offered.generation} came again with different content`);
}

/** Equality by value; the order of the keys of a mapping does not matter. */
export const sameAssignment = (left: Assignment, right: Assignment): boolean =>
  sameValue(left, right);

function sameValue(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || !left || !right) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const leftKeys = Object.keys(left);
  if (leftKeys.length !== Object.keys(right).length) return false;
  return leftKeys.every(
    (key) =>
      Object.hasOwn(right, key) &&
      sameValue((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]),
  );
}
