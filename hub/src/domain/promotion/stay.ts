import type { Instant } from '@fairlead/shared/time';
import type { GatePolicy } from '../pipeline/definition.ts';
import type { StageRelease, Stay } from './state.ts';

type Effect = 'reset' | 'pause';
type SoakPolicy = Pick<GatePolicy, 'soakUnhealthy' | 'soakUnknown'>;

/**
 * Healthy milliseconds by what an unhealthy and an unknown time do to them. The policy is of the stage that waits, and
 * several may wait for one stay, so each answer is kept.
 */
export type SoakTotals = { readonly [Pair in `${Effect}-${Effect}`]: number };

export const noSoak: SoakTotals = {
  'reset-reset': 0,
  'reset-pause': 0,
  'pause-reset': 0,
  'pause-pause': 0,
};

const pairOf = ({ soakUnhealthy, soakUnknown }: SoakPolicy): keyof SoakTotals =>
  `${soakUnhealthy}-${soakUnknown}`;

const pairs = Object.keys(noSoak) as (keyof SoakTotals)[];
const mapTotals = (value: (pair: keyof SoakTotals) => number): SoakTotals =>
  Object.fromEntries(pairs.map((pair) => [pair, value(pair)])) as SoakTotals;

/** Of the stay until `watchedMs`, which only grows. */
const totals = (stay: Stay, watchedMs: number): SoakTotals => {
  const { healthySince, soaked } = stay;
  const runningMs = healthySince === undefined ? 0 : Math.max(0, watchedMs - healthySince);
  return runningMs === 0 ? soaked : mapTotals((pair) => soaked[pair] + runningMs);
};

/** Healthy time of a stay that counts by the policy of the stage that waits. */
export const healthyMs = (stay: Stay, policy: SoakPolicy, watchedMs: number): number =>
  totals(stay, watchedMs)[pairOf(policy)];

/** The longest completed stay of a release by the policy of the stage that waits. */
export const completedMs = (release: StageRelease | undefined, policy: SoakPolicy): number =>
  release?.soaked?.[pairOf(policy)] ?? 0;

/** Healthy time runs while healthy; what another time does to what was gathered is the policy's, and never to add to it. */
export function nextStay(
  stay: Stay,
  change: {
    health: NonNullable<Stay['health']>;
    message: string;
    at: Instant;
    watchedMs?: number;
  },
): Stay {
  const { health, message } = change;
  const watchedMs = watchedAt(change);
  const { healthySince: _, ...rest } = stay;
  const gathered = totals(stay, watchedMs);
  switch (health) {
    case 'healthy': {
      const healthyAt = stay.health === 'healthy' ? stay.healthyAt : change.at;
      const since = { soaked: gathered, healthySince: watchedMs };
      return { ...rest, health, message, ...since, ...(healthyAt ? { healthyAt } : {}) };
    }
    case 'unknown':
      return { ...rest, health, message, soaked: withReset(gathered, '-reset') };
    case 'unhealthy':
      return { ...rest, health, message, soaked: withReset(gathered, 'reset-') };
  }
}

/** Zero where the policy of this part of the pair is to start over. */
const withReset = (gathered: SoakTotals, part: 'reset-' | '-reset'): SoakTotals =>
  mapTotals((pair) => {
    const resets = part === 'reset-' ? pair.startsWith(part) : pair.endsWith(part);
    return resets ? 0 : gathered[pair];
  });

/** Logs of the first version know hub time only, from which watched time was begun. */
const watchedAt = ({ at, watchedMs }: { at: Instant; watchedMs?: number }): number =>
  watchedMs ?? at;

/** What remains of a stay when another release comes: a stay that did not end healthy proves nothing. */
export function completedStay(
  before: StageRelease,
  stay: Stay,
  end: { at: Instant; watchedMs?: number },
): StageRelease {
  const { soaked: _, leftUnhealthy: __, ...rest } = before;
  if (stay.health !== 'healthy') {
    const badly = stay.health === 'unhealthy' ? { leftUnhealthy: true } : {};
    return { ...rest, leftHealthy: false, ...badly };
  }
  const now = totals(stay, watchedAt(end));
  const soaked = mapTotals((pair) => Math.max(before.soaked?.[pair] ?? 0, now[pair]));
  return { ...rest, leftHealthy: true, soaked };
}
