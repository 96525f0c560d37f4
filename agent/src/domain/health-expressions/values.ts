type CelInputValue =
  | null
  | boolean
  | string
  | bigint
  | number
  | CelInputValue[]
  | Map<string, CelInputValue>;

/** An object as the values of the expression language, with the length of its longest list or mapping. */
export type CelObject = { readonly value: Map<string, CelInputValue>; readonly longest: number };

// Nobody judges health by these, and they may be most of an object.
const passedOver = new Set(['managedFields']);

/**
 * Whole numbers become `int`, as Kubernetes' own use of the language has them, so that `status.replicas + 1` is valid.
 * `undefined` when the object nests deeper or holds more than what an API server stores.
 */
export function toCelObject(
  source: Readonly<Record<string, unknown>>,
  limits: { readonly valuesMax: number; readonly depthMax: number },
): CelObject | undefined {
  let left = limits.valuesMax;
  let longest = 0;
  const convert = (value: unknown, depth: number): CelInputValue => {
    if (--left < 0 || depth > limits.depthMax) throw new RangeError('too large');
    if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
    if (typeof value === 'string' || typeof value === 'boolean') return value;
    if (Array.isArray(value)) {
      longest = Math.max(longest, value.length);
      return value.map((item) => convert(item, depth + 1));
    }
    return typeof value === 'object' && value !== null ? mapping(value, depth) : null;
  };
  const mapping = (value: object, depth: number): Map<string, CelInputValue> => {
    const result = new Map<string, CelInputValue>();
    for (const [key, item] of Object.entries(value)) {
      if (item !== undefined && !passedOver.has(key)) result.set(key, convert(item, depth + 1));
    }
    longest = Math.max(longest, result.size);
    return result;
  };
  try {
    return { value: mapping(source, 0), longest };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
