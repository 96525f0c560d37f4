/** The six states of an object or a unit, as users of GitOps tools know them. */
export type Health = 'Healthy' | 'Progressing' | 'Degraded' | 'Suspended' | 'Missing' | 'Unknown';

export type ObjectHealth = { readonly health: Health; readonly message: string };

/** Worst first. A suspended object is a person's choice, so it is only a little worse than a healthy one. */
export const healthWorstFirst: readonly Health[] = [
  'Degraded',
  'Missing',
  'Unknown',
  'Progressing',
  'Suspended',
  'Healthy',
];

export const healthRank = (health: Health): number => healthWorstFirst.indexOf(health);

/** A unit shows the worst of its objects; one without objects is healthy. */
export function worstHealth(healths: Iterable<Health>): Health {
  let worst = healthRank('Healthy');
  for (const health of healths) worst = Math.min(worst, healthRank(health));
  return healthWorstFirst[worst] ?? 'Unknown';
}

export const healthy = (message = ''): ObjectHealth => ({ health: 'Healthy', message });
export const progressing = (message: string): ObjectHealth => ({ health: 'Progressing', message });
export const degraded = (message: string): ObjectHealth => ({ health: 'Degraded', message });
export const suspended = (message: string): ObjectHealth => ({ health: 'Suspended', message });
export const unknown = (message: string): ObjectHealth => ({ health: 'Unknown', message });
