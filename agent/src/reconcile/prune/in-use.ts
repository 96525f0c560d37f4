import { groupOf, type KubernetesObject, objectKey } from '@fairlead/shared/manifest';
import { ClusterError, type Resource } from '../../cluster/index.ts';
import { partOfLabel, type Removal } from '../../domain/plan/index.ts';
import { heldObjectsLookMax, heldObjectsNamedMax, unitRequestsInFlightMax } from '../../limits.ts';
import type { Context } from '../context.ts';
import { inParallel } from '../in-parallel.ts';
import { shortKey } from '../live/readiness.ts';
import type { Unit } from '../unit.ts';

/**
 * What a namespace or a definition holds that is not the unit's, in words; empty when it may go. The API server removes
 * it all with its container, and what the unit does not own is not the unit's to delete. What cannot be looked through
 * counts as in use. Whatever comes after the look is too late: so this is asked right before the removal.
 */
export async function inUseBy(context: Context, unit: Unit, removal: Removal): Promise<string> {
  const { key, contains } = removal;
  if (contains === '') return '';
  // A kind that somebody has defined since the last look may have objects in the namespace.
  const served = await context.cluster.resources(unit.work.signal, 'fresh');
  const isNamespace = key.kind === 'Namespace';
  const looked = served.filter((resource) =>
    isNamespace
      ? resource.namespaced && !passing.has(kindText(resource))
      : contains === `kind ${kindText(resource)}`,
  );
  const namespace = isNamespace ? key.name : '';
  const found = await inParallel(looked, unitRequestsInFlightMax, (resource) =>
    lookThrough(context, unit, resource, namespace),
  );
  unit.work.signal.throwIfAborted();
  const names = found.flat();
  const more = names.length - heldObjectsNamedMax;
  return names.slice(0, heldObjectsNamedMax).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const kindText = ({ apiVersion, kind }: Pick<Resource, 'apiVersion' | 'kind'>): string =>
  `${groupOf(apiVersion)}/${kind}`;

// They come and go by themselves, and nobody misses them with their namespace.
const passing: ReadonlySet<string> = new Set([
  '/Event',
  'events.k8s.io/Event',
  '/Endpoints',
  'discovery.k8s.io/EndpointSlice',
  'coordination.k8s.io/Lease',
]);

async function lookThrough(
  { cluster }: Context,
  unit: Unit,
  { apiVersion, kind }: Resource,
  namespace: string,
): Promise<string[]> {
  try {
    const objects = await cluster.list(apiVersion, kind, {
      namespace,
      labelSelector: `${partOfLabel}!=${unit.owner.applySetId}`,
      objectsMax: heldObjectsLookMax,
      signal: unit.work.signal,
    });
    const foreign = objects.filter((object) => isSomebodys(object, namespace !== ''));
    if (foreign.length > 0) return foreign.map((object) => shortKey(objectKey(object)));
    return objects.length < heldObjectsLookMax ? [] : [`${objects.length} or more of ${kind}`];
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    if (error.code === 'unknown_kind' || error.code === 'not_found') return [];
    if (error.code !== 'forbidden') throw error;
    return [`${kind} (it cannot be looked through: ${error.message})`];
  }
}

/** In a namespace only what nothing else owns counts: its owner is listed itself, or the garbage collector is at it. */
function isSomebodys({ kind, metadata, ...rest }: KubernetesObject, inNamespace: boolean): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  if (!inNamespace) return true;
  if ((metadata.ownerReferences ?? []).length > 0) return false;
  if (kind === 'Secret') return rest.type !== 'kubernetes.io/service-account-token';
  return !madeByKubernetes.has(`${kind}/${metadata.name}`);
}

const madeByKubernetes: ReadonlySet<string> = new Set([
  'ConfigMap/kube-root-ca.crt',
  'ConfigMap/openshift-service-ca.crt',
  'ServiceAccount/default',
]);
