import type { ClusterSnapshot } from './snapshot.ts';

/** The oldest agent that understands every field of an assignment as this hub writes it. */
export const agentVersionMin = '0.1.0';

/**
 * In words, why the cluster's agent cannot be given an assignment: it would leave out what it does not know, and nobody
 * would see that. A version that is not known, or is none, is taken for a new one.
 */
export function agentFault({
  name,
  agentVersion,
}: Pick<ClusterSnapshot, 'name' | 'agentVersion'>): string | undefined {
  if (agentVersion === undefined || !isOlder(agentVersion, agentVersionMin)) return undefined;
  return `${name} has an agent of version ${agentVersion}, and this hub needs ${agentVersionMin}: update it`;
}

function isOlder(version: string, than: string): boolean {
  const [left, right] = [numbersOf(version), numbersOf(than)];
  if (left === undefined || right === undefined) return false;
  const differs = left.findIndex((number, index) => number !== right[index]);
  return differs !== -1 && (left[differs] ?? 0) < (right[differs] ?? 0);
}

const numbersOf = (version: string): number[] | undefined =>
  /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
