import { createHash } from 'node:crypto';
import { type KubernetesObject, objectKey } from '@fairlead/shared/manifest';
import { addressOf, ClusterError, type FieldFault } from '../../cluster/index.ts';
import { replaceConsent } from '../../domain/plan/index.ts';
import { conflictsShownMax } from '../../limits.ts';
import type { Context } from '../context.ts';
import { UnitError } from '../failure.ts';
import { shortKey } from '../live/readiness.ts';
import type { InventoryEntry } from '../ports.ts';
import type { Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';
import { type Written, writeObject } from './write-object.ts';

/**
 * Applies an object, and where a field of the live one cannot be changed, deletes it and makes it again: only if the
 * object itself asks for that. `undefined`: the old one is still on its way out. A crash in between leaves an object
 * missing that the commit holds, and the next turn makes it.
 */
export async function writeOrReplace(
  context: Context,
  unit: Unit,
  object: KubernetesObject,
  entry: InventoryEntry,
): Promise<Written | undefined> {
  try {
    return await writeObject(context, unit, object, entry);
  } catch (error) {
    const faults = await immutableFaults(context, unit, object, error);
    if (faults.length === 0) throw error;
    const fields = [...new Set(faults.map(({ field }) => field))].slice(0, conflictsShownMax);
    const consent = replaceConsent(object);
    const key = objectKey(object);
    if (!consent.given) {
      throw new UnitError(
        `${shortKey(key)}: ${fields.join(', ')} of a live object cannot be changed (${faults[0]?.message}); to have ` +
          `it deleted and made again, add the annotation ${consent.missing}`,
        { terminal: true, object: key, cause: error },
      );
    }
    const live = await requestsOf(context, unit).get(addressOf(object), unit.work.signal);
    const isGone =
      live === undefined ||
      (await removeForNew(context, unit, live, () =>
        context.audit(
          unit,
          'ObjectReplaced',
          `${shortKey(key)} was deleted to be made again: ${fields.join(', ')} cannot be changed`,
          { object: key, details: { uid: live.metadata.uid, fields } },
        ),
      ));
    if (!isGone) return undefined;
    return writeObject(context, unit, object, entry);
  }
}

/** Deletes the very object that was read; returns whether its name is free. */
export async function removeForNew(
  context: Context,
  unit: Unit,
  live: KubernetesObject,
  onRemoved: () => void = () => {},
): Promise<boolean> {
  const { signal } = unit.work;
  const requests = requestsOf(context, unit);
  const address = addressOf(live);
  if (live.metadata.deletionTimestamp === undefined) {
    const uid = live.metadata.uid ?? '';
    await requests.remove(address, { uid, propagation: 'Background', signal });
    onRemoved();
  }
  const left = await requests.get(address, signal);
  return left === undefined || left.metadata.uid !== live.metadata.uid;
}

const transitionReasons = new Set(['FieldValueInvalid', 'FieldValueForbidden']);
/** The end of the API machinery's own message for a field that never changes. */
const immutableMessage = /field is immutable$/;

/**
 * The faults, if they are of the change and not of the object. The API server names the fields but has no word for
 * "cannot be changed", so it is asked whether it would take this very object under another name. Where the name is part
 * of what is validated (a definition), the machinery's message decides.
 */
async function immutableFaults(
  context: Context,
  unit: Unit,
  object: KubernetesObject,
  error: unknown,
): Promise<readonly FieldFault[]> {
  if (!(error instanceof ClusterError) || error.code !== 'invalid' || error.status !== 422)
    return [];
  const { faults } = error;
  const mayBe = faults.length > 0 && faults.every(({ reason }) => transitionReasons.has(reason));
  if (!mayBe) return [];
  if (faults.every(({ message }) => immutableMessage.test(message))) return faults;
  const { metadata } = object;
  const digest = createHash('sha256').update(metadata.name).digest('hex').slice(0, 8);
  const probe = { ...object, metadata: { ...metadata, name: `fairlead-probe-${digest}` } };
  try {
    const { signal } = unit.work;
    await requestsOf(context, unit).apply(probe, { force: false, dryRun: true, signal });
    return faults;
  } catch (refusal) {
    if (refusal instanceof ClusterError && refusal.code !== 'unavailable') return [];
    throw refusal;
  }
}
