import { createHash } from 'node:crypto';
import { type ObjectKey, objectKeyText } from '@fairlead/shared/manifest';
import { addressOfKey, ClusterError } from '../../cluster/index.ts';
import { type DeletionBudget, deletionBudgetDefault } from '../../domain/link/index.ts';
import {
  type PruneDecision,
  type PrunePolicy,
  planPrune,
  planRemoval,
  type Removal,
} from '../../domain/plan/index.ts';
import {
  auditObjectsMax,
  pruneHeldNamedMax,
  pruneStepMsMax,
  unitRequestsInFlightMax,
} from '../../limits.ts';
import type { Context } from '../context.ts';
import { asUnitError, UnitError } from '../failure.ts';
import { inParallel } from '../in-parallel.ts';
import type { LiveRecord } from '../live/live-objects.ts';
import { shortKey } from '../live/readiness.ts';
import type { Target, Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';
import { inUseBy } from './in-use.ts';

export const prunePolicy = ({ assignment, permit }: Unit): PrunePolicy => {
  const { deletionBudget, prune } = assignment.apply;
  const isLimited = permit?.deletion === 'refused';
  return { prune, deletionBudget: isLimited ? smallerBudget(deletionBudget) : deletionBudget };
};

/** Of a cluster that refuses larger deletions, whoever asks for them. */
const smallerBudget = ({ objectsMax, percentMax }: DeletionBudget): DeletionBudget => ({
  objectsMax: Math.min(objectsMax, deletionBudgetDefault.objectsMax),
  percentMax: Math.min(percentMax, deletionBudgetDefault.percentMax),
});

/** Decides, once all is healthy, what goes; returns whether a person must confirm it first. */
export function beginPrune(context: Context, unit: Unit, target: Target): boolean {
  const { prune, kept } = decide(context, unit, target);
  for (const { key, reason } of kept) unit.keptReasons.set(objectKeyText(key), reason);
  if (prune.held !== '' && !isConfirmed(unit, prune.steps.flat())) {
    hold(context, unit, prune);
    return true;
  }
  unit.pruneHeld = undefined;
  target.pruneSteps = prune.steps;
  target.pruneIndex = 0;
  target.pruneStepAtMs = 0;
  return false;
}

/** While a prune is held, its objects may change: the report names what is held now. It never goes on by itself. */
export function refreshHeld(context: Context, unit: Unit, target: Target): void {
  if (unit.pruneHeld?.liveTotal === context.live.sizeOfApplySet(unit.owner.applySetId)) return;
  const { prune } = decide(context, unit, target);
  hold(context, unit, prune);
}

function decide(context: Context, unit: Unit, target: Target): PruneDecision {
  const input = {
    owner: unit.owner,
    live: context.live.ofApplySet(unit.owner.applySetId).filter((record) => !record.isLeaving),
    policy: prunePolicy(unit),
  };
  return unit.assignment.disposition === 'delete'
    ? planRemoval(input)
    : planPrune({ ...input, wanted: new Set(target.entries.keys()) });
}

function hold(context: Context, unit: Unit, prune: PruneDecision['prune']): void {
  const removals = prune.steps.flat();
  const first = removals.slice(0, pruneHeldNamedMax).map(({ key }) => key);
  const reason = prune.held || `${prune.objectsTotal} objects are left of the prune that is held`;
  unit.pruneHeld = {
    objectsTotal: prune.objectsTotal,
    first,
    digest: digestOf(removals),
    reason,
    liveTotal: context.live.sizeOfApplySet(unit.owner.applySetId),
  };
  showHeld(context, unit);
  context.audit(unit, 'PruneHeld', reason, {
    details: {
      objects: prune.objectsTotal,
      first: first.map(objectKeyText),
      digest: unit.pruneHeld.digest,
    },
  });
}

export function showHeld(context: Context, unit: Unit): void {
  const isOrder = unit.assignment.disposition === 'delete';
  const remedy = isOrder ? 'the order must be given again' : 'a person must confirm it';
  context.setPhase(unit, 'prune-held', `${unit.pruneHeld?.reason}; ${remedy}`);
}

/**
 * A confirmation is for exactly the objects that a person was shown, by their uids: a set that has grown, shrunk or
 * changed since is held again.
 */
function isConfirmed({ assignment, permit }: Unit, removals: readonly Removal[]): boolean {
  if (permit?.deletion === 'refused') return false;
  const { confirmedPruneGeneration, confirmedPruneDigest } = assignment.apply;
  return confirmedPruneGeneration > 0 && confirmedPruneDigest === digestOf(removals);
}

const digestOf = (removals: readonly Removal[]): string => {
  const texts = removals.map(({ key, uid }) => `${objectKeyText(key)} ${uid}`).sort();
  return createHash('sha256').update(texts.join('\n')).digest('base64url').slice(0, 27);
};

/** Removes step by step; returns whether all is gone, or as gone as its finalizers allow in the limit. */
export async function pruneObjects(context: Context, unit: Unit, target: Target): Promise<boolean> {
  const { clock } = context;
  for (; target.pruneIndex < target.pruneSteps.length; target.pruneIndex++) {
    const step = target.pruneSteps[target.pruneIndex] ?? [];
    if (target.pruneStepAtMs === 0) {
      context.setPhase(unit, 'pruning');
      await removeStep(context, unit, step);
      target.pruneStepAtMs = clock.now();
    }
    const left = step.flatMap((removal) => stillThere(context, unit, removal) ?? []);
    const until = target.pruneStepAtMs + pruneStepMsMax;
    if (left.length > 0 && clock.now() < until) {
      context.setPhase(unit, 'pruning', `waits for the end of ${listed(left.map(leavingText))}`);
      context.wakeAt(unit, until);
      return false;
    }
    for (const record of left.slice(0, auditObjectsMax)) auditLeaving(context, unit, record);
    target.pruneStepAtMs = 0;
  }
  target.pruneSteps = [];
  return true;
}

function stillThere({ live }: Context, unit: Unit, { key, uid }: Removal): LiveRecord | undefined {
  const text = objectKeyText(key);
  const record = live.get(text);
  return record?.uid === uid && !unit.keptReasons.has(text) ? record : undefined;
}

/** It is out of our hands: the prune goes on without it, and what holds it is on record. */
function auditLeaving(context: Context, unit: Unit, record: LiveRecord): void {
  const { key, uid, finalizers } = record;
  context.audit(unit, 'ObjectLeaving', `${leavingText(record)} is not gone after the limit`, {
    object: key,
    details: { uid, finalizers, limitMs: pruneStepMsMax },
  });
}

const leavingText = ({ key, finalizers }: LiveRecord): string =>
  finalizers.length === 0
    ? shortKey(key)
    : `${shortKey(key)} (finalizers: ${finalizers.join(', ')})`;

/** Objects that carry the unit's label and are not rendered any more, each with why it is still there; empty without any. */
export function leftText(context: Context, unit: Unit, target: Target): string {
  const { applySetId } = unit.owner;
  if (context.live.sizeOfApplySet(applySetId) === target.entries.size) return '';
  const left = context.live
    .ofApplySet(applySetId)
    .filter(({ key }) => !target.entries.has(objectKeyText(key)))
    .map((record) => ({ record, reason: reasonLeft(unit, record) }));
  if (left.length === 0) return '';
  const texts = left.map(({ record, reason }) => `${shortKey(record.key)} (${reason})`);
  return `${left.length} objects stay behind: ${listed(texts)}`;
}

function reasonLeft(unit: Unit, record: LiveRecord): string {
  if (record.isLeaving) {
    const { finalizers } = record;
    return finalizers.length === 0 ? 'is leaving' : `finalizers: ${finalizers.join(', ')}`;
  }
  return unit.keptReasons.get(objectKeyText(record.key)) ?? (record.keepReason || 'is kept');
}

const listedMax = 3;
const listed = (texts: readonly string[]): string =>
  texts.slice(0, listedMax).join(', ') +
  (texts.length > listedMax ? ` and ${texts.length - listedMax} more` : '');

async function removeStep(context: Context, unit: Unit, step: readonly Removal[]): Promise<void> {
  const failures: UnitError[] = [];
  await inParallel(step, unitRequestsInFlightMax, async (removal) => {
    if (unit.work.signal.aborted) return;
    try {
      if (await isInUse(context, unit, removal)) return;
      await removeOne(context, unit, removal);
    } catch (error) {
      failures.push(asUnitError(error, shortKey(removal.key)));
    }
  });
  unit.work.signal.throwIfAborted();
  if (failures[0]) throw new UnitError(failures[0].message, { terminal: false });
}

async function isInUse(context: Context, unit: Unit, removal: Removal): Promise<boolean> {
  const { key } = removal;
  unit.keptReasons.delete(objectKeyText(key));
  const inUse = await inUseBy(context, unit, removal);
  if (inUse === '') return false;
  const reason = `it holds what the unit does not own: ${inUse}`;
  unit.keptReasons.set(objectKeyText(key), reason);
  context.audit(unit, 'ObjectKept', `${shortKey(key)} was kept: ${reason}`, { object: key });
  return true;
}

/** Only the very object that was planned goes: another one under its name has another uid. */
async function removeOne(context: Context, unit: Unit, removal: Removal): Promise<void> {
  const { key, apiVersion, uid } = removal;
  try {
    const removed = await requestsOf(context, unit).remove(addressOfKey(key, apiVersion), {
      uid,
      propagation: 'Background',
      signal: unit.work.signal,
    });
    context.claims.delete(objectKeyText(key));
    if (removed) {
      context.audit(unit, 'ObjectPruned', `${shortKey(key)} was removed`, {
        object: key,
        details: { uid },
      });
    }
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'precondition_failed') return;
    throw error;
  }
}

export type PruneHeld = {
  readonly objectsTotal: number;
  /** The first ones that would go, in that order. */
  readonly first: readonly ObjectKey[];
  /** Names exactly this set, by keys and uids. */
  readonly digest: string;
  readonly reason: string;
  /** How many objects carried the unit's label then; another number is a reason to look again. */
  readonly liveTotal: number;
};
