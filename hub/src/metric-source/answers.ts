/** One measurement: a finite number, or why there is none. */
export type MetricReading = { readonly value?: number; readonly message: string };

const without = (message: string): MetricReading => ({ message });
const reading = (value: number): MetricReading =>
  Number.isFinite(value) ? { value, message: '' } : without(`the value is ${value}`);

/**
 * The answer of an instant query, as Prometheus' HTTP API documents it: a scalar, or a vector of exactly one series. Which
 * of several series were meant is not guessed.
 */
export function numberOfPrometheus(answer: unknown): MetricReading {
  const { status, error, data } = asRecord(answer);
  if (status !== 'success')
    return without(`the query failed: ${String(error ?? 'no reason given')}`);
  const { resultType, result } = asRecord(data);
  if (!Array.isArray(result)) return without('the query has no result');
  if (resultType === 'scalar') return reading(numberOf(result[1]));
  if (resultType !== 'vector') {
    return without(`the query gives a ${String(resultType)}: let it give one number`);
  }
  if (result.length === 0) return without('no data');
  if (result.length > 1) {
    return without(
      `the query gives ${result.length} series: let it give one number, as sum(…) does`,
    );
  }
  const { value } = asRecord(result[0]);
  return reading(numberOf(Array.isArray(value) ? value[1] : undefined));
}

/** The number at a JSON pointer (RFC 6901). */
export function numberAt(answer: unknown, pointer: string): MetricReading {
  let at = answer;
  for (const part of pointer === '' ? [] : pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const isArray = Array.isArray(at) && /^(0|[1-9]\d*)$/.test(key);
    const isObject = typeof at === 'object' && at !== null && !Array.isArray(at);
    const next: unknown =
      isArray || (isObject && Object.hasOwn(at as object, key))
        ? (at as Record<string, unknown>)[key]
        : undefined;
    if (next === undefined) return without(`the answer has nothing at ${pointer}`);
    at = next;
  }
  return typeof at === 'number' ? reading(at) : without(`what is at ${pointer} is no number`);
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** Prometheus writes numbers as text, `NaN` and `+Inf` among them. */
const numberOf = (value: unknown): number =>
  typeof value === 'string' && value.trim() !== ''
    ? Number(value.replace(/Inf$/, 'Infinity'))
    : Number.NaN;
