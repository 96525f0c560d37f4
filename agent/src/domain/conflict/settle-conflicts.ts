import type { KubernetesObject } from '@fairlead/shared/manifest';
import { managedFieldsOf, ownedFields } from '../drift/index.ts';
import type { ConflictPolicy } from '../link/index.ts';
import { deployToolOf } from './deploy-tools.ts';
import { type FieldPath, fieldText, holds, membersOf } from './field-path.ts';
import { remembers } from './remembered-fields.ts';

/** A field that another manager has set to another value, in the API server's notation. */
export type Conflict = { readonly manager: string; readonly field: string };

export type ConflictInput = {
  /** As it stands, with its managed fields. */
  readonly live: KubernetesObject;
  readonly conflicts: readonly Conflict[];
  /** `rememberFields` of our last apply; empty when there was none. */
  readonly remembered: string;
  readonly policy: ConflictPolicy;
};

export type Settlement =
  /** Apply with force, without the fields that are left to their managers. */
  | { readonly kind: 'apply'; readonly left: readonly FieldPath[] }
  | { readonly kind: 'refuse'; readonly conflicts: readonly Conflict[] }
  /** The live object no longer shows the conflict. */
  | { readonly kind: 'changed' };

/**
 * Tells drift from a first conflict. A field that was ours and was changed is drift: it is taken back. A field of a tool
 * that deployed the object before comes with the object. Any other field never was ours, and the policy decides.
 */
export function settleConflicts(input: ConflictInput): Settlement {
  const { live, conflicts, remembered, policy } = input;
  const foreign: { conflict: Conflict; path: FieldPath }[] = [];
  for (const conflict of conflicts) {
    const path = locate(live, conflict);
    if (!path) return { kind: 'changed' };
    if (remembers(remembered, path) || deployToolOf(conflict.manager)) continue;
    foreign.push({ conflict, path });
  }
  if (policy === 'fail' && foreign.length > 0) {
    return { kind: 'refuse', conflicts: foreign.map(({ conflict }) => conflict) };
  }
  return { kind: 'apply', left: policy === 'leave' ? foreign.map(({ path }) => path) : [] };
}

function locate(live: KubernetesObject, { manager, field }: Conflict): FieldPath | undefined {
  for (const entry of managedFieldsOf(live)) {
    if (entry.manager !== manager || !entry.fieldsV1) continue;
    for (const path of membersOf(entry.fieldsV1)) if (fieldText(path) === field) return path;
  }
  return undefined;
}

/**
 * Fields that we own together with a manager that is no tool for deploying: it has set the same value by chance. Under
 * the policy `leave` they are left at once, because its next value would look like drift.
 */
export function sharedFields(object: KubernetesObject, ours: string): FieldPath[] {
  const owned = ownedFields(object, ours);
  if (!owned) return [];
  return othersOf(object, ours).flatMap(({ manager, fieldsV1 }) =>
    deployToolOf(manager ?? '') || !fieldsV1
      ? []
      : [...membersOf(fieldsV1)].filter((path) => isValue(path) && holds(owned, path)),
  );
}

/** Of fields that were left, those that no other manager holds any more: they may become ours. */
export const fieldsWithoutManager = (
  object: KubernetesObject,
  left: readonly FieldPath[],
  ours: string,
): FieldPath[] => {
  const others = othersOf(object, ours);
  return left.filter((path) => !others.some(({ fieldsV1 }) => holds(fieldsV1, path)));
};

const othersOf = (object: KubernetesObject, ours: string) =>
  managedFieldsOf(object).filter(
    ({ manager, operation }) => !(manager === ours && operation === 'Apply'),
  );

/** That an item is in a list, and what names it there, is no value: two managers may well say so. */
function isValue(path: FieldPath): boolean {
  const [item = '', last = ''] = path.slice(-2);
  const namesItem = item.startsWith('k:') && item.includes(`"${last.slice(2)}":`);
  return !last.startsWith('k:') && !namesItem;
}

/** `spec.replicas of "hpa", …` for messages; the dot that leads the API server's notation goes. */
export function conflictsText(conflicts: readonly Conflict[], shownMax: number): string {
  const shown = conflicts
    .slice(0, shownMax)
    .map(({ manager, field }) => `${field.replace(/^\./, '')} is set by "${manager}"`);
  const more = conflicts.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
