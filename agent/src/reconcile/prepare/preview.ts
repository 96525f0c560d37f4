import { objectKeyText } from '@fairlead/shared/manifest';
import {
  type Assignment,
  failedPlan,
  type PlanAction,
  type PlannedObject,
  type UnitPlan,
} from '../../domain/link/index.ts';
import { plan } from '../../domain/plan/index.ts';
import { planObjectsMax, planRequestsInFlightMax } from '../../limits.ts';
import type { Context } from '../context.ts';
import { asUnitError, UnitError } from '../failure.ts';
import { inParallel } from '../in-parallel.ts';
import { prunePolicy } from '../prune/prune.ts';
import { createUnit, type Unit } from '../unit.ts';
import { foreseeObject, plannedObject } from './foresee.ts';
import { refuseForeignObjects } from './ownership.ts';
import { askPermit, refuseOutOfScope } from './permission.ts';
import { desiredObjects, followKinds, hookRunOf } from './prepare.ts';
import { createRenderedCache } from './rendered-cache.ts';

/**
 * What an assignment would change: rendered and planned as if it were given, and asked of the API server by dry run. It
 * works on a unit of its own that nothing else knows, so the running one is not touched, reported or waited for, and it
 * sends no request that writes.
 */
export async function previewAssignment(
  context: Context,
  assignment: Assignment,
  signal: AbortSignal,
): Promise<UnitPlan> {
  const { agentNamespace, journal } = context;
  const unit = createUnit(assignment, agentNamespace, undefined);
  unit.inventory = journal.loadInventory(unit.id);
  const stop = () => unit.work.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await foreseeUnit(quiet(context), unit);
  } catch (error) {
    if (signal.aborted) return failedPlan('the plan took too long; ask again');
    return failedPlan(asUnitError(error).message);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** The context of a unit that says nothing to anybody. */
const quiet = (context: Context): Context => ({
  ...context,
  rendered: createRenderedCache(0),
  audit: () => {},
  setPhase: () => {},
  wakeAt: () => {},
});

async function foreseeUnit(context: Context, unit: Unit): Promise<UnitPlan> {
  // What the cluster would refuse is not even rendered.
  const permit = await askPermit(context, unit);
  const desired = await desiredObjects(context, unit, unit.assignment, permit);
  refuseOutOfScope(context, permit, desired);
  await followKinds(context, unit, desired);
  await refuseForeignObjects(context, unit, desired);
  unit.work.signal.throwIfAborted();
  const planned = plan({
    owner: unit.owner,
    desired,
    live: context.live.ofApplySet(unit.owner.applySetId),
    policy: prunePolicy(unit),
    hookRun: hookRunOf(unit.assignment),
  });
  if (!planned.ok) throw new UnitError(planned.error.join('; '), { terminal: true });
  const { steps, prune, kept } = planned.value;
  const objects = steps.flatMap((step) => step.objects);
  const entries = new Map(
    unit.inventory?.entries.map((entry) => [objectKeyText(entry.key), entry] as const),
  );
  const surroundings = { all: objects, entries };
  const foreseen = await inParallel(objects, planRequestsInFlightMax, (object) =>
    foreseeObject(context, unit, object, surroundings),
  );
  unit.work.signal.throwIfAborted();
  const changes: PlannedObject[] = [
    ...foreseen.filter((each) => each !== undefined),
    ...prune.steps.flat().map(({ key }) => plannedObject(key, 'prune')),
    ...kept.map(({ key, reason }) => plannedObject(key, 'keep', reason)),
  ];
  const count = (action: PlanAction) => changes.filter((each) => each.action === action).length;
  return {
    error: '',
    objects: changes.slice(0, planObjectsMax),
    totals: {
      create: count('create'),
      configure: count('configure'),
      prune: count('prune'),
      keep: count('keep'),
      refuse: count('refuse'),
      unchanged: foreseen.filter((each) => each === undefined).length,
    },
    pruneHeld: prune.held,
  };
}
