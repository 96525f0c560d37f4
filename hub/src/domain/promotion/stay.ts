import type { Instant } from '@fairlead/shared/time';
import type { StageRelease, Stay } from './state.ts';

/** Healthy time of a stay until `at`. A clock that was set back takes nothing away. */
export const healthyMs = (stay: Stay, at: Instant): number =>
  stay.healthyMs + (stay.healthySince === undefined ? 0 : Math.max(0, at - stay.healthySince));

/** Healthy time runs while healthy, stands still while unknown, and starts over after unhealthy. */
export function nextStay(
  stay: Stay,
  change: { health: NonNullable<Stay['health']>; message: string; at: Instant },
): Stay {
  const { health, message, at } = change;
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

/** What remains of a stay when another rollout starts: a stay that did not end healthy proves nothing. */
export function completedStay(before: StageRelease, stay: Stay, at: Instant): StageRelease {
  const leftHealthy = stay.health === 'healthy';
  const soakedMs = leftHealthy ? Math.max(before.soakedMs, healthyMs(stay, at)) : 0;
  return { ...before, leftHealthy, soakedMs };
}
