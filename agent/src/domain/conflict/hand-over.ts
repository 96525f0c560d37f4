import type { KubernetesObject } from '@fairlead/shared/manifest';
import { type ManagedFieldsEntry, managedFieldsOf, ownedFields } from '../drift/index.ts';
import { deployToolOf } from './deploy-tools.ts';
import { subtract } from './field-path.ts';

export type HandOver = {
  /** The managed fields as they should be. */
  readonly managedFields: readonly ManagedFieldsEntry[];
  /** Managers that gave up fields, in the order of the object. */
  readonly managers: readonly string[];
};

/**
 * After our apply the tool that deployed the object before still owns its fields together with us, so a field that leaves
 * the commit later would stay for ever. What both own becomes ours alone. What only the tool owns is no part of the
 * commit and stays as it is: taking over changes nothing, least of all a pod template.
 */
export function handOver(object: KubernetesObject, ours: string): HandOver | undefined {
  const entries = managedFieldsOf(object);
  if (!entries.some((entry) => isTool(entry))) return undefined;
  const owned = ownedFields(object, ours) ?? {};
  const managers: string[] = [];
  const managedFields = entries.flatMap((entry) => {
    if (!isTool(entry) || !entry.fieldsV1) return [entry];
    const left = subtract(entry.fieldsV1, owned);
    if (left && JSON.stringify(left) === JSON.stringify(entry.fieldsV1)) return [entry];
    managers.push(entry.manager ?? '');
    return left ? [{ ...entry, fieldsV1: left }] : [];
  });
  return managers.length === 0 ? undefined : { managedFields, managers };
}

/** Tools that own fields together with us, so that both say what the object is: they still run. */
export const rivalTools = (object: KubernetesObject, ours: string): string =>
  (handOver(object, ours)?.managers ?? [])
    .map((manager) => `${deployToolOf(manager)?.name} ("${manager}")`)
    .join(', ');

// A subresource's fields (a scale) are set by hand or by an autoscaler, whatever the manager's name.
const isTool = ({ manager = '', subresource = '' }: ManagedFieldsEntry): boolean =>
  subresource === '' && deployToolOf(manager) !== undefined;
