import { objectKeyText } from '@fairlead/shared/manifest';
import { addressOfKey, ClusterError } from '../cluster/index.ts';
import { type PrunePolicy, planPrune, planRemoval, type Removal } from '../domain/plan/index.ts';
import { pruneStepMsMax, unitRequestsInFlightMax } from '../limits.ts';
import type { Context } from './context.ts';
import { asUnitError, UnitError } from './failure.ts';
import { inParallel } from './in-parallel.ts';
import { describeKeys, shortKey } from './readiness.ts';
import type { Target, Unit } from './unit.ts';

/** The confirmation names the generation that held the prune; the assignment that brings it is the next one. */
export function prunePolicy({ assignment, inventory }: Unit): PrunePolicy {
  const { confirmedPruneGeneration, deletionBudget, prune } = assignment.apply;
  const { generation, commit } = assignment;
  const confirmed =
    confirmedPruneGeneration > 0 &&
    (confirmedPruneGeneration === generation ||
      confirmedPruneGeneration === generation - 1 ||
      (inventory?.commit === commit && inventory.generation === confirmedPruneGeneration));
  return { prune, deletionBudget, confirmed };
}

/** Decides, once all is healthy, what goes; returns whether a person must confirm it first. */
export function beginPrune(context: Context, unit: Unit, target: Target): boolean {
  const input = {
    owner: unit.owner,
    live: context.live.ofApplySet(unit.owner.applySetId).filter((record) => !record.isLeaving),
    policy: prunePolicy(unit),
  };
  const isRemoval = unit.assignment.disposition === 'delete';
  const { prune } = isRemoval
    ? planRemoval(input)
    : planPrune({ ...input, wanted: new Set(target.entries.keys()) });
  if (prune.held !== '') {
    unit.pruneHeldObjects = prune.objectsTotal;
    context.setPhase(unit, 'prune-held', `${prune.held}; a person must confirm it`);
    context.audit(unit, 'PruneHeld', prune.held, {
      details: { objects: prune.objectsTotal, first: prune.steps.flat().slice(0, 20).map(text) },
    });
    return true;
  }
  unit.pruneHeldObjects = 0;
  target.pruneSteps = prune.steps;
  target.pruneIndex = 0;
  target.pruneStepAtMs = 0;
  return false;
}

const text = ({ key }: Removal): string => objectKeyText(key);

/** Removes step by step; returns whether all is gone, or as gone as its finalizers allow in the limit. */
export async function pruneObjects(context: Context, unit: Unit, target: Target): Promise<boolean> {
  const { clock, live } = context;
  for (; target.pruneIndex < target.pruneSteps.length; target.pruneIndex++) {
    const step = target.pruneSteps[target.pruneIndex] ?? [];
    if (target.pruneStepAtMs === 0) {
      context.setPhase(unit, 'pruning');
      await removeStep(context, unit, step);
      target.pruneStepAtMs = clock.now();
    }
    const left = step.filter(({ key, uid }) => live.get(objectKeyText(key))?.uid === uid);
    const until = target.pruneStepAtMs + pruneStepMsMax;
    if (left.length > 0 && clock.now() < until) {
      const keys = left.map(({ key }) => key);
      context.setPhase(unit, 'pruning', `waits for the end of ${describeKeys(live, keys)}`);
      context.wakeAt(unit, until);
      return false;
    }
    target.pruneStepAtMs = 0;
  }
  target.pruneSteps = [];
  return true;
}

async function removeStep(context: Context, unit: Unit, step: readonly Removal[]): Promise<void> {
  const failures: UnitError[] = [];
  await inParallel(step, unitRequestsInFlightMax, async (removal) => {
    if (unit.work.signal.aborted) return;
    try {
      await removeOne(context, unit, removal);
    } catch (error) {
      failures.push(asUnitError(error, shortKey(removal.key)));
    }
  });
  unit.work.signal.throwIfAborted();
  if (failures[0]) throw new UnitError(failures[0].message, { terminal: false });
}

/** Only the very object that was planned goes: another one under its name has another uid. */
async function removeOne(context: Context, unit: Unit, removal: Removal): Promise<void> {
  const { key, apiVersion, uid } = removal;
  try {
    const removed = await context.cluster.remove(addressOfKey(key, apiVersion), {
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
