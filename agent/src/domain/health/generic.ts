import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import { byConditions } from './generic-conditions.ts';
import { byCounts, byPhase } from './generic-phase.ts';
import { isBehind, specOf, statusOf } from './read.ts';
import { healthy, type ObjectHealth, progressing, suspended } from './state.ts';

/**
 * For kinds without a rule of their own: `observedGeneration`, a pause that a person asked for, conditions (kstatus'
 * abnormal-true ones first), then a word of the status, then its counts. A kind that keeps no status at all is
 * configuration, and healthy; `expectsStatus` says that its controller may still write the first one.
 */
export function genericHealth(object: KubernetesObject, expectsStatus: boolean): ObjectHealth {
  const status = statusOf(object);
  if (Object.keys(status).length === 0) {
    return expectsStatus && !isBuiltIn(object)
      ? progressing('waits for the first status')
      : (paused(object) ?? healthy());
  }
  if (isBehind(object)) {
    return progressing('waits for the controller to see the newest specification');
  }
  return paused(object) ?? byConditions(object) ?? byPhase(object) ?? byCounts(object) ?? healthy();
}

function paused(object: KubernetesObject): ObjectHealth | undefined {
  const spec = specOf(object);
  const field = ['paused', 'suspend', 'suspended'].find((name) => spec[name] === true);
  return field === undefined ? undefined : suspended(`spec.${field} is true`);
}

const isBuiltIn = ({ apiVersion }: KubernetesObject): boolean => {
  const group = groupOf(apiVersion);
  return !group.includes('.') || group.endsWith('.k8s.io');
};
