import type { Instant } from '@fairlead/shared/time';
import type { StageRelease, Stay } from './state.ts';

/** Healthy time of a stay until `watchedMs`, which only grows. */
export const healthyMs = (stay: Stay, watchedMs: number): number =>
  stay.healthyMs +
  (stay.healthySince === undefined ? 0 : Math.max(0, watchedMs - stay.healthySince));

/** Healthy time runs while healthy, stands still while unknown, and starts over after unhealthy. */
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
  const at = watchedAt(change);
  const { release } = stay;
  switch (health) {
    case 'healthy':
      return {
        release,
        health,
        message,
        healthyMs: stay.healthyMs,
        healthySince: stay.healthySince ?? at,
      };
    case 'unknown':
      return { release, health, message, healthyMs: healthyMs(stay, at) };
    case 'unhealthy':
      return { release, health, message, healthyMs: 0 };
  }
}

/** Logs of the first version know hub time only, from which watched time was begun. */
const watchedAt = ({ at, watchedMs }: { at: Instant; watchedMs?: number }): number =>
  watchedMs ?? at;

/** What remains of a stay when another rollout starts: a stay that did not end healthy proves nothing. */
export function completedStay(
  before: StageRelease,
  stay: Stay,
  end: { at: Instant; watchedMs?: number },
): StageRelease {
  const leftHealthy = stay.health === 'healthy';
  const soakedMs = leftHealthy ? Math.max(before.soakedMs, healthyMs(stay, watchedAt(end))) : 0;
  return { ...before, leftHealthy, soakedMs };
}
