import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import { type Condition, conditionOf, conditionText, isObserved, statusOf } from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing } from './state.ts';

const isTrue = (condition: Condition | undefined): condition is Condition =>
  condition?.status === 'True';

/**
 * The convention of kstatus for kinds without a rule of their own: `observedGeneration`, then the abnormal-true
 * conditions Stalled and Reconciling, then Ready. A kind that keeps no status at all is configuration, and healthy;
 * `expectsStatus` says that its controller may still write the first one.
 */
export function genericHealth(object: KubernetesObject, expectsStatus: boolean): ObjectHealth {
  const status = statusOf(object);
  if (object.status === undefined || Object.keys(status).length === 0) {
    return expectsStatus && !isBuiltIn(object)
      ? progressing('waits for the first status')
      : healthy();
  }
  if (status.observedGeneration !== undefined && !isObserved(object)) {
    return progressing('waits for the controller to see the newest specification');
  }
  const stalled = conditionOf(status, 'Stalled');
  if (isTrue(stalled)) return degraded(conditionText(stalled));
  const failed = conditionOf(status, 'Failed');
  if (isTrue(failed)) return degraded(conditionText(failed));
  const reconciling = conditionOf(status, 'Reconciling');
  if (isTrue(reconciling)) return progressing(conditionText(reconciling));
  const ready = conditionOf(status, 'Ready') ?? conditionOf(status, 'Available');
  if (ready && ready.status !== 'True') return progressing(conditionText(ready));
  return healthy();
}

const isBuiltIn = ({ apiVersion }: KubernetesObject): boolean => {
  const group = groupOf(apiVersion);
  return !group.includes('.') || group.endsWith('.k8s.io');
};
