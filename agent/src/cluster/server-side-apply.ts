import type { KubernetesObject } from '@fairlead/shared/manifest';
import {
  type FieldPath,
  pathsOf,
  pathsOfTree,
  pathText,
  removeAt,
  setAt,
  treeOf,
  valueAt,
} from './field-paths.ts';
import type { FieldConflict } from './port.ts';

type Entry = {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  fieldsType: 'FieldsV1';
  fieldsV1: Parameters<typeof pathsOfTree>[0];
};

const entriesOf = (object: KubernetesObject): Entry[] =>
  (object.metadata.managedFields ?? []) as Entry[];

const entry = (
  object: KubernetesObject,
  manager: string,
  operation: Entry['operation'],
  paths: readonly FieldPath[],
): Entry => ({
  manager,
  operation,
  apiVersion: object.apiVersion,
  fieldsType: 'FieldsV1',
  fieldsV1: treeOf(paths),
});

const same = (left: unknown, right: unknown): boolean =>
  JSON.stringify(left) === JSON.stringify(right);

/** As the API server writes a path. */
const conflictText = (path: FieldPath): string =>
  path
    .map((part) =>
      part.startsWith('f:')
        ? `.${part.slice(2)}`
        : `[name=${JSON.stringify((JSON.parse(part.slice(2)) as { name: string }).name)}]`,
    )
    .join('');

export type Merge =
  | { readonly merged: KubernetesObject }
  | { readonly conflicts: readonly FieldConflict[] };

/** Server-side apply of a configuration on a live object, as KEP-555 says; the live object is not changed. */
export function mergeApply(
  live: KubernetesObject,
  configuration: KubernetesObject,
  options: {
    readonly manager: string;
    readonly force: boolean;
    readonly hasStatusSubresource?: boolean;
  },
): Merge {
  const merged = structuredClone(live);
  const { manager, force, hasStatusSubresource } = options;
  const paths = pathsOf(configuration, hasStatusSubresource);
  const texts = new Set(paths.map(pathText));
  const isOurs = (held: Entry) => held.manager === manager && held.operation === 'Apply';
  const ours = entriesOf(merged).find(isOurs);
  const others = entriesOf(merged).filter((held) => !isOurs(held));

  const taken = new Set<string>();
  const conflicts: FieldConflict[] = [];
  for (const other of others) {
    for (const path of pathsOfTree(other.fieldsV1)) {
      if (!texts.has(pathText(path))) continue;
      if (same(valueAt(live, path), valueAt(configuration, path))) continue;
      conflicts.push({ manager: other.manager, field: conflictText(path) });
      taken.add(pathText(path));
    }
  }
  if (conflicts.length > 0 && !force) return { conflicts };

  const left = others.map((other) =>
    entry(
      merged,
      other.manager,
      other.operation,
      pathsOfTree(other.fieldsV1).filter((path) => !taken.has(pathText(path))),
    ),
  );
  const heldByOthers = new Set(left.flatMap((other) => pathsOfTree(other.fieldsV1)).map(pathText));
  for (const path of ours ? pathsOfTree(ours.fieldsV1) : []) {
    if (!texts.has(pathText(path)) && !heldByOthers.has(pathText(path))) removeAt(merged, path);
  }
  for (const path of paths) setAt(merged, path, structuredClone(valueAt(configuration, path)));
  merged.metadata.managedFields = [
    entry(merged, manager, 'Apply', paths),
    ...left.filter((other) => Object.keys(other.fieldsV1).length > 0),
  ];
  return { merged };
}

/** An update by another manager: it owns every field that it changed, and their earlier owners lose them. */
export function mergeUpdate(
  live: KubernetesObject,
  edited: KubernetesObject,
  manager: string,
): KubernetesObject {
  const merged = structuredClone(edited);
  const all = new Map(
    [...pathsOf(live), ...pathsOf(edited)].map((path) => [pathText(path), path] as const),
  );
  const changed = [...all.values()].filter(
    (path) => !same(valueAt(live, path), valueAt(edited, path)),
  );
  const changedTexts = new Set(changed.map(pathText));
  const present = changed.filter((path) => valueAt(edited, path) !== undefined);
  const kept = entriesOf(live).map((held) =>
    entry(
      live,
      held.manager,
      held.operation,
      pathsOfTree(held.fieldsV1).filter((path) => !changedTexts.has(pathText(path))),
    ),
  );
  merged.metadata.managedFields = [
    ...kept.filter((held) => Object.keys(held.fieldsV1).length > 0),
    ...(present.length > 0 ? [entry(live, manager, 'Update', present)] : []),
  ];
  return merged;
}
