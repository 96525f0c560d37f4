import type { Amount, RolloutPolicy, WaveRule } from '../pipeline/definition.ts';

type Labelled = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
};

export type WavePlan<Cluster> = {
  /** Together they hold every cluster once; a wave that takes none is left out. */
  readonly batches: readonly (readonly Cluster[])[];
  /** In words, why there is no plan. */
  readonly faults: readonly string[];
};

/** A part is rounded down. */
export const amountOf = (amount: Amount, total: number): number =>
  'count' in amount ? amount.count : Math.floor((amount.percent * total) / 100);

/** The same, of something that never stands still: at least one. */
export const amountAtLeastOne = (amount: Amount, total: number): number =>
  Math.max(1, amountOf(amount, total));

/**
 * Shares clusters out to waves, in the order in which they are given. A wave by labels takes what matches, and no cluster
 * may match two of them: which one would have been meant is not guessed. A wave by size takes as many of those that no
 * wave names by labels and no wave before has taken; its percentage is of all clusters.
 */
export function planWaves<Cluster extends Labelled>(
  { waves, uncovered }: Pick<RolloutPolicy, 'waves' | 'uncovered'>,
  clusters: readonly Cluster[],
): WavePlan<Cluster> {
  const claims = clusters.map((cluster) => ({ cluster, by: claimedBy(waves, cluster) }));
  const twice = claims.filter(({ by }) => by.length > 1);
  if (twice.length > 0) {
    return { batches: [], faults: twice.map(({ cluster, by }) => doubleClaim(cluster, by)) };
  }
  const free = claims.filter(({ by }) => by.length === 0).map(({ cluster }) => cluster);
  const named = Map.groupBy(claims, ({ by }) => by[0]);
  let taken = 0;
  const planned = waves.map((wave, index) => {
    if (wave.kind === 'labels') return (named.get(index) ?? []).map(({ cluster }) => cluster);
    const start = taken;
    taken += amountAtLeastOne(wave.max, clusters.length);
    return free.slice(start, taken);
  });
  const left = free.slice(taken);
  if (left.length > 0 && uncovered === 'refuse' && waves.length > 0) {
    const names = left.map(({ name }) => name);
    return { batches: [], faults: [`no wave takes ${listOf(names)}`] };
  }
  return { batches: [...planned, left].filter((batch) => batch.length > 0), faults: [] };
}

/** Waves by their position that name the cluster by its labels. */
const claimedBy = (waves: readonly WaveRule[], { labels }: Labelled): number[] =>
  waves.flatMap((wave, index) =>
    wave.kind === 'labels' &&
    Object.entries(wave.matchLabels).every(([key, value]) => labels[key] === value)
      ? [index]
      : [],
  );

const doubleClaim = ({ name }: Labelled, by: readonly number[]): string =>
  `waves ${by.map((index) => index + 1).join(' and ')} both name ${name}`;

const namesListedMax = 20;

/** The first few names, and how many there are beyond. */
export const listOf = (names: readonly string[]): string =>
  names.slice(0, namesListedMax).join(', ') +
  (names.length > namesListedMax ? ` and ${names.length - namesListedMax} more` : '');
