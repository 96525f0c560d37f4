import {
  type KubernetesObject,
  type ObjectKey,
  objectKey,
  objectKeyText,
} from '@fairlead/shared/manifest';
import { auditObjectsMax, kindLookMs, unitRequestsInFlightMax } from '../../limits.ts';
import type { Context } from '../context.ts';
import { noticeDrift } from '../drift/drift.ts';
import { makeRoom } from '../drift/ignored.ts';
import { asUnitError, type UnitError } from '../failure.ts';
import { inParallel } from '../in-parallel.ts';
import { hashAsLeft } from '../live/live-objects.ts';
import { describeKeys, shortKey, unready } from '../live/readiness.ts';
import type { InventoryEntry } from '../ports.ts';
import { followKinds } from '../prepare/prepare.ts';
import type { Target, Unit } from '../unit.ts';
import { endOf, noticeHookEnd, startHook } from './hooks.ts';
import { writeOrReplace } from './replace-object.ts';

/** Applies step by step; returns whether all steps are applied. `false`: it waits for what was applied to work. */
export async function applySteps(context: Context, unit: Unit, target: Target): Promise<boolean> {
  for (; target.stepIndex < target.steps.length; target.stepIndex++) {
    const step = target.steps[target.stepIndex];
    if (!step) break;
    const waitsFor = unready(context.live, entriesBefore(target), step.after);
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
    const leaving = await applyStep(context, unit, target, step.objects);
    if (leaving.length > 0) {
      context.setPhase(unit, 'waiting', `waits for the end of ${leaving.map(shortKey).join(', ')}`);
      return false;
    }
  }
  target.steps = [];
  auditApplied(context, unit, target);
  return true;
}

function entriesBefore(target: Target): InventoryEntry[] {
  const objects = target.steps.slice(0, target.stepIndex).flatMap((step) => step.objects);
  return objects.flatMap((object) => target.entries.get(objectKeyText(objectKey(object))) ?? []);
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

/** Applies side by side; returns the objects whose old ones must be gone first. */
async function applyStep(
  context: Context,
  unit: Unit,
  target: Target,
  objects: readonly KubernetesObject[],
): Promise<ObjectKey[]> {
  const leaving: ObjectKey[] = [];
  const failures: UnitError[] = [];
  await inParallel(objects, unitRequestsInFlightMax, async (object) => {
    if (unit.work.signal.aborted) return;
    try {
      const isDone = await applyOne(context, unit, target, object);
      if (!isDone) leaving.push(objectKey(object));
    } catch (error) {
      failures.push(asUnitError(error, shortKey(objectKey(object))));
    }
  });
  unit.work.signal.throwIfAborted();
  const worst = failures.find((failure) => failure.terminal) ?? failures[0];
  if (worst) throw worst;
  return leaving;
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
): Promise<boolean> {
  const { live } = context;
  const key = objectKey(object);
  const text = objectKeyText(key);
  const before = live.get(text);
  const entry = target.entries.get(text);
  if (!entry || endOf(unit, entry)) return true;
  if (before?.isLeaving) return false;
  if (before?.reconcileDisabled || isUnchanged(context, target, object)) {
    target.applied.unchanged++;
    if (before)
      target.entries.set(text, { ...entry, uid: before.uid, ownedHash: before.ownedHash });
    return true;
  }
  unit.inFlight.add(text);
  try {
    const write = target.hooks.has(text) ? startHook : writeOrReplace;
    const room = await makeRoom(context, unit, object);
    const written = await write(context, unit, room.object, entry);
    if (!written) return false;
    const { applied } = written;
    const ownedHash = hashAsLeft(live, applied);
    const { uid = '', resourceVersion } = applied.metadata;
    const { left: _, ...rest } = entry;
    const ignored = room.ignored.length;
    target.entries.set(text, { ...rest, uid, ownedHash, ignored, ...written.memory });
    if (written.takenFrom.length > 0) {
      target.applied.takenOver.push({ key, from: written.takenFrom });
    }
    if (!before) target.applied.created.push(key);
    else if (before.resourceVersion === resourceVersion) target.applied.unchanged++;
    else target.applied.configured.push(key);
  } finally {
    unit.inFlight.delete(text);
  }
  noticeHookEnd(unit, text, undefined, live.get(text));
  if (noticeDrift(context, unit, text, undefined)) context.wakeAt(unit, context.clock.now());
  return true;
}

function auditApplied(context: Context, unit: Unit, { applied }: Target): void {
  const { created, configured, unchanged, takenOver } = applied;
  if (created.length + configured.length + takenOver.length === 0) return;
  const from = [...new Set(takenOver.flatMap((taken) => taken.from))].join(', ');
  const taken = from === '' ? '' : `, ${takenOver.length} taken over from ${from}`;
  context.audit(
    unit,
    'ObjectsApplied',
    `${created.length} created, ${configured.length} configured, ${unchanged} unchanged${taken}`,
    {
      details: {
        created: created.slice(0, auditObjectsMax).map(objectKeyText),
        configured: configured.slice(0, auditObjectsMax).map(objectKeyText),
        createdTotal: created.length,
        configuredTotal: configured.length,
        unchangedTotal: unchanged,
        ...(from === ''
          ? {}
          : {
              takenOver: takenOver
                .slice(0, auditObjectsMax)
                .map((object) => objectKeyText(object.key)),
              takenOverTotal: takenOver.length,
              takenOverFrom: from,
            }),
      },
    },
  );
}
