import type { KubernetesObject } from '@fairlead/shared/manifest';

/** The shape of `fieldsV1`: `f:name` is a field, `k:{…}` a list item by its keys, `v:…` one by its value, `.` itself. */
export type FieldSet = { readonly [part: string]: FieldSet };

export type ManagedFieldsEntry = {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly time?: string;
  readonly fieldsV1?: FieldSet;
};

export const managedFieldsOf = (object: KubernetesObject): readonly ManagedFieldsEntry[] =>
  (object.metadata.managedFields ?? []) as readonly ManagedFieldsEntry[];

/** What a manager owns by server-side apply, subresources aside; `undefined` when it owns nothing. */
export const ownedFields = (object: KubernetesObject, manager: string): FieldSet | undefined =>
  managedFieldsOf(object).find(
    (entry) =>
      entry.manager === manager && entry.operation === 'Apply' && (entry.subresource ?? '') === '',
  )?.fieldsV1;

/**
 * The owned field set as text, equal exactly when the set is equal: the API server writes it sorted. While we own a field
 * nobody changes its value without the API server taking the field from us, so an unchanged text means no drift,
 * however often the status or foreign fields change.
 */
export const ownedFieldsText = (object: KubernetesObject, manager: string): string => {
  const fields = ownedFields(object, manager);
  return fields ? JSON.stringify(fields) : '';
};

/** What all managers that are picked own together; `undefined` when they own nothing. */
export function fieldsOfManagers(
  object: KubernetesObject,
  isPicked: (manager: string, operation: string) => boolean,
): FieldSet | undefined {
  const sets = managedFieldsOf(object)
    .filter(({ manager = '', operation = '' }) => isPicked(manager, operation))
    .flatMap(({ fieldsV1 }) => (fieldsV1 ? [fieldsV1] : []));
  return sets.length === 0 ? undefined : sets.reduce(union);
}

function union(left: FieldSet, right: FieldSet): FieldSet {
  const both: Record<string, FieldSet> = { ...left };
  for (const [part, set] of Object.entries(right)) {
    const known = both[part];
    both[part] = known === undefined ? set : union(known, set);
  }
  return both;
}

/** The managers other than ours that own one of the paths now, the newest first; they are who changed it. */
export function managersOf(
  object: KubernetesObject,
  paths: readonly (readonly string[])[],
  ours: string,
): string[] {
  const found = managedFieldsOf(object)
    .filter(
      (entry) =>
        !(entry.manager === ours && entry.operation === 'Apply') &&
        paths.some((path) => holds(entry.fieldsV1, path)),
    )
    .toSorted((left, right) => ((left.time ?? '') < (right.time ?? '') ? 1 : -1))
    .map((entry) => entry.manager ?? 'unknown');
  return [...new Set(found)];
}

function holds(set: FieldSet | undefined, path: readonly string[]): boolean {
  let current = set;
  for (const part of path) current = current?.[part];
  return current !== undefined;
}

/** The leaves of the first set that the second lacks, as paths of parts. */
export function missingPaths(
  from: FieldSet | undefined,
  inSet: FieldSet | undefined,
  at: readonly string[] = [],
): (readonly string[])[] {
  if (!from) return [];
  const parts = Object.keys(from);
  if (parts.length === 0) return inSet === undefined ? [at] : [];
  return parts.flatMap((part) =>
    part === '.'
      ? inSet?.['.'] === undefined && parts.length === 1
        ? [at]
        : []
      : missingPaths(from[part], inSet?.[part], [...at, part]),
  );
}
