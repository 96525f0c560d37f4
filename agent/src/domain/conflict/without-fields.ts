import type { KubernetesObject } from '@fairlead/shared/manifest';
import { type FieldPath, itemIndex } from './field-path.ts';

/** A copy of a configuration that says nothing of the fields, nor of what they leave empty above them. */
export function withoutFields(
  object: KubernetesObject,
  paths: readonly FieldPath[],
): KubernetesObject {
  if (paths.length === 0) return object;
  const copy = structuredClone(object);
  for (const path of paths) removeAt(copy, path);
  return copy;
}

function removeAt(parent: unknown, [part, ...rest]: FieldPath): void {
  if (part === undefined || typeof parent !== 'object' || parent === null) return;
  if (Array.isArray(parent)) {
    const index = itemIndex(parent, part);
    if (index < 0) return;
    // An item keeps the keys that name it, so it is never left empty.
    if (rest.length === 0) parent.splice(index, 1);
    else removeAt(parent[index], rest);
    return;
  }
  const fields = parent as Record<string, unknown>;
  const name = part.slice(2);
  if (rest.length > 0) removeAt(fields[name], rest);
  const inner = fields[name];
  const isEmpty = typeof inner === 'object' && inner !== null && Object.keys(inner).length === 0;
  if (rest.length === 0 || isEmpty) delete fields[name];
}
