import {
  type KubernetesObject,
  type ObjectKey,
  objectKey,
  objectKeyText,
} from '@fairlead/shared/manifest';
import type { UnitId } from '../link/index.ts';
import { hookOf, hookRunAnnotation } from './hooks.ts';

/** KEP-3659: every member of an ApplySet carries the id of its parent in this label. */
export const partOfLabel = 'applyset.kubernetes.io/part-of';
/** Which unit owns which object; a copied object carries it with another object's identity, and is nobody's to prune. */
export const ownerAnnotation = 'fairlead.dev/owner';

export const ownerText = (unit: UnitId, key: ObjectKey): string => `${unit}:${objectKeyText(key)}`;

/** The unit named in an owner annotation, for people; the annotation alone proves nothing. */
export function unitOfOwner(owner: string | undefined): string | undefined {
  const end = owner?.indexOf(':') ?? -1;
  return end > 0 ? owner?.slice(0, end) : undefined;
}

export type Owner = {
  readonly unit: UnitId;
  readonly applySetId: string;
};

/**
 * The object with its owner's stamps, so that ownership is written in the same request as the object itself. A hook that
 * runs to an end carries its run as well, so that every later start of the agent knows whether it is this generation's.
 */
export function stamp(object: KubernetesObject, owner: Owner, hookRun = ''): KubernetesObject {
  const { metadata } = object;
  const { managedFields: _, uid: __, resourceVersion: ___, ...rest } = metadata;
  const hook = hookOf(object);
  const runs = hookRun !== '' && typeof hook === 'object' && hook.runs;
  return {
    ...object,
    metadata: {
      ...rest,
      labels: { ...metadata.labels, [partOfLabel]: owner.applySetId },
      annotations: {
        ...metadata.annotations,
        [ownerAnnotation]: ownerText(owner.unit, objectKey(object)),
        ...(runs ? { [hookRunAnnotation]: hookRun } : {}),
      },
    },
  };
}
