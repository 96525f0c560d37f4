/** Chance that a seed decides: the same seed and label give the same numbers for ever, on every machine. */
export type Chance = {
  /** In [0, 1). */
  readonly fraction: () => number;
  /** In [0, limit). */
  readonly below: (limit: number) => number;
  /** In [least, most]. */
  readonly between: (least: number, most: number) => number;
  readonly happens: (probability: number) => boolean;
  readonly pick: <Item>(items: readonly Item[]) => Item;
  /** An independent source, so that what one part draws does not move what another part gets. */
  readonly fork: (label: string) => Chance;
};

/** FNV-1a over the UTF-16 units. */
function hashOf(text: string, basis: number): number {
  let hash = basis;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** The generator sfc32 of Chris Doty-Humphrey's PractRand, started from four hashes of the text. */
export function createChance(seed: string): Chance {
  let a = hashOf(seed, 0x811c9dc5);
  let b = hashOf(seed, 0x9e3779b9);
  let c = hashOf(seed, 0x85ebca6b);
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // The first numbers still show the hashes.
  for (let round = 0; round < 12; round++) next();
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    fraction: next,
    below,
    between: (least, most) => least + below(most - least + 1),
    happens: (probability) => next() < probability,
    pick: <Item>(items: readonly Item[]) => items[below(items.length)] as Item,
    fork: (label) => createChance(`${seed}/${label}`),
  };
}
