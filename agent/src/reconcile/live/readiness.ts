import { type ObjectKey, objectKeyText } from '@fairlead/shared/manifest';
import { phaseOf } from '../../domain/plan/index.ts';
import type { InventoryEntry } from '../ports.ts';
import type { LiveObjects, LiveRecord } from './live-objects.ts';

/**
 * Whether what comes next may build on it. A suspended Job does what it was told; a paused Deployment does not serve yet,
 * so it is not ready, and what it replaces is not pruned.
 */
export const isReady = (record: LiveRecord | undefined): boolean =>
  record?.health === 'Healthy' || (record?.health === 'Suspended' && record.key.group === 'batch');

// A claim may wait for its first pod, and that pod may come in the very wave that would wait for the claim.
const holdsNoWave = new Set(['/PersistentVolumeClaim']);

/** Those that hold back the next step, of all entries that were applied before it; a hook that has ended does not. */
export function unready(
  live: LiveObjects,
  entries: Iterable<InventoryEntry>,
  until: 'applied' | 'defined' | 'healthy',
): ObjectKey[] {
  if (until === 'applied') return [];
  const held: ObjectKey[] = [];
  for (const { key, ended } of entries) {
    if (ended?.outcome === 'succeeded' || isReady(live.get(objectKeyText(key)))) continue;
    if (holdsNoWave.has(`${key.group}/${key.kind}`)) continue;
    const isDefinition = phaseOf({ ...key, apiVersion: apiVersionOf(key) }) === 'definitions';
    if (until === 'healthy' || isDefinition) held.push(key);
  }
  return held;
}

const apiVersionOf = ({ group }: ObjectKey): string => (group === '' ? 'v1' : `${group}/v1`);

/** `3 objects: apps/Deployment/shop/web (waits …), …`, for messages. */
export function describeKeys(live: LiveObjects, keys: readonly ObjectKey[], keysMax = 3): string {
  const named = keys.slice(0, keysMax).map((key) => {
    const message = live.get(objectKeyText(key))?.message;
    return `${shortKey(key)}${message ? ` (${message})` : ''}`;
  });
  const more = keys.length > keysMax ? ` and ${keys.length - keysMax} more` : '';
  return named.join(', ') + more;
}

/** `Deployment shop/web`. */
export const shortKey = ({ kind, namespace, name }: ObjectKey): string =>
  `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
