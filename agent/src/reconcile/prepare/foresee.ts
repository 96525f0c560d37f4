import {
  groupOf,
  type KubernetesObject,
  objectKey,
  objectKeyText,
} from '@fairlead/shared/manifest';
import { addressOf, ClusterError } from '../../cluster/index.ts';
import { conflictsText, settleConflicts, withoutFields } from '../../domain/conflict/index.ts';
import { changeDiff } from '../../domain/drift/index.ts';
import type { PlanAction, PlannedObject } from '../../domain/link/index.ts';
import { isReconcileDisabled, replaceConsent } from '../../domain/plan/index.ts';
import { conflictsShownMax } from '../../limits.ts';
import { runningHook } from '../apply/hooks.ts';
import type { Context } from '../context.ts';
import { diffOptions } from '../drift/drift-findings.ts';
import { makeRoom } from '../drift/ignored.ts';
import type { InventoryEntry } from '../ports.ts';
import type { Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';

export const plannedObject = (
  object: PlannedObject['object'],
  action: PlanAction,
  message = '',
): PlannedObject => ({ object, action, differences: [], differencesTotal: 0, message });

/** All objects of the commit, and what the journal remembers of those that were applied, by key text. */
export type Surroundings = {
  readonly all: readonly KubernetesObject[];
  readonly entries: ReadonlyMap<string, InventoryEntry>;
};

/** What an apply would do to one object, asked by dry run; `undefined`: it would stay as it is. */
export async function foreseeObject(
  context: Context,
  unit: Unit,
  object: KubernetesObject,
  { all, entries }: Surroundings,
): Promise<PlannedObject | undefined> {
  const { cluster } = context;
  const { signal } = unit.work;
  const key = objectKey(object);
  if (signal.aborted) return undefined;
  if (!(await cluster.resourceOf(object.apiVersion, object.kind, signal))) {
    return plannedObject(key, 'create', 'its kind is defined by the same commit');
  }
  if (runningHook(object)) return plannedObject(key, 'create', 'a hook that would run');
  const live = await requestsOf(context, unit).get(addressOf(object), signal);
  if (live && isReconcileDisabled(live.metadata)) return undefined;
  try {
    const room = await makeRoom(context, unit, object, live);
    const entry = entries.get(objectKeyText(key));
    const wouldBe = await dryApply(context, unit, room.object, { live, entry });
    if (!live) return plannedObject(key, 'create');
    const { differences, differencesTotal } = changeDiff(live, wouldBe, diffOptions);
    if (differencesTotal === 0) return undefined;
    return { object: key, action: 'configure', differences, differencesTotal, message: '' };
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code === 'unavailable') throw error;
    if (!live && error.code === 'not_found' && isNamespaceToCome(unit, object, all)) {
      return plannedObject(key, 'create', 'its namespace comes with the same commit');
    }
    if (live && error.code === 'invalid' && replaceConsent(object).given) {
      return plannedObject(
        key,
        'configure',
        `it would be deleted and made again: ${error.message}`,
      );
    }
    return plannedObject(key, 'refuse', error.message);
  }
}

/** As an apply settles conflicts with other managers: by the unit's policy. */
async function dryApply(
  context: Context,
  unit: Unit,
  object: KubernetesObject,
  { live, entry }: { live: KubernetesObject | undefined; entry: InventoryEntry | undefined },
): Promise<KubernetesObject> {
  const { assignment, work } = unit;
  const requests = requestsOf(context, unit);
  const { signal } = work;
  const policy = assignment.apply.conflicts;
  const body = withoutFields(object, policy === 'leave' ? (entry?.left ?? []) : []);
  try {
    return await requests.apply(body, { force: policy === 'take', dryRun: true, signal });
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'conflict' || !live) throw error;
    const { conflicts } = error;
    const remembered = entry?.fields ?? '';
    const settled = settleConflicts({ live, conflicts, remembered, policy });
    if (settled.kind === 'changed') throw error;
    if (settled.kind === 'refuse') {
      throw new ClusterError('conflict', conflictsText(settled.conflicts, conflictsShownMax));
    }
    const rest = withoutFields(body, settled.left);
    return requests.apply(rest, { force: true, dryRun: true, signal });
  }
}

/** A dry run makes no namespace, so what goes into a new one cannot be asked for. */
function isNamespaceToCome(
  { assignment }: Unit,
  { metadata }: KubernetesObject,
  all: readonly KubernetesObject[],
): boolean {
  const { createNamespace, namespace } = assignment.apply;
  if (createNamespace && metadata.namespace === (namespace || 'default')) return true;
  return all.some(
    (object) =>
      object.kind === 'Namespace' &&
      groupOf(object.apiVersion) === '' &&
      object.metadata.name === metadata.namespace,
  );
}
