import { type KubernetesObject, objectKey, objectKeyText } from '@fairlead/shared/manifest';
import { auditObjectsMax, kindLookMs, unitRequestsInFlightMax } from '../limits.ts';
import type { Context } from './context.ts';
import { noticeDrift } from './drift.ts';
import { asUnitError, type UnitError } from './failure.ts';
import { inParallel } from './in-parallel.ts';
import { followKinds } from './prepare.ts';
import { describeKeys, shortKey, unready } from './readiness.ts';
import type { Target, Unit } from './unit.ts';

/** Applies step by step; returns whether all steps are applied. `false`: it waits for what was applied to work. */
export async function applySteps(context: Context, unit: Unit, target: Target): Promise<boolean> {
  for (; target.stepIndex < target.steps.length; target.stepIndex++) {
    const step = target.steps[target.stepIndex];
    if (!step) break;
    const before = target.steps.slice(0, target.stepIndex).flatMap(({ objects }) => objects);
    const waitsFor = unready(context.live, before.map(objectKey), step.after);
    if (waitsFor.length > 0) {
      context.setPhase(unit, 'waiting', `waits for ${describeKeys(context.live, waitsFor)}`);
      return false;
    }
    const unserved = await firstUnserved(context, unit, step.objects);
    if (unserved) {
      context.setPhase(unit, 'waiting', `waits for the API server to serve ${unserved}`);
      context.wakeAt(unit, context.clock.now() + kindLookMs);
      return false;
    }
    if (!step.objects.every((object) => isUnchanged(context, target, object))) {
      context.setPhase(unit, 'applying');
    }
    await followKinds(context, unit, step.objects);
    unit.work.signal.throwIfAborted();
    await applyStep(context, unit, target, step.objects);
  }
  target.steps = [];
  auditApplied(context, unit, target);
  return true;
}

/** A definition that is established a moment ago may take another one to be served. */
async function firstUnserved(
  { cluster }: Context,
  unit: Unit,
  objects: readonly KubernetesObject[],
): Promise<string | undefined> {
  for (const { apiVersion, kind } of objects) {
    if (!(await cluster.resourceOf(apiVersion, kind, unit.work.signal))) {
      return `${apiVersion} ${kind}`;
    }
  }
  return undefined;
}

async function applyStep(
  context: Context,
  unit: Unit,
  target: Target,
  objects: readonly KubernetesObject[],
): Promise<void> {
  const failures: UnitError[] = [];
  await inParallel(objects, unitRequestsInFlightMax, async (object) => {
    if (unit.work.signal.aborted) return;
    try {
      await applyOne(context, unit, target, object);
    } catch (error) {
      failures.push(asUnitError(error, shortKey(objectKey(object))));
    }
  });
  unit.work.signal.throwIfAborted();
  const worst = failures.find((failure) => failure.terminal) ?? failures[0];
  if (worst) throw worst;
}

/** Nothing to write: we applied this very object, and our fields are as we left them. */
function isUnchanged({ live }: Context, target: Target, object: KubernetesObject): boolean {
  const text = objectKeyText(objectKey(object));
  const entry = target.entries.get(text);
  const record = live.get(text);
  if (!entry || !record || record.isLeaving) return false;
  return record.uid === entry.uid && record.ownedHash === entry.ownedHash;
}

async function applyOne(
  context: Context,
  unit: Unit,
  target: Target,
  object: KubernetesObject,
): Promise<void> {
  const { cluster, live } = context;
  const key = objectKey(object);
  const text = objectKeyText(key);
  const before = live.get(text);
  const entry = target.entries.get(text);
  if (!entry) return;
  if (before?.reconcileDisabled || isUnchanged(context, target, object)) {
    target.applied.unchanged++;
    if (before)
      target.entries.set(text, { ...entry, uid: before.uid, ownedHash: before.ownedHash });
    return;
  }
  unit.inFlight.add(text);
  try {
    const applied = await cluster.apply(object, { force: true, signal: unit.work.signal });
    const { uid, ownedHash, resourceVersion } = live.observe(applied);
    target.entries.set(text, { ...entry, uid, ownedHash });
    if (!before) target.applied.created.push(key);
    else if (before.resourceVersion === resourceVersion) target.applied.unchanged++;
    else target.applied.configured.push(key);
  } finally {
    unit.inFlight.delete(text);
  }
  noticeDrift(context, unit, text, undefined);
}

function auditApplied(context: Context, unit: Unit, { applied }: Target): void {
  const { created, configured, unchanged } = applied;
  if (created.length + configured.length === 0) return;
  context.audit(
    unit,
    'ObjectsApplied',
    `${created.length} created, ${configured.length} configured, ${unchanged} unchanged`,
    {
      details: {
        created: created.slice(0, auditObjectsMax).map(objectKeyText),
        configured: configured.slice(0, auditObjectsMax).map(objectKeyText),
        createdTotal: created.length,
        configuredTotal: configured.length,
        unchangedTotal: unchanged,
      },
    },
  );
}
