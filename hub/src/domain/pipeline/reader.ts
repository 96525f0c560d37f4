import { parseDuration } from '@fairlead/shared/time';

/** A fault in a document, at a place such as `Pipeline checkout: spec.stages[1].after[0]`. */
export type Fault = { readonly path: string; readonly message: string };

/** A value of a document with its place; everything wrong with it is added to `faults`, nothing is thrown. */
export type Node = { readonly value: unknown; readonly path: string; readonly faults: Fault[] };

export type MappingShape = {
  readonly known: readonly string[];
  /** Keys of the format that this version refuses by name rather than ignore. */
  readonly notYet?: readonly string[];
};

export const fault = (node: Node, message: string): void => {
  node.faults.push({ path: node.path, message });
};

export const isAbsent = (node: Node): boolean => node.value === undefined || node.value === null;

/** The mapping's entries; unknown keys are faults with the nearest known one. An absent mapping is empty. */
export function readMapping(node: Node, shape: MappingShape): (key: string) => Node {
  const { known, notYet = [] } = shape;
  const isMapping = typeof node.value === 'object' && !Array.isArray(node.value);
  if (!isAbsent(node) && !isMapping) fault(node, 'must be a mapping');
  const entries = (isMapping ? (node.value ?? {}) : {}) as Record<string, unknown>;
  for (const key of Object.keys(entries)) {
    if (known.includes(key)) continue;
    const place = child(node, key, entries[key]);
    if (notYet.includes(key)) fault(place, 'is not supported yet by this version');
    else fault(place, `is not a known key${suggestion(key, [...known, ...notYet])}`);
  }
  return (key) => child(node, key, Object.hasOwn(entries, key) ? entries[key] : undefined);
}

/** A mapping whose keys are free, such as labels. */
export function readEntries(node: Node): Node[] {
  if (isAbsent(node)) return [];
  if (typeof node.value !== 'object' || Array.isArray(node.value)) {
    fault(node, 'must be a mapping');
    return [];
  }
  return Object.entries(node.value as object).map(([key, value]) => child(node, key, value));
}

export function readList(node: Node): Node[] {
  if (isAbsent(node)) return [];
  if (!Array.isArray(node.value)) {
    fault(node, 'must be a list');
    return [];
  }
  return node.value.map((value, index) => ({
    value,
    path: `${node.path}[${index}]`,
    faults: node.faults,
  }));
}

/** At most so many entries; what is beyond is one fault and is not read. */
export function readLimitedList(node: Node, entriesMax: number): Node[] {
  const nodes = readList(node);
  if (nodes.length > entriesMax) fault(node, `may have at most ${entriesMax} entries`);
  return nodes.slice(0, entriesMax);
}

/** As `readLimitedList`, of texts that each may stand once. */
export function readDistinct<Text extends string>(
  node: Node,
  entriesMax: number,
  read: (each: Node) => Text,
): Text[] {
  const seen = new Set<Text>();
  return readLimitedList(node, entriesMax).map((each) => {
    const text = read(each);
    if (text !== '' && seen.has(text)) fault(each, `repeats ${text}`);
    seen.add(text);
    return text;
  });
}

export function readText(node: Node, fallback?: string): string {
  if (isAbsent(node) && fallback !== undefined) return fallback;
  if (typeof node.value === 'string' && node.value !== '') return node.value;
  fault(node, isAbsent(node) ? 'is missing' : 'must be text that is not empty');
  return fallback ?? '';
}

export function readBoolean(node: Node, fallback: boolean): boolean {
  if (isAbsent(node)) return fallback;
  if (typeof node.value === 'boolean') return node.value;
  fault(node, 'must be true or false');
  return fallback;
}

export function readChoice<Choice extends string>(
  node: Node,
  choices: readonly Choice[],
  fallback: Choice,
): Choice {
  if (isAbsent(node)) return fallback;
  const chosen = choices.find((choice) => choice === node.value);
  if (chosen !== undefined) return chosen;
  fault(node, `must be one of ${choices.join(', ')}${suggestion(String(node.value), choices)}`);
  return fallback;
}

/** Milliseconds of a duration such as `30m`, within the limits. */
export function readDuration(
  node: Node,
  { fallbackMs, minMs = 0 }: { fallbackMs: number; minMs?: number },
): number {
  if (isAbsent(node)) return fallbackMs;
  const parsed = parseDuration(node.value === 0 ? '0s' : node.value);
  if (!parsed.ok) fault(node, parsed.error);
  else if (parsed.value < minMs) fault(node, `must be at least ${minMs / 1_000}s`);
  else return parsed.value;
  return fallbackMs;
}

export function readCount(
  node: Node,
  { fallback, max, min = 0 }: { fallback: number; max: number; min?: number },
): number {
  if (isAbsent(node)) return fallback;
  const { value } = node;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  fault(node, `must be a whole number from ${min} to ${max}`);
  return fallback;
}

const child = (node: Node, key: string, value: unknown): Node => ({
  value,
  path: `${node.path}${/[: ]$/.test(node.path) || node.path === '' ? '' : '.'}${key}`,
  faults: node.faults,
});

const suggestion = (given: string, known: readonly string[]): string => {
  const near = known.find((candidate) => editDistance(given, candidate) <= 2);
  return near === undefined ? '' : `; did you mean ${near}?`;
};

/** Levenshtein's distance, by rows. */
function editDistance(left: string, right: string): number {
  if (Math.abs(left.length - right.length) > 2) return 3;
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next[j] = Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
