import {
  canonicalText,
  type KubernetesObject,
  objectKey,
  objectKeyText,
} from '@fairlead/shared/manifest';
import { addressOf } from '../../cluster/index.ts';
import { partOfLabel, unitOfOwner } from '../../domain/plan/index.ts';
import { unitRequestsInFlightMax } from '../../limits.ts';
import type { Context } from '../context.ts';
import { UnitError } from '../failure.ts';
import { inParallel } from '../in-parallel.ts';
import type { LiveRecord } from '../live/live-objects.ts';
import { shortKey } from '../live/readiness.ts';
import type { Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';

/**
 * Refuses the whole unit, before anything is applied, when another owner has one of its objects. It costs no request an
 * object: the watches select every object with an ApplySet label, so an object that they do not know has no owner.
 * Only `if-equal` reads the live objects that the unit would take over.
 */
export async function refuseForeignObjects(
  context: Context,
  unit: Unit,
  desired: readonly KubernetesObject[],
): Promise<void> {
  const { adopt } = unit.assignment.apply;
  if (adopt === 'always') return;
  const refusals = desired.flatMap((object) => {
    const key = objectKey(object);
    const text = objectKeyText(key);
    const record = context.live.get(text);
    const claimant = context.claims.get(text);
    const owner =
      record && record.partOf !== unit.owner.applySetId
        ? ownerName(record, unit)
        : claimant !== undefined && claimant !== unit.id
          ? `unit ${claimant}`
          : '';
    return owner === '' ? [] : [{ key, owner }];
  });
  refuse(unit, refusals, 'belongs to');
  if (adopt !== 'if-equal') return;
  const unknown = desired.filter((object) => !context.live.get(objectKeyText(objectKey(object))));
  const differing = await inParallel(unknown, unitRequestsInFlightMax, (object) =>
    differs(context, unit, object),
  );
  refuse(
    unit,
    unknown.flatMap((object, index) =>
      differing[index] ? [{ key: objectKey(object), owner: 'nobody' }] : [],
    ),
    'exists with other values and belongs to',
  );
}

/** The label decides; the annotation only names, and may still be the one that the unit itself wrote. */
export const ownerName = (record: LiveRecord, unit: Unit): string => {
  const named = unitOfOwner(record.owner);
  return named && named !== unit.id ? `unit ${named}` : `ApplySet ${record.partOf}`;
};

type Refusal = { readonly key: ReturnType<typeof objectKey>; readonly owner: string };

function refuse(unit: Unit, refusals: readonly Refusal[], words: string): void {
  const [first] = refusals;
  if (!first) return;
  const more = refusals.length > 1 ? `, and ${refusals.length - 1} more objects likewise` : '';
  throw new UnitError(
    `${shortKey(first.key)} ${words} ${first.owner}, not to unit ${unit.id}${more}; nothing was applied`,
    { terminal: true, audit: 'OwnershipRefused', object: first.key },
  );
}

/** Whether applying would change a live object, apart from our stamps. */
async function differs(context: Context, unit: Unit, object: KubernetesObject): Promise<boolean> {
  const { signal } = unit.work;
  const requests = requestsOf(context, unit);
  const live = await requests.get(addressOf(object), signal);
  if (!live) return false;
  const applied = await requests.apply(object, { force: true, dryRun: true, signal });
  return comparable(live) !== comparable(applied);
}

function comparable({ metadata, status: _, ...rest }: KubernetesObject): string {
  const { labels = {}, annotations = {} } = metadata;
  const { [partOfLabel]: __, ...kept } = labels;
  return canonicalText({ ...rest, labels: kept, annotations });
}
