import { groupOf, type KubernetesObject, objectKeyText } from '@fairlead/shared/manifest';
import { addressOfKey } from '../../cluster/index.ts';
import { type HealthRule, hasOwnRule } from '../../domain/health/index.ts';
import type { HealthCheck } from '../../domain/link/index.ts';
import { unitRequestsInFlightMax } from '../../limits.ts';
import type { Context } from '../context.ts';
import { UnitError } from '../failure.ts';
import { inParallel } from '../in-parallel.ts';
import type { Unit } from '../unit.ts';
import type { LiveRecord } from './live-objects.ts';

/**
 * The rules for custom kinds. Expressions and the library that evaluates them take memory that an agent without custom
 * kinds does not need, so they are loaded with the first kind that asks.
 */
export type HealthRules = {
  /** Resolves once an object of the kind can be judged. */
  readonly ready: (apiVersion: string, kind: string) => Promise<void>;
  readonly judge: HealthRule;
  /** Compiles a unit's own entries; a faulty one fails the unit with its place. */
  readonly compile: (checks: readonly HealthCheck[]) => Promise<HealthRule | undefined>;
};

const load = () => import('../../domain/health-expressions/index.ts');

export function createHealthRules(): HealthRules {
  let judge: HealthRule | undefined;
  return {
    ready: async (apiVersion, kind) => {
      if (judge || hasOwnRule(apiVersion, kind)) return;
      const { createRuleLookup, healthTable } = await load();
      judge ??= createRuleLookup(healthTable);
    },
    judge: (object) => judge?.(object),
    compile: async (checks) => {
      if (checks.length === 0) return undefined;
      const entries = (await load()).createEntries(checks);
      if (entries.ok) return entries.value;
      const faults = entries.error.map(
        ({ index, field, message }) => `apply.healthChecks[${index}].${field} ${message}`,
      );
      throw new UnitError(`${faults.join('; ')}: mend the pipeline's stage`, {
        terminal: true,
        audit: 'RenderFailed',
      });
    },
  };
}

/**
 * Takes up the assignment's entries before anything of it is judged. Objects that stay as they are send no event, so those
 * of the kinds concerned are read once and judged anew.
 */
export async function takeUpHealthChecks(context: Context, unit: Unit): Promise<void> {
  const { healthChecks } = unit.assignment.apply;
  const before = unit.healthChecks;
  if (JSON.stringify(before) === JSON.stringify(healthChecks)) return;
  const compiled = await context.healthRules.compile(healthChecks);
  unit.work.signal.throwIfAborted();
  unit.healthRule = compiled;
  unit.healthChecks = healthChecks;
  const concerned = [...before, ...healthChecks];
  const records = context.live
    .ofApplySet(unit.owner.applySetId)
    .filter((record) => concerned.some((check) => concerns(check, record)));
  await inParallel(records, unitRequestsInFlightMax, async ({ key, apiVersion }) => {
    // Like a watch, it is the agent's own look.
    const address = addressOfKey(key, apiVersion);
    const object = await context.ownCluster.get(address, unit.work.signal);
    if (object && context.live.get(objectKeyText(key))) context.live.judgeAgain(object);
  });
}

const concerns = (check: HealthCheck, { key, apiVersion }: LiveRecord): boolean =>
  check.kind === key.kind &&
  (check.apiVersion === apiVersion || check.apiVersion === groupOf(apiVersion));

/** How an object is judged: by its unit's own entries first, then by the rules of all. */
export const ownRuleOf =
  (unitOf: (object: KubernetesObject) => Unit | undefined): HealthRule =>
  (object) =>
    unitOf(object)?.healthRule?.(object);
