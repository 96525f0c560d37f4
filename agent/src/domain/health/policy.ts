import type { KubernetesObject } from '@fairlead/shared/manifest';
import { conditionOf, conditionText, isObserved, numberOf, statusOf } from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing } from './state.ts';

/** A budget over no pods is met: nothing can be disrupted, and a Deployment with no replicas must not hang its unit. */
export function podDisruptionBudgetHealth(object: KubernetesObject): ObjectHealth {
  const status = statusOf(object);
  if (!isObserved(object)) return progressing('waits for the controller');
  const allowed = conditionOf(status, 'DisruptionAllowed');
  if (allowed?.reason === 'SyncFailed') return degraded(conditionText(allowed));
  const current = numberOf(status.currentHealthy, 0);
  const desired = numberOf(status.desiredHealthy, 0);
  if (numberOf(status.expectedPods, 0) === 0 || current >= desired) return healthy();
  return progressing(`${current} of ${desired} needed pods are healthy`);
}
