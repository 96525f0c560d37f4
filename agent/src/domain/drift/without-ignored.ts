import { canonicalText, type KubernetesObject } from '@fairlead/shared/manifest';
import type { Ignored } from './ignore.ts';
import { type FieldSet, fieldsOfManagers } from './managed-fields.ts';

type Mapping = Readonly<Record<string, unknown>>;

/** The object to apply, and which places and managers it makes room for: `/spec/replicas`, `manager vpa`. */
export type Yielding = { readonly object: KubernetesObject; readonly ignored: readonly string[] };

/**
 * The object to apply so that what is ignored stays as it is. A new object is made whole. In a live one a field that
 * another manager holds is left out; one that only we hold keeps its live value, because the API server removes a field
 * that its last owner leaves out.
 */
export function withoutIgnored(
  object: KubernetesObject,
  { pointers, managers }: Ignored,
  { live, manager }: { readonly live: KubernetesObject | undefined; readonly manager: string },
): Yielding {
  if (!live) return { object, ignored: [] };
  const sets: Sets = {
    others: fieldsOfManagers(live, (name, operation) => name !== manager || operation !== 'Apply'),
    all: fieldsOfManagers(live, () => true),
  };
  const ignored: string[] = [];
  const { managedFields: _, ...liveMetadata } = live.metadata;
  const found = { ...live, metadata: liveMetadata };
  let body: unknown = object;
  const replace = (next: unknown, name: string) => {
    if (canonicalText(next) !== canonicalText(body)) ignored.push(name);
    body = next;
  };
  for (const pointer of pointers) {
    replace(identified(yieldAt(body, found, sets, pointer), object), `/${pointer.join('/')}`);
  }
  for (const name of managers) {
    if (name === manager) continue;
    const others = fieldsOfManagers(live, (held) => held === name);
    const left = settle(body, body, { others, all: sets.all });
    replace(identified(left, object), `manager ${name}`);
  }
  return { object: body as KubernetesObject, ignored };
}

/** An object is always named, whatever of it is left to others. */
function identified(body: unknown, object: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace } = metadata;
  const { metadata: left, ...rest } = isMapping(body) ? body : {};
  return {
    ...rest,
    apiVersion,
    kind,
    metadata: { ...(isMapping(left) ? left : {}), name, ...(namespace && { namespace }) },
  };
}

/** Who holds a place and all below it: managers other than ours, and all of them, which also tells the kind of a list. */
type Sets = { readonly others: FieldSet | undefined; readonly all: FieldSet | undefined };

const below = ({ others, all }: Sets, part: string): Sets => ({
  others: others?.[part],
  all: all?.[part],
});

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const partsOf = (set: FieldSet | undefined): string[] =>
  Object.keys(set ?? {}).filter((part) => part !== '.');

/** Follows the pointer to the place and settles what is there; a place that we do not set stays unset. */
function yieldAt(body: unknown, live: unknown, sets: Sets, pointer: readonly string[]): unknown {
  const [token, ...rest] = pointer;
  if (token === undefined) return settle(body, live, sets);
  if (isMapping(body)) {
    if (!(token in body)) return body;
    const found = isMapping(live) ? live : undefined;
    const next = yieldAt(body[token], found?.[token], below(sets, `f:${token}`), rest);
    return unlessEmptied(without(body, token, next), body, found);
  }
  if (!Array.isArray(body) || !Array.isArray(live)) return body;
  if (Number(token) >= body.length) return body;
  const part = keyPart(body[Number(token)], sets.all);
  if (part === undefined) {
    // A new item is made whole; a list that is not merged by a key is one value.
    const isMerged = partsOf(sets.all).some((each) => each.startsWith('k:'));
    return isMerged ? body : settle(body, live, sets);
  }
  return body.flatMap((item, index) => {
    if (index !== Number(token)) return [item];
    const found = live.find((candidate) => hasKeys(candidate, part));
    return orKeys(yieldAt(item, found, below(sets, part), rest), part, { isOthers: false });
  });
}

const without = (body: Mapping, name: string, value: unknown): Mapping =>
  value === undefined
    ? Object.fromEntries(Object.entries(body).filter(([key]) => key !== name))
    : { ...body, [name]: value };

/** A mapping of which nothing is left is not set at all: set empty, it would be ours and take what others have in it. */
function unlessEmptied(left: Mapping, body: Mapping, live?: Mapping): Mapping | undefined {
  const isEmptied = Object.keys(left).length === 0 && Object.keys(body).length > 0;
  const isLiveEmpty = live !== undefined && Object.keys(live).length === 0;
  return isEmptied && !isLiveEmpty ? undefined : left;
}

/** The part of a value to apply: nothing where another manager holds it, otherwise what is live. */
function settle(body: unknown, live: unknown, sets: Sets): unknown {
  const { others } = sets;
  if (live === undefined || (others && partsOf(others).length === 0)) return undefined;
  if (isMapping(body) && isMapping(live)) {
    const fields = Object.entries(body).flatMap(([name, value]) => {
      const kept = settle(value, live[name], below(sets, `f:${name}`));
      return kept === undefined ? [] : [[name, kept] as const];
    });
    return unlessEmptied(Object.fromEntries(fields), body, live);
  }
  if (Array.isArray(body) && Array.isArray(live)) return settleList(body, live, sets);
  return others === undefined ? live : undefined;
}

function settleList(body: unknown[], live: unknown[], sets: Sets): unknown {
  const { others, all } = sets;
  const kinds = partsOf(all).map((part) => part.slice(0, 2));
  if (kinds.includes('v:')) {
    const has = (items: readonly unknown[], item: unknown) =>
      items.some((candidate) => JSON.stringify(candidate) === JSON.stringify(item));
    const held = partsOf(others).map((part) => JSON.parse(part.slice(2)) as unknown);
    return body.filter((item) => has(live, item) && !has(held, item));
  }
  if (!kinds.includes('k:')) return others === undefined ? live : undefined;
  const items = body.flatMap((item) => {
    const part = keyPart(item, all);
    const found = part && live.find((candidate) => hasKeys(candidate, part));
    // Compared with itself, so that only what a manager holds goes; otherwise what is not live stays away.
    if (!part || found === undefined) return live === body ? [item] : [];
    const held = others?.[part];
    const isOthers = held !== undefined && ('.' in held || partsOf(held).length === 0);
    return orKeys(settle(item, found, below(sets, part)), part, { isOthers });
  });
  return items.length === 0 ? undefined : items;
}

/** An item of a merged list keeps its keys as long as we say anything of it. */
function orKeys(item: unknown, part: string, { isOthers }: { isOthers: boolean }): unknown[] {
  const keys = keysOf(part);
  const fields = isMapping(item) ? item : {};
  const isBare = Object.keys(fields).every((name) => name in keys);
  return isBare && isOthers ? [] : [{ ...keys, ...fields }];
}

const keyPart = (item: unknown, all: FieldSet | undefined): string | undefined =>
  partsOf(all).find((part) => part.startsWith('k:') && hasKeys(item, part));

const keysOf = (part: string): Mapping => JSON.parse(part.slice(2)) as Mapping;

const hasKeys = (item: unknown, part: string): boolean =>
  isMapping(item) && Object.entries(keysOf(part)).every(([name, value]) => item[name] === value);
