import type { z } from 'zod';

export type ConfigFault = { readonly variable: string; readonly message: string };

export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly faults: readonly ConfigFault[];
  constructor(faults: readonly ConfigFault[]) {
    super(
      `The configuration has ${faults.length} fault(s):\n` +
        faults.map((fault) => `  ${fault.variable}: ${fault.message}`).join('\n'),
    );
    this.faults = faults;
  }
}

/** Checks raw variables against a schema; throws a `ConfigError` that names every faulty variable at once. */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  raw: Record<string, string | undefined>,
): Readonly<z.infer<Schema>> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return Object.freeze(parsed.data) as Readonly<z.infer<Schema>>;
  throw new ConfigError(
    parsed.error.issues.map((issue) => ({
      variable: issue.path.join('.') || '(all)',
      message: issue.message,
    })),
  );
}
