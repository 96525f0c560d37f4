import { err, ok, type Result } from '@fairlead/shared/result';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';

/** ConfigMap in the agent's namespace with the cluster's policy, and the entry that holds it. */
export const policyName = 'fairlead-policy';
export const policyEntry = 'policy.yaml';
/** ConfigMap or Secret in the agent's namespace with the keys that a cluster trusts when its policy names none. */
export const trustedKeysName = 'fairlead-trusted-keys';

const name = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'must be a name of a-z, 0-9, "-" and "."');
const names = z.array(name).min(1, 'must name at least one');
const permission = z.enum(['allowed', 'refused'], { error: 'must be allowed or refused' });

const folder = z
  .string()
  .refine(
    (path) => path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
    'must be a folder of the repository, without "/" at either end',
  );

const unitRule = z.strictObject({
  pipelines: z.array(z.union([z.literal('*'), name])).min(1, 'must name at least one'),
  paths: z.array(folder).min(1, 'must name at least one').optional(),
  namespaces: names.optional(),
  clusterScoped: z.boolean().default(false),
  serviceAccounts: names.optional(),
  keys: names.optional(),
});

const schema = z.strictObject({
  signatures: z
    .strictObject({
      mode: z.enum(['none', 'warn', 'required'], { error: 'must be none, warn or required' }),
      keys: names.default([trustedKeysName]),
    })
    .optional(),
  serviceAccounts: z
    .enum(['optional', 'required'], { error: 'must be optional or required' })
    .default('optional'),
  inlineValues: permission.default('allowed'),
  takeOver: permission.default('allowed'),
  deletion: permission.default('allowed'),
  units: z.array(unitRule).optional(),
});

/**
 * What this cluster lets its agent do, whatever a hub asks for. It lives in the cluster and only ever takes away.
 * - `signatures`: the least that is asked of commits, and whose signatures count.
 * - `serviceAccounts: required`: no unit works with the agent's own rights.
 * - `inlineValues: refused`: nothing is rendered from values that are not in the commit.
 * - `takeOver: refused`: neither objects nor fields are taken from another owner.
 * - `deletion: refused`: no order to delete a unit counts, and no prune above the default budget.
 * - `units`: when given, what matches none of them is refused.
 */
export type ClusterPolicy = z.infer<typeof schema>;
export type UnitRule = z.infer<typeof unitRule>;

/** Of a cluster that has none: everything as the hub assigns it. */
export const openPolicy: ClusterPolicy = schema.parse({});

/** Every fault at once, each with its place. */
export function parseClusterPolicy(text: string): Result<ClusterPolicy, string[]> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    if (error instanceof YAMLParseError) return err([`is no YAML: ${error.message}`]);
    throw error;
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  return err(
    parsed.error.issues.map(({ path, message }) => {
      const place = path.reduce<string>(
        (at, key) =>
          typeof key === 'number' ? `${at}[${key}]` : `${at}${at && '.'}${String(key)}`,
        '',
      );
      return place === '' ? message : `${place} ${message}`;
    }),
  );
}
