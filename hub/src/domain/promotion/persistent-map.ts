/**
 * An immutable map for state that is folded event by event: `with` copies one small bucket and a row of pointers, so
 * that a fold over a stage of thousands of targets costs the events, not their product.
 */
export type PersistentMap<Key extends string, Value> = {
  readonly size: number;
  readonly buckets: readonly (ReadonlyMap<Key, Value> | undefined)[];
};

const bucketCount = 128;

export const emptyMap = <Key extends string, Value>(): PersistentMap<Key, Value> => ({
  size: 0,
  buckets: new Array(bucketCount).fill(undefined),
});

/** FNV-1a over the UTF-16 units. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % bucketCount;
}

export const get = <Key extends string, Value>(
  map: PersistentMap<Key, Value>,
  key: Key,
): Value | undefined => map.buckets[bucketOf(key)]?.get(key);

export function withEntry<Key extends string, Value>(
  map: PersistentMap<Key, Value>,
  key: Key,
  value: Value,
): PersistentMap<Key, Value> {
  const index = bucketOf(key);
  const bucket = new Map(map.buckets[index]);
  const size = map.size + (bucket.has(key) ? 0 : 1);
  return { size, buckets: map.buckets.with(index, bucket.set(key, value)) };
}

export function withoutEntry<Key extends string, Value>(
  map: PersistentMap<Key, Value>,
  key: Key,
): PersistentMap<Key, Value> {
  const index = bucketOf(key);
  if (!map.buckets[index]?.has(key)) return map;
  const bucket = new Map(map.buckets[index]);
  bucket.delete(key);
  return { size: map.size - 1, buckets: map.buckets.with(index, bucket) };
}

export function* entries<Key extends string, Value>(
  map: PersistentMap<Key, Value>,
): Generator<[Key, Value]> {
  for (const bucket of map.buckets) if (bucket) yield* bucket;
}

export function* values<Key extends string, Value>(
  map: PersistentMap<Key, Value>,
): Generator<Value> {
  for (const [, value] of entries(map)) yield value;
}
