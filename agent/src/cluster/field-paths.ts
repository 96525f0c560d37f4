import type { KubernetesObject } from '@fairlead/shared/manifest';

/** A path in the notation of `fieldsV1`: `f:name` is a field, `k:{"name":"web"}` an item of a list. */
export type FieldPath = readonly string[];
type Tree = { [part: string]: Tree };
type Mapping = Record<string, unknown>;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lists of named mappings merge by name, as containers do; every other list is one value. */
const isNamedList = (value: unknown): value is (Mapping & { name: string })[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((item) => isMapping(item) && typeof item.name === 'string');

const keyOf = (name: string): string => `k:${JSON.stringify({ name })}`;

/**
 * The leaves that a configuration sets, without the object's own identity and what the server keeps: a status that is a
 * subresource is not a part of it.
 */
export function pathsOf(object: KubernetesObject, hasStatusSubresource = true): FieldPath[] {
  const { apiVersion: _, kind: __, metadata, status, ...fields } = object;
  const rest = hasStatusSubresource || status === undefined ? fields : { ...fields, status };
  const { labels, annotations, finalizers } = metadata;
  const kept = { ...(labels && { labels }), ...(annotations && { annotations }) };
  return leaves({
    ...rest,
    ...(Object.keys(kept).length > 0 || finalizers
      ? { metadata: { ...kept, ...(finalizers && { finalizers }) } }
      : {}),
  });
}

function leaves(value: unknown, at: FieldPath = []): FieldPath[] {
  if (isMapping(value) && Object.keys(value).length > 0) {
    return Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .flatMap(([name, field]) => leaves(field, [...at, `f:${name}`]));
  }
  if (isNamedList(value)) {
    return value.flatMap((item) => leaves(item, [...at, keyOf(item.name)]));
  }
  return [at];
}

export function valueAt(object: unknown, path: FieldPath): unknown {
  let current = object;
  for (const part of path) {
    if (part.startsWith('f:')) current = isMapping(current) ? current[part.slice(2)] : undefined;
    else if (isNamedList(current)) current = current.find((item) => keyOf(item.name) === part);
    else return undefined;
  }
  return current;
}

/** Sets the value at a path in place, making what lies between. */
export function setAt(object: unknown, path: FieldPath, value: unknown): void {
  let current = object as Mapping | unknown[];
  path.forEach((part, index) => {
    const isLast = index === path.length - 1;
    const next = path[index + 1]?.startsWith('k:') ? [] : {};
    if (part.startsWith('f:')) {
      const name = part.slice(2);
      const mapping = current as Mapping;
      if (isLast) mapping[name] = value;
      else if (typeof mapping[name] !== 'object' || mapping[name] === null) mapping[name] = next;
      current = mapping[name] as Mapping;
      return;
    }
    const list = current as (Mapping & { name: string })[];
    let item = list.find((candidate) => keyOf(candidate.name) === part);
    if (!item) {
      item = JSON.parse(part.slice(2)) as Mapping & { name: string };
      list.push(item);
    }
    current = item;
  });
}

/** Removes the leaf at a path in place, and what it leaves empty above it. */
export function removeAt(object: unknown, path: FieldPath): void {
  for (let length = path.length; length > 0; length--) {
    const parent = valueAt(object, path.slice(0, length - 1));
    const part = path[length - 1] as string;
    if (isMapping(parent)) {
      const name = part.slice(2);
      const value = parent[name];
      const isEmpty =
        typeof value === 'object' && value !== null && Object.keys(value).length === 0;
      if (length < path.length && !isEmpty) return;
      delete parent[name];
    } else if (Array.isArray(parent)) {
      const index = parent.findIndex(
        (item) => isMapping(item) && keyOf(String(item.name)) === part,
      );
      if (index === -1) return;
      if (length < path.length && Object.keys(parent[index] as Mapping).length > 1) return;
      parent.splice(index, 1);
    } else return;
  }
}

export const pathText = (path: FieldPath): string => JSON.stringify(path);

export function treeOf(paths: readonly FieldPath[]): Tree {
  const tree: Tree = {};
  const sorted = paths.toSorted((left, right) => (pathText(left) < pathText(right) ? -1 : 1));
  for (const path of sorted) {
    let current = tree;
    for (const part of path) {
      current[part] ??= {};
      current = current[part];
    }
  }
  return tree;
}

export function pathsOfTree(tree: Tree, at: FieldPath = []): FieldPath[] {
  const parts = Object.keys(tree);
  if (parts.length === 0) return at.length === 0 ? [] : [at];
  return parts.flatMap((part) => pathsOfTree(tree[part] as Tree, [...at, part]));
}
