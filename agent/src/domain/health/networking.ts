import type { KubernetesObject } from '@fairlead/shared/manifest';
import { listOf, mappingAt, specOf, statusOf } from './read.ts';
import { healthy, type ObjectHealth, progressing } from './state.ts';

/**
 * Only a controller gives an Ingress an address, and a cluster need not have one for every Ingress. One that names a
 * class asks a particular controller to serve it, so it waits for that controller's answer; one that names none is
 * configuration that nobody has promised to answer, and waiting for it would hang the unit for ever.
 */
export function ingressHealth(object: KubernetesObject): ObjectHealth {
  if (listOf(mappingAt(statusOf(object), 'loadBalancer').ingress).length > 0) return healthy();
  const named =
    specOf(object).ingressClassName ?? object.metadata.annotations?.['kubernetes.io/ingress.class'];
  if (named === undefined || named === '') return healthy('names no class, so no address is due');
  return progressing(`waits for an address from ingress class ${String(named)}`);
}
