import { type KubernetesObject, objectKey, objectKeyText } from '@fairlead/shared/manifest';
import { addressOf, addressOfKey, ClusterError } from '../../cluster/index.ts';
import { type Hook, hookOf, hookRunAnnotation } from '../../domain/plan/index.ts';
import type { Context } from '../context.ts';
import { UnitError } from '../failure.ts';
import type { LiveRecord } from '../live/live-objects.ts';
import { shortKey } from '../live/readiness.ts';
import type { HookEnd, InventoryEntry } from '../ports.ts';
import type { Target, Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';
import { removeForNew } from './replace-object.ts';
import { type Written, writeObject } from './write-object.ts';

/** A hook that runs to an end; every other object, hooks among them, is kept as it was applied. */
export function runningHook(object: KubernetesObject): Hook | undefined {
  const hook = hookOf(object);
  return typeof hook === 'object' && hook.runs ? hook : undefined;
}

/** The end that a hook has come to in the generation at hand; one of an older generation runs anew. */
export const endOf = (unit: Unit, entry: InventoryEntry | undefined): HookEnd | undefined => {
  const { epoch, generation } = unit.assignment;
  const end = entry?.ended;
  return end?.epoch === epoch && end.generation === generation ? end : undefined;
};

/** What a hook starts a generation with: the end that an earlier start of the agent saw, or that it is not due at all. */
export function endAtStart(
  unit: Unit,
  hook: Hook,
  before: InventoryEntry | undefined,
): HookEnd | undefined {
  const end = endOf(unit, before);
  if (end) return end;
  const wasSettled = unit.inventory?.wasSettled === true;
  const isDue = hook.due === 'always' || wasSettled === (hook.due === 'later');
  if (isDue) return undefined;
  const { epoch, generation } = unit.assignment;
  const message = wasSettled ? 'runs on the first install only' : 'runs on upgrades only';
  return { epoch, generation, outcome: 'succeeded', message, remove: false };
}

/**
 * Makes the hook's object, unless this generation's run is there already; an older run goes first, because a Job cannot
 * be changed. `undefined`: the older run is still on its way out.
 */
export async function startHook(
  context: Context,
  unit: Unit,
  object: KubernetesObject,
  entry: InventoryEntry,
): Promise<Written | undefined> {
  const live = await requestsOf(context, unit).get(addressOf(object), unit.work.signal);
  const run = object.metadata.annotations?.[hookRunAnnotation];
  const isOfThisRun = live?.metadata.annotations?.[hookRunAnnotation] === run;
  if (live && !isOfThisRun && !(await removeForNew(context, unit, live))) return undefined;
  return writeObject(context, unit, object, entry);
}

/** Takes note of an end as the watch tells it, before the object itself may go: by its time to live, or by hand. */
export function noticeHookEnd(
  unit: Unit,
  text: string,
  before: LiveRecord | undefined,
  after: LiveRecord | undefined,
): void {
  const target = unit.target;
  const entry = target?.entries.get(text);
  const record = after ?? before;
  const hook = target?.hooks.get(text);
  if (!target || !hook || !entry || !record || entry.uid !== record.uid) return;
  if (endOf(unit, entry) || (record.health !== 'Healthy' && record.health !== 'Degraded')) return;
  const { epoch, generation } = unit.assignment;
  const outcome = record.health === 'Healthy' ? 'succeeded' : 'failed';
  const remove = hook.removeWhen[outcome];
  const ended: HookEnd = { epoch, generation, outcome, message: record.message, remove };
  target.entries.set(text, { ...entry, ended });
  target.hooksEnded.add(text);
  if (remove) target.hooksToRemove.add(text);
}

/** Says in the audit how hooks ended, and removes those whose policy asks for it; their ends are in the journal by now. */
export async function finishHooks(context: Context, unit: Unit, target: Target): Promise<void> {
  for (const text of target.hooksEnded) {
    target.hooksEnded.delete(text);
    const entry = target.entries.get(text);
    const end = endOf(unit, entry);
    if (!entry || !end) continue;
    const why = end.message === '' ? '' : `: ${end.message}`;
    context.audit(unit, 'HookFinished', `hook ${shortKey(entry.key)} ${end.outcome}${why}`, {
      object: entry.key,
      details: { outcome: end.outcome },
    });
  }
  for (const text of target.hooksToRemove) {
    const entry = target.entries.get(text);
    if (!entry || context.live.get(text)?.uid !== entry.uid) {
      target.hooksToRemove.delete(text);
      continue;
    }
    await requestsOf(context, unit)
      .remove(addressOfKey(entry.key, entry.apiVersion), {
        uid: entry.uid,
        propagation: 'Background',
        signal: unit.work.signal,
      })
      .catch(unlessReplaced);
    target.hooksToRemove.delete(text);
  }
}

function unlessReplaced(error: unknown): void {
  if (!(error instanceof ClusterError) || error.code !== 'precondition_failed') throw error;
}

/** A hook that failed stops its unit until a new generation: what comes after it may rely on its work. */
export function refuseFailedHooks(unit: Unit, target: Target): void {
  for (const text of target.hooks.keys()) {
    const entry = target.entries.get(text);
    const end = endOf(unit, entry);
    if (!entry || end?.outcome !== 'failed') continue;
    const trouble = unit.podLooks.get(text)?.message || end.message;
    const why = trouble === '' ? '' : `: ${trouble}`;
    throw new UnitError(`hook ${shortKey(entry.key)} has failed${why}`, {
      terminal: true,
      object: entry.key,
    });
  }
}

/** Hooks for the case that the unit has failed for good; their own trouble is no further failure. */
export async function runFailureHooks(context: Context, unit: Unit, target: Target): Promise<void> {
  for (const object of target.onFailure.splice(0)) {
    const key = objectKey(object);
    const entry: InventoryEntry = {
      key,
      apiVersion: object.apiVersion,
      uid: '',
      desiredHash: '',
      ownedHash: '',
    };
    try {
      await context.live.follow(object.apiVersion, object.kind);
      await (runningHook(object) ? startHook : writeObject)(context, unit, object, entry);
    } catch (error) {
      unit.work.signal.throwIfAborted();
      const text = objectKeyText(key);
      context.logger.warn({ unit: unit.id, object: text, error: String(error) }, 'no failure hook');
    }
  }
}
