import { type ObjectKey, objectKeyText } from '@fairlead/shared/manifest';
import { unreachable } from '@fairlead/shared/result';
import { ClusterError } from '../cluster/index.ts';
import { unitObjectName } from '../domain/link/index.ts';
import { applySteps } from './apply/apply.ts';
import { endOf, finishHooks, refuseFailedHooks, runFailureHooks } from './apply/hooks.ts';
import { pauseFor } from './breath.ts';
import type { Context } from './context.ts';
import { waitsForUnits } from './dependencies.ts';
import { noticeDrift, settleDrifts } from './drift/drift.ts';
import { asUnitError } from './failure.ts';
import { takeUpHealthChecks } from './live/health-rules.ts';
import { lookAtPods } from './live/pods.ts';
import { describeKeys, isReady } from './live/readiness.ts';
import { askPermit } from './prepare/permission.ts';
import { followKinds, prepare, restore } from './prepare/prepare.ts';
import { beginPrune, leftText, pruneObjects, refreshHeld, showHeld } from './prune/prune.ts';
import { unitApiVersion, unitKind } from './report/parent.ts';
import { emptyTarget, type Target, type Unit } from './unit.ts';

/**
 * One turn of a unit: goes on as far as it can and returns where it must wait, for health, for an end or for a person.
 * It takes no input, so the happy path and every recovery are the same; what it throws is the unit's failure.
 */
export async function takeTurn(context: Context, unit: Unit): Promise<void> {
  switch (unit.assignment.disposition) {
    case 'run':
      return run(context, unit);
    case 'orphan':
      return orphan(context, unit);
    case 'delete':
      return remove(context, unit);
    default:
      unreachable(unit.assignment.disposition);
  }
}

/** Between two tries after a failure: the new generation waits, but what is applied is kept as it was left. */
export async function holdOut(context: Context, unit: Unit): Promise<void> {
  context.wakeAt(unit, unit.retryAtMs);
  await keepPrevious(context, unit);
}

async function keepPrevious(context: Context, unit: Unit): Promise<void> {
  const target = unit.target ?? unit.previous;
  if (unit.assignment.disposition !== 'run' || !target) return;
  await settleDrifts(context, unit, target);
  saveApplied(context, unit, target);
}

async function run(context: Context, unit: Unit): Promise<void> {
  const target = unit.target ?? (await begin(context, unit));
  if (!target) return keepPrevious(context, unit);
  await settleDrifts(context, unit, target);
  if (await isReached(context, unit, target)) await finish(context, unit, target);
  saveApplied(context, unit, target);
  await finishHooks(context, unit, target);
  await lookAtPods(context, unit);
}

/** Applies what is not applied yet and looks whether it works. What fails for good calls for the hooks kept for that. */
async function isReached(context: Context, unit: Unit, target: Target): Promise<boolean> {
  if (target.stage === 'done' || target.stage === 'held') return true;
  try {
    refuseFailedHooks(unit, target);
    if (target.stage === 'apply') {
      if (!(await applySteps(context, unit, target))) return false;
      target.stage = 'wait';
    }
    refuseFailedHooks(unit, target);
    return isHealthy(context, unit, target);
  } catch (error) {
    unit.work.signal.throwIfAborted();
    saveApplied(context, unit, target);
    await finishHooks(context, unit, target);
    if (asUnitError(error).terminal) await runFailureHooks(context, unit, target);
    throw error;
  }
}

/** `undefined`: other units come first. What is applied already needs no other unit to be restored. */
async function begin(context: Context, unit: Unit): Promise<Target | undefined> {
  await takeUpHealthChecks(context, unit);
  const restored = await restore(context, unit);
  const waits = restored ? '' : waitsForUnits(context, unit);
  if (waits !== '') {
    context.dependants.add(unit);
    context.setPhase(unit, 'waiting', waits);
    return undefined;
  }
  context.dependants.delete(unit);
  const target = restored ?? (await prepare(context, unit));
  unit.work.signal.throwIfAborted();
  unit.target = target;
  unit.previous = undefined;
  if (restored) {
    unit.wasHealthy ??= true;
    for (const text of target.entries.keys()) noticeDrift(context, unit, text, undefined);
  }
  return target;
}

/** Healthy: what is no longer rendered goes, and then the unit is settled. */
async function finish(context: Context, unit: Unit, target: Target): Promise<void> {
  const count = target.entries.size;
  await pauseFor(target.stage === 'done' ? 0 : count);
  if (target.stage === 'wait') target.stage = beginPrune(context, unit, target) ? 'held' : 'prune';
  if (target.stage === 'prune') {
    if (!(await pruneObjects(context, unit, target))) return;
    await pauseFor(count);
    unit.work.signal.throwIfAborted();
    target.stage = 'done';
    settle(context, unit, target);
    await pauseFor(count);
  }
  if (target.stage === 'done') context.setPhase(unit, 'settled', leftText(context, unit, target));
  if (target.stage === 'held') stayHeld(context, unit, target);
}

function stayHeld(context: Context, unit: Unit, target: Target): void {
  refreshHeld(context, unit, target);
  if (unit.phase !== 'prune-held') showHeld(context, unit);
}

function isHealthy(context: Context, unit: Unit, target: Target): boolean {
  const waitsFor: ObjectKey[] = [];
  for (const [text, entry] of target.entries) {
    const isReached = endOf(unit, entry) !== undefined || isReady(context.live.get(text));
    if (!isReached) waitsFor.push(entry.key);
  }
  if (waitsFor.length === 0) return true;
  context.setPhase(unit, 'waiting', `waits for ${describeKeys(context.live, waitsFor)}`);
  return false;
}

/** What was applied is remembered, so that a restart writes nothing again; written only when it differs. */
function saveApplied({ journal }: Context, unit: Unit, target: Target): void {
  const { inventory } = unit;
  if (!inventory) return;
  const entries = inventory.entries.map(
    (entry) => target.entries.get(objectKeyText(entry.key)) ?? entry,
  );
  const isNews = entries.some((entry, index) => {
    const before = inventory.entries[index];
    return (
      entry.uid !== before?.uid ||
      entry.ownedHash !== before.ownedHash ||
      entry.ended !== before.ended ||
      entry.ignored !== before.ignored
    );
  });
  if (!isNews) return;
  unit.inventory = { ...inventory, entries };
  journal.saveInventory(unit.id, unit.inventory);
}

function settle({ journal }: Context, unit: Unit, target: Target): void {
  if (!unit.inventory) return;
  const entries = [...target.entries.values()];
  unit.inventory = { ...unit.inventory, state: 'settled', wasSettled: true, entries };
  journal.saveInventory(unit.id, unit.inventory);
}

function orphan(context: Context, unit: Unit): void {
  context.dependants.delete(unit);
  if (unit.phase === 'orphaned') return;
  releaseClaims(context, unit);
  const left = unit.inventory?.entries.length ?? 0;
  context.setPhase(unit, 'orphaned', `${left} objects are left in place`);
}

/** By an explicit order only. The parent goes last, so that other tools see members with a parent to the end. */
async function remove(context: Context, unit: Unit): Promise<void> {
  context.dependants.delete(unit);
  if (unit.phase === 'deleted') return;
  if (!unit.target) {
    await askPermit(context, unit);
    await followKinds(context, unit, []);
    // What the order takes away must not be made again by an agent that lost the order.
    await context.journal.durable();
    unit.target = emptyTarget(unit.assignment, 'wait');
  }
  const { target } = unit;
  if (target.stage === 'wait') target.stage = beginPrune(context, unit, target) ? 'held' : 'prune';
  if (target.stage === 'held') stayHeld(context, unit, target);
  if (target.stage !== 'prune' || !(await pruneObjects(context, unit, target))) return;
  await removeParent(context, unit);
  releaseClaims(context, unit);
  context.journal.removeInventory(unit.id);
  unit.inventory = undefined;
  target.stage = 'done';
  const left = leftText(context, unit, target);
  context.setPhase(unit, 'deleted', left || 'all objects of the unit were removed');
}

async function removeParent(
  { ownCluster: cluster, agentNamespace }: Context,
  unit: Unit,
): Promise<void> {
  const address = {
    apiVersion: unitApiVersion,
    kind: unitKind,
    namespace: agentNamespace,
    name: unitObjectName(unit.id),
  };
  const { signal } = unit.work;
  // A write that is under way would make it again.
  await unit.parentWrite;
  try {
    const parent = await cluster.get(address, signal);
    const uid = parent?.metadata.uid;
    if (uid) await cluster.remove(address, { uid, propagation: 'Background', signal });
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code === 'unavailable') throw error;
  }
}

function releaseClaims({ claims, rendered }: Context, unit: Unit): void {
  for (const [text, claimant] of claims) if (claimant === unit.id) claims.delete(text);
  rendered.remove(unit.id);
}
