import { type KubernetesObject, objectKey } from '@fairlead/shared/manifest';
import { addressOf, ClusterError, fieldManager } from '../../cluster/index.ts';
import {
  conflictsText,
  type FieldPath,
  fieldsWithoutManager,
  handOver,
  rememberFields,
  settleConflicts,
  sharedFields,
  withoutFields,
} from '../../domain/conflict/index.ts';
import { ownedFields } from '../../domain/drift/index.ts';
import { conflictsShownMax, writeRoundsMax } from '../../limits.ts';
import type { Context } from '../context.ts';
import { UnitError } from '../failure.ts';
import { shortKey } from '../live/readiness.ts';
import type { InventoryEntry } from '../ports.ts';
import type { Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';

export type Written = {
  readonly applied: KubernetesObject;
  readonly memory: Pick<InventoryEntry, 'fields' | 'left'>;
  /** The tools' managers whose fields became ours. */
  readonly takenFrom: readonly string[];
};

/**
 * Applies an object of the commit. Where nobody else has a say in it that is one request. Otherwise the policy settles
 * each field, and the forced request names the version it was decided on, so that force takes nothing unseen.
 */
export async function writeObject(
  context: Context,
  unit: Unit,
  object: KubernetesObject,
  entry: InventoryEntry,
): Promise<Written> {
  const policy = unit.assignment.apply.conflicts;
  const remembered = entry.fields ?? '';
  let left = policy === 'leave' ? (entry.left ?? []) : [];
  for (let round = 1; round <= writeRoundsMax; round++) {
    const answer = await applyOrSettle(context, unit, object, { remembered, left });
    const next =
      answer.applied && policy === 'leave' ? leftAfter(answer.applied, answer.left) : answer.left;
    const isDone = next === answer.left;
    left = next;
    if (!answer.applied || !isDone) continue;
    const { handed, takenFrom } = await takeOver(context, unit, answer.applied);
    return { applied: handed, memory: memoryOf(handed, left), takenFrom };
  }
  const key = objectKey(object);
  throw new UnitError(
    `${shortKey(key)} was changed by others ${writeRoundsMax} times while it was applied`,
    { terminal: false, object: key },
  );
}

export const memoryOf = (
  object: KubernetesObject,
  left: readonly FieldPath[],
): Written['memory'] => ({
  fields: rememberFields(ownedFields(object, fieldManager)),
  ...(left.length > 0 ? { left } : {}),
});

type Round = { readonly remembered: string; readonly left: readonly FieldPath[] };
type Answer = {
  /** `undefined` when the object changed under our hands and must be looked at again. */
  readonly applied: KubernetesObject | undefined;
  readonly left: readonly FieldPath[];
};

async function applyOrSettle(
  context: Context,
  unit: Unit,
  object: KubernetesObject,
  { remembered, left }: Round,
): Promise<Answer> {
  const { signal } = unit.work;
  const requests = requestsOf(context, unit);
  const policy = unit.assignment.apply.conflicts;
  try {
    const body = withoutFields(object, left);
    return { applied: await requests.apply(body, { force: policy === 'take', signal }), left };
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'conflict') throw error;
    const live = await requests.get(addressOf(object), signal);
    if (!live) return { applied: undefined, left };
    const settled = settleConflicts({ live, conflicts: error.conflicts, remembered, policy });
    if (settled.kind === 'refuse') throw refusal(unit, object, settled.conflicts, error);
    if (settled.kind === 'changed') return { applied: undefined, left };
    const all = [...left, ...settled.left];
    const body = withoutFields(object, all);
    const { resourceVersion } = live.metadata;
    const decided = { ...body, metadata: { ...body.metadata, resourceVersion } };
    const applied = await unlessChanged(requests.apply(decided, { force: true, signal }));
    return { applied, left: all };
  }
}

function refusal(
  unit: Unit,
  object: KubernetesObject,
  conflicts: ClusterError['conflicts'],
  cause: unknown,
): UnitError {
  const key = objectKey(object);
  return new UnitError(
    `${shortKey(key)}: ${conflictsText(conflicts, conflictsShownMax)}, and the commit of unit ${unit.id} sets another ` +
      'value; remove the field from the commit, or set apply.conflicts to "take" or "leave"',
    { terminal: true, audit: 'FieldConflictRefused', object: key, cause },
  );
}

/** The fields to leave from now on; the same list when nothing is to be said anew. */
function leftAfter(applied: KubernetesObject, left: readonly FieldPath[]): readonly FieldPath[] {
  const shared = sharedFields(applied, fieldManager);
  const free = fieldsWithoutManager(applied, left, fieldManager);
  if (shared.length === 0 && free.length === 0) return left;
  return [...left.filter((path) => !free.includes(path)), ...shared];
}

/** Makes the fields of the tool that deployed the object before ours alone. */
async function takeOver(context: Context, unit: Unit, applied: KubernetesObject) {
  const { signal } = unit.work;
  const requests = requestsOf(context, unit);
  let current = applied;
  for (let round = 1; round <= writeRoundsMax; round++) {
    const over = handOver(current, fieldManager);
    if (!over) break;
    const handed = await unlessChanged(
      requests.setManagedFields(current, over.managedFields, signal),
    );
    if (handed) return { handed, takenFrom: over.managers };
    const live = await requests.get(addressOf(current), signal);
    if (!live) break;
    current = live;
  }
  return { handed: current, takenFrom: [] };
}

/** `undefined` when somebody has written the object since it was read. */
async function unlessChanged(
  answer: Promise<KubernetesObject>,
): Promise<KubernetesObject | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'precondition_failed') return undefined;
    throw error;
  }
}
