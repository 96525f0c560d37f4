/** JSON that is equal for equal values, in whatever order their fields are; empty for what JSON cannot say. */
export const canonicalText = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([left], [right]) => (left < right ? -1 : 1)))
      : field,
  ) ?? '';
