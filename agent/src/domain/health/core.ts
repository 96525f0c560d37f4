import type { KubernetesObject } from '@fairlead/shared/manifest';
import { isObserved, listOf, mappingAt, numberOf, specOf, statusOf, textOf } from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing } from './state.ts';

export function persistentVolumeClaimHealth(object: KubernetesObject): ObjectHealth {
  const phase = textOf(statusOf(object).phase);
  if (phase === 'Bound') return healthy();
  if (phase === 'Lost') return degraded('the volume behind the claim is lost');
  return progressing('waits for a volume, or for the first pod that uses it');
}

/** Kubernetes has no condition for it, but a load balancer without an address takes no traffic. */
export function serviceHealth(object: KubernetesObject): ObjectHealth {
  if (specOf(object).type !== 'LoadBalancer') return healthy();
  const addresses = listOf(mappingAt(statusOf(object), 'loadBalancer').ingress);
  return addresses.length > 0 ? healthy() : progressing('waits for a load balancer address');
}

export const namespaceHealth = (object: KubernetesObject): ObjectHealth =>
  statusOf(object).phase === 'Terminating' ? progressing('the namespace ends') : healthy();

export function replicationControllerHealth(object: KubernetesObject): ObjectHealth {
  if (!isObserved(object)) return progressing('waits for the controller');
  const desired = numberOf(specOf(object).replicas, 1);
  const available = numberOf(statusOf(object).availableReplicas, 0);
  if (available < desired) return progressing(`${available} of ${desired} replicas available`);
  return healthy();
}
