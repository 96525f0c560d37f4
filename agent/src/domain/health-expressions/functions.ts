import {
  type CelFunc,
  CelScalar,
  type CelValue,
  celMethod,
  isCelList,
  isCelMap,
} from '@bufbuild/cel';
import { toneOf, toneOfCondition, toneOfPhase } from '../health/index.ts';

const { DYN, STRING, BOOL } = CelScalar;

/** The value at a dotted path; `undefined` where there is none. */
function at(source: CelValue, path: string): CelValue | undefined {
  let current: CelValue | undefined = source;
  for (const key of path.split('.')) {
    if (!isCelMap(current)) return undefined;
    current = current.get(key);
  }
  return current;
}

// Unquoted in YAML, True is a boolean.
const textAt = (source: CelValue, key: string): string => {
  const value = at(source, key);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'string' ? value : '';
};

function* conditionsOf(source: CelValue): Generator<CelValue> {
  const list = isCelList(source) ? source : at(source, 'conditions');
  if (isCelList(list)) yield* list;
}

function conditionOf(source: CelValue, type: string): CelValue | undefined {
  for (const condition of conditionsOf(source))
    if (textAt(condition, 'type') === type) return condition;
  return undefined;
}

const hasStatus = (source: CelValue, types: CelValue | undefined, status: string): boolean => {
  const wanted = typeof types === 'string' ? [types] : isCelList(types) ? [...types] : [];
  return wanted.some((type) => {
    const condition = conditionOf(source, String(type));
    return condition !== undefined && textAt(condition, 'status') === status;
  });
};

const method = (
  name: string,
  args: readonly (typeof DYN | typeof STRING)[],
  result: typeof DYN | typeof STRING | typeof BOOL,
  run: (target: CelValue, ...args: CelValue[]) => unknown,
): CelFunc =>
  celMethod(name, DYN, args as [], result, function (this: CelValue, ...values: unknown[]) {
    return run(this, ...(values as CelValue[])) as never;
  });

/**
 * What our expressions have beyond the standard: each reads a part that may be missing without an error. They are
 * documented in docs/health.md.
 */
export const functions: CelFunc[] = [
  method('get', [STRING], DYN, (target, path) => at(target, String(path)) ?? null),
  method(
    'get',
    [STRING, DYN],
    DYN,
    (target, path, otherwise) => at(target, String(path)) ?? otherwise ?? null,
  ),
  method('condition', [STRING], DYN, (target, type) => {
    const condition = conditionOf(target, String(type));
    const parts = ['type', 'status', 'reason', 'message', 'severity'] as const;
    return new Map(
      parts.map((part) => [part, condition === undefined ? '' : textAt(condition, part)]),
    );
  }),
  method('isTrue', [DYN], BOOL, (target, types) => hasStatus(target, types, 'True')),
  method('isFalse', [DYN], BOOL, (target, types) => hasStatus(target, types, 'False')),
  method('isUnknown', [DYN], BOOL, (target, types) => hasStatus(target, types, 'Unknown')),
  method('tone', [], STRING, (target) =>
    typeof target === 'string'
      ? toneOf(target)
      : toneOfCondition(textAt(target, 'reason'), textAt(target, 'message')),
  ),
  method('phaseTone', [], STRING, (target) =>
    typeof target === 'string' ? toneOfPhase(target) : '',
  ),
  // With lists of words by tone, which go before the vocabulary.
  method('phaseTone', [DYN], STRING, (target, lists) => {
    for (const tone of ['healthy', 'busy', 'failed', 'suspended', 'unknown'] as const) {
      const words = at(lists, tone);
      if (isCelList(words) && [...words].includes(target)) return tone;
    }
    return typeof target === 'string' ? toneOfPhase(target) : '';
  }),
  method('sum', [], DYN, (target) => {
    let sum = 0;
    for (const item of isCelList(target) ? target : []) sum += Number(item);
    return Number.isInteger(sum) ? BigInt(sum) : sum;
  }),
  // Optional values, as lists of one or none.
  method('optionalField', [STRING], DYN, (target, name) => optionalOf(target, String(name))),
  method('optionalAt', [DYN], DYN, (target, index) => optionalOf(target, index)),
  method('orValue', [DYN], DYN, (target, otherwise) =>
    isCelList(target) && target.size > 0 ? target.get(0) : otherwise,
  ),
  method('or', [DYN], DYN, (target, otherwise) =>
    isCelList(target) && target.size > 0 ? target : otherwise,
  ),
  method('hasValue', [], BOOL, (target) => isCelList(target) && target.size > 0),
  method('value', [], DYN, (target) => {
    const value = isCelList(target) ? target.get(0) : undefined;
    if (value === undefined) throw new Error('the optional value is missing');
    return value;
  }),
];

function optionalOf(target: CelValue, key: CelValue | undefined): CelValue[] {
  if (isCelMap(target)) {
    const value = target.get(key as string);
    return value === undefined ? [] : [value];
  }
  if (!isCelList(target)) return [];
  if (typeof key === 'string')
    return [...target].slice(0, 1).flatMap((item) => optionalOf(item, key));
  const value = target.get(Number(key));
  return value === undefined ? [] : [value];
}
