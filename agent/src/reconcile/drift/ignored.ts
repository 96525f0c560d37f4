import type { KubernetesObject } from '@fairlead/shared/manifest';
import { addressOf, fieldManager } from '../../cluster/index.ts';
import { ignoredOf, withoutIgnored, type Yielding } from '../../domain/drift/index.ts';
import type { Assignment } from '../../domain/link/index.ts';
import { ownerAnnotation, partOfLabel } from '../../domain/plan/index.ts';
import type { Context } from '../context.ts';
import type { Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';

/** What shapes the applied object beside the object itself: rules that change must lead to another apply. */
export function ignoreText(object: KubernetesObject, { apply }: Assignment): string {
  const ignored = ignoredOf(object, apply.ignoreDifferences);
  return ignored === undefined ? '' : JSON.stringify(ignored);
}

/**
 * The stamped object to apply with room for what is left to others. Only an object that a rule concerns costs a request,
 * and only where the caller does not know its live state.
 */
export async function makeRoom(
  context: Context,
  unit: Unit,
  object: KubernetesObject,
  known?: KubernetesObject,
): Promise<Yielding> {
  const { assignment, work } = unit;
  const ignored = ignoredOf(object, assignment.apply.ignoreDifferences);
  if (ignored === undefined) return { object, ignored: [] };
  const live = known ?? (await requestsOf(context, unit).get(addressOf(object), work.signal));
  const room = withoutIgnored(object, ignored, { live, manager: fieldManager });
  return room.ignored.length === 0 ? { object, ignored: [] } : withStamps(room, object.metadata);
}

/** Whatever is left to others, whose object it is goes with every write. */
function withStamps(
  { object, ignored }: Yielding,
  stamped: KubernetesObject['metadata'],
): Yielding {
  const { metadata } = object;
  const label = stamped.labels?.[partOfLabel] ?? '';
  const annotation = stamped.annotations?.[ownerAnnotation] ?? '';
  const labels = { ...metadata.labels, [partOfLabel]: label };
  const annotations = { ...metadata.annotations, [ownerAnnotation]: annotation };
  return { object: { ...object, metadata: { ...metadata, labels, annotations } }, ignored };
}
