import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import { healthEntriesMax } from './bounds.ts';
import { compileRule, type Rule } from './rule.ts';
import type { RuleLookup } from './rule-table.ts';

/** An entry of a person, in the shape of Flux's `healthCheckExprs`; an empty expression is not asked. */
export type HealthEntry = {
  /** A whole `apiVersion`, or a group alone for every version of it. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly current: string;
  readonly inProgress?: string;
  readonly failed?: string;
};

/** Where an entry is wrong: its place in the list from 0, the field, and what is wrong with it. */
export type HealthEntryFault = {
  readonly index: number;
  readonly field: string;
  readonly message: string;
};

/** Compiles a unit's entries; all faults at once. */
export function createEntries(
  entries: readonly HealthEntry[],
): Result<RuleLookup, readonly HealthEntryFault[]> {
  if (entries.length > healthEntriesMax) {
    const message = `has ${entries.length} entries; at most ${healthEntriesMax} are allowed`;
    return err([{ index: healthEntriesMax, field: '', message }]);
  }
  const faults: HealthEntryFault[] = [];
  const rules = new Map<string, Rule>();
  entries.forEach((entry, index) => {
    const { apiVersion, kind, current, inProgress, failed } = entry;
    const fault = (field: string, message: string) => faults.push({ index, field, message });
    if (current.trim() === '') fault('current', 'is empty: say when the object is healthy');
    const rule = compileRule({ current, inProgress, failed });
    if (!rule.ok) for (const { field, message } of rule.error) fault(field, message);
    const name = `${apiVersion}/${kind}`;
    if (rules.has(name)) fault('kind', `${apiVersion} ${kind} has an entry already`);
    if (rule.ok) rules.set(name, rule.value);
  });
  if (faults.length > 0) return err(faults);
  return ok((object: KubernetesObject) => {
    const { apiVersion, kind } = object;
    const rule = rules.get(`${apiVersion}/${kind}`) ?? rules.get(`${groupOf(apiVersion)}/${kind}`);
    return rule?.(object);
  });
}
