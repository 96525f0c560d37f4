import type { KubernetesObject, ObjectKey } from '@fairlead/shared/manifest';
import { addressOf, fieldManager } from '../../cluster/index.ts';
import { type Drift, type DriftOptions, fieldDiff } from '../../domain/drift/index.ts';
import type { DriftReport } from '../../domain/link/index.ts';
import { partOfLabel } from '../../domain/plan/index.ts';
import {
  driftDetailsBytesMax,
  driftDifferencesMax,
  driftValueCharactersMax,
} from '../../limits.ts';
import type { Context } from '../context.ts';
import { shortKey } from '../live/readiness.ts';
import type { InventoryEntry } from '../ports.ts';
import type { Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';
import { makeRoom } from './ignored.ts';

/** An object that is not as we left it: the state it was found in, where the watches told it, and how it should be. */
export type Found = {
  readonly text: string;
  readonly entry: InventoryEntry;
  readonly found: KubernetesObject | undefined;
  readonly bodyOf: (text: string) => Promise<KubernetesObject>;
};

/** What has happened to an object, in fields. */
export type Finding = Drift & {
  readonly change: DriftReport['change'];
  /** How many places and managers rules leave as they are. */
  readonly ignored: number;
};

export const diffOptions: DriftOptions = {
  manager: fieldManager,
  differencesMax: driftDifferencesMax,
  valueCharactersMax: driftValueCharactersMax,
};

const nothing: Drift = { differences: [], differencesTotal: 0, managers: [] };

/** Asks for the live object and for what an apply would make of it; changes nothing. */
export async function examine(context: Context, unit: Unit, drift: Found): Promise<Finding> {
  const { live } = context;
  const standing = unit.target ?? unit.previous;
  const requests = requestsOf(context, unit, standing?.assignment);
  const { signal } = unit.work;
  const { text, entry, found } = drift;
  const desired = await drift.bodyOf(text);
  const isKnown = live.get(text) !== undefined;
  const current = isKnown && found ? found : await requests.get(addressOf(desired), signal);
  if (current?.metadata.uid !== entry.uid) return { ...nothing, change: 'deleted', ignored: 0 };
  const room = await makeRoom(context, unit, desired, current);
  const wouldBe = await requests.apply(room.object, { force: true, dryRun: true, signal });
  return {
    ...fieldDiff(current, wouldBe, diffOptions),
    change: isKnown ? 'changed' : 'released',
    ignored: room.ignored.length,
  };
}

/** What a repair has restored: no request is spent on it, because the repair itself must not wait. */
export function examineRepaired(
  unit: Unit,
  { entry, found }: Found,
  { applied, wasKnown }: { readonly applied: KubernetesObject; readonly wasKnown: boolean },
): Finding {
  if (applied.metadata.uid !== entry.uid) return { ...nothing, change: 'deleted', ignored: 0 };
  const diff = found ? fieldDiff(found, applied, diffOptions) : nothing;
  if (wasKnown) return { ...diff, change: 'changed', ignored: 0 };
  // A watch by label tells of the last state that had the label.
  const path = `metadata.labels["${partOfLabel}"]`;
  const isTold = diff.differences.some((difference) => difference.path === path);
  const label = { path, live: undefined, desired: unit.owner.applySetId };
  return {
    differences: isTold ? diff.differences : [label, ...diff.differences],
    differencesTotal: diff.differencesTotal + (isTold ? 0 : 1),
    managers: diff.managers,
    change: 'released',
    ignored: 0,
  };
}

export const driftReport = (
  object: ObjectKey,
  state: DriftReport['state'],
  { change, managers, differences, differencesTotal }: Finding,
): DriftReport => ({ object, state, change, managers, differences, differencesTotal });

/** `Deployment shop/web was changed by kubectl-edit: spec.replicas`. */
export function changeText(key: ObjectKey, finding: Finding): string {
  const { change, managers, differences, differencesTotal } = finding;
  if (change === 'deleted') return `${shortKey(key)} was deleted`;
  if (change === 'released') return `${shortKey(key)} lost its ApplySet label`;
  const by = managers.length > 0 ? ` by ${managers.join(', ')}` : '';
  const paths = differences.slice(0, 3).map(({ path }) => path);
  const more = differencesTotal > 3 ? ' and more' : '';
  return `${shortKey(key)} was changed${by}${paths.length > 0 ? `: ${paths.join(', ')}${more}` : ''}`;
}

/** For the audit, whose details are bounded: the first fields that fit, and how many there are. */
export function detailsOf(finding: Finding): Record<string, unknown> {
  let bytes = 0;
  const fitting = finding.differences.filter((difference) => {
    bytes += Buffer.byteLength(JSON.stringify(difference));
    return bytes <= driftDetailsBytesMax;
  });
  return {
    change: finding.change,
    deleted: finding.change === 'deleted',
    managers: finding.managers.slice(0, driftDifferencesMax),
    differences: fitting,
    differencesTotal: finding.differencesTotal,
  };
}
