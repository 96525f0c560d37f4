import type { FieldSet } from '../drift/index.ts';

/** A path in the notation of `fieldsV1`: `f:name` is a field, `k:{…}` a list item by its keys, `v:…` one by its value. */
export type FieldPath = readonly string[];

/** Every member of a field set, the items and mappings that it holds as a whole among them. */
export function* membersOf(set: FieldSet, at: FieldPath = []): Generator<FieldPath> {
  const parts = Object.keys(set);
  if (parts.length === 0 && at.length > 0) yield at;
  for (const part of parts) {
    if (part === '.') yield at;
    else yield* membersOf(set[part] as FieldSet, [...at, part]);
  }
}

/** The path as the API server writes it in its answers: `.spec.containers[name="web"].image`. */
export const fieldText = (path: FieldPath): string => path.map(partText).join('');

function partText(part: string): string {
  const body = part.slice(2);
  switch (part.slice(0, 2)) {
    case 'k:':
      return `[${Object.entries(parsed(body))
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(',')}]`;
    case 'v:':
      return `[=${body}]`;
    case 'i:':
      return `[${body}]`;
    default:
      return `.${body}`;
  }
}

/** The set without what the other one holds; `undefined` when nothing is left. */
export function subtract(from: FieldSet, other: FieldSet): FieldSet | undefined {
  const left: Record<string, FieldSet> = {};
  for (const [part, inner] of Object.entries(from)) {
    const same = other[part];
    const rest = same === undefined ? inner : subtractInner(inner, same);
    if (rest !== undefined) left[part] = rest;
  }
  return Object.keys(left).length === 0 ? undefined : left;
}

/** A leaf is the field as a whole, as `.` is beside its parts; who owns only parts of it does not own the whole. */
function subtractInner(inner: FieldSet, same: FieldSet): FieldSet | undefined {
  if (isLeaf(inner)) return holds(same, []) ? undefined : inner;
  return subtract(inner, isLeaf(same) ? { '.': {} } : same);
}

const isLeaf = (set: FieldSet): boolean => Object.keys(set).length === 0;

export function holds(set: FieldSet | undefined, path: FieldPath): boolean {
  let current = set;
  for (const part of path) current = current?.[part];
  return current !== undefined && (isLeaf(current) || current['.'] !== undefined);
}

/** The index of the item in a list; keys that the API server fills in may be missing in a configuration. */
export function itemIndex(list: readonly unknown[], part: string): number {
  const body = part.slice(2);
  if (part.startsWith('i:')) return Number(body);
  if (part.startsWith('v:')) return list.findIndex((item) => JSON.stringify(item) === body);
  const keys = Object.entries(parsed(body));
  return list.findIndex((item) => {
    const fields = (item ?? {}) as Record<string, unknown>;
    const given = keys.filter(([name]) => fields[name] !== undefined);
    return given.length > 0 && given.every(([name, value]) => fields[name] === value);
  });
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
