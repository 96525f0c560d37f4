import type { KubernetesObject } from '@fairlead/shared/manifest';
import { fieldManager } from '../cluster/index.ts';
import { withoutFields } from '../domain/conflict/index.ts';
import {
  type Drift,
  type FightLimits,
  fieldDiff,
  nextRepair,
  peaceful,
  recordRepair,
} from '../domain/drift/index.ts';
import {
  driftDifferencesMax,
  driftValueCharactersMax,
  fightDelayMsMax,
  fightDelayMsMin,
  fightRepairsMax,
  fightWindowMs,
  unitRequestsInFlightMax,
} from '../limits.ts';
import type { Context } from './context.ts';
import { asUnitError, UnitError } from './failure.ts';
import { inParallel } from './in-parallel.ts';
import { ownerName } from './ownership.ts';
import type { InventoryEntry } from './ports.ts';
import { renderAgain } from './prepare.ts';
import { shortKey } from './readiness.ts';
import type { Target, Unit } from './unit.ts';
import { requestsOf } from './unit-requests.ts';
import { memoryOf } from './write-object.ts';

const fightLimits: FightLimits = {
  windowMs: fightWindowMs,
  repairsMax: fightRepairsMax,
  delayMsMin: fightDelayMsMin,
  delayMsMax: fightDelayMsMax,
};
const diffOptions = { manager: fieldManager, differencesMax: driftDifferencesMax };

/**
 * Compares what the watches know of one object with what we left, and remembers it when it differs; `object` is the state
 * it was found in. Our own writes under way are left out: their events may come before their answer.
 */
export function noticeDrift(
  { live, clock }: Context,
  unit: Unit,
  text: string,
  object: KubernetesObject | undefined,
): boolean {
  const entry = (unit.target ?? unit.previous)?.entries.get(text);
  if (!entry || entry.ownedHash === '' || unit.inFlight.has(text)) return false;
  // A hook that has ended is history: it may go, by its time to live or by hand.
  if (entry.ended) return false;
  const record = live.get(text);
  const isAsLeft =
    record !== undefined &&
    record.partOf === unit.owner.applySetId &&
    (record.isLeaving || record.reconcileDisabled || record.ownedHash === entry.ownedHash);
  if (!isAsLeft) {
    unit.drifts.set(text, object);
    return true;
  }
  unit.drifts.delete(text);
  unit.driftsReported.delete(text);
  if (nextRepair(unit.repairs.get(text) ?? peaceful, clock.now(), fightLimits).waitMs === 0) {
    unit.fights.delete(text);
  }
  return false;
}

/** Repairs or reports what has drifted; a fight waits for its next turn. */
export async function settleDrifts(context: Context, unit: Unit, target: Target): Promise<void> {
  const waiting = [...unit.drifts];
  if (waiting.length === 0) return;
  for (const [text] of waiting) refuseTaken(context, unit, text);
  const reportOnly = unit.assignment.apply.drift === 'report';
  const bodyOf = createBodies(context, unit, target);
  const failures: UnitError[] = [];
  await inParallel(waiting, unitRequestsInFlightMax, async ([text, found]) => {
    const entry = target.entries.get(text);
    if (unit.work.signal.aborted) return;
    if (!entry) {
      unit.drifts.delete(text);
      return;
    }
    try {
      await (reportOnly ? reportDrift : repair)(context, unit, target, {
        text,
        entry,
        found,
        bodyOf,
      });
    } catch (error) {
      failures.push(asUnitError(error, shortKey(entry.key)));
    }
  });
  unit.work.signal.throwIfAborted();
  if (failures[0]) throw failures[0];
}

type Found = {
  readonly text: string;
  readonly entry: InventoryEntry;
  readonly found: KubernetesObject | undefined;
  readonly bodyOf: (text: string) => Promise<KubernetesObject>;
};

/** Another owner's label on our object is a second claim: it is reported with both names, and not fought over. */
function refuseTaken(context: Context, unit: Unit, text: string): void {
  const record = context.live.get(text);
  if (!record || record.partOf === unit.owner.applySetId) return;
  unit.drifts.delete(text);
  unit.target = undefined;
  unit.previous = undefined;
  throw new UnitError(
    `${shortKey(record.key)} of unit ${unit.id} was taken by ${ownerName(record, unit)}`,
    { terminal: true, audit: 'OwnershipRefused', object: record.key },
  );
}

async function repair(context: Context, unit: Unit, target: Target, drift: Found): Promise<void> {
  const { live, clock } = context;
  const { text, entry, found } = drift;
  const history = unit.repairs.get(text) ?? peaceful;
  const { waitMs } = nextRepair(history, clock.now(), fightLimits);
  if (waitMs > 0) {
    if (!unit.fights.has(text)) auditFight(context, unit, drift);
    context.wakeAt(unit, clock.now() + waitMs);
    return;
  }
  const body = await drift.bodyOf(text);
  unit.drifts.delete(text);
  unit.inFlight.add(text);
  let applied: KubernetesObject;
  try {
    const { signal } = unit.work;
    applied = await requestsOf(context, unit).apply(body, { force: true, signal });
    const { uid, ownedHash } = live.observe(applied);
    const memory = memoryOf(applied, entry.left ?? []);
    target.entries.set(text, { ...entry, uid, ownedHash, ...memory });
  } catch (error) {
    unit.drifts.set(text, found);
    throw error;
  } finally {
    unit.inFlight.delete(text);
  }
  unit.repairs.set(text, recordRepair(history, clock.now(), fightLimits));
  const wasDeleted = applied.metadata.uid !== entry.uid;
  const diff = found && !wasDeleted ? fieldDiff(found, applied, diffOptions) : undefined;
  context.audit(unit, 'DriftRepaired', repairText(drift, diff, wasDeleted), {
    object: entry.key,
    details: detailsOf(diff, wasDeleted),
  });
  if (diff?.managers.length) unit.rivals.set(text, diff.managers.join(', '));
  noticeDrift(context, unit, text, undefined);
}

/** Rendered objects; those that the cache let go are rendered again from the tree on disk, once for all of a turn. */
function createBodies(context: Context, unit: Unit, target: Target): Found['bodyOf'] {
  let again: ReturnType<typeof renderAgain> | undefined;
  const whole = async (text: string): Promise<KubernetesObject> => {
    const held = context.rendered.get(unit.id, text);
    if (held) return held;
    again ??= renderAgain(context, unit);
    const body = (await again).get(text);
    if (body !== undefined) return JSON.parse(body);
    throw new UnitError(`the commit does not render ${text} any more`, { terminal: false });
  };
  // Force must not take what was left to another manager.
  return async (text) => withoutFields(await whole(text), target.entries.get(text)?.left ?? []);
}

async function reportDrift(
  context: Context,
  unit: Unit,
  _target: Target,
  drift: Found,
): Promise<void> {
  const { text, entry, found } = drift;
  const seen = context.live.get(text)?.ownedHash ?? 'gone';
  if (unit.driftsReported.get(text) === seen) return;
  unit.driftsReported.set(text, seen);
  const wasDeleted = seen === 'gone';
  const diff = wasDeleted || !found ? undefined : await dryDiff(context, unit, drift, found);
  context.audit(unit, 'DriftDetected', driftText(drift, diff, wasDeleted), {
    object: entry.key,
    details: detailsOf(diff, wasDeleted),
  });
}

async function dryDiff(
  context: Context,
  unit: Unit,
  { text, bodyOf }: Found,
  found: KubernetesObject,
) {
  const body = await bodyOf(text);
  const would = await requestsOf(context, unit).apply(body, {
    force: true,
    dryRun: true,
    signal: unit.work.signal,
  });
  return fieldDiff(found, would, diffOptions);
}

function auditFight(context: Context, unit: Unit, { text, entry }: Found): void {
  const rival = unit.rivals.get(text) ?? 'another writer';
  const message = `${rival} keeps changing ${shortKey(entry.key)}; repairs are slowed down`;
  unit.fights.set(text, message);
  context.audit(unit, 'DriftFight', message, { object: entry.key, details: { managers: rival } });
}

const driftText = ({ entry }: Found, diff: Drift | undefined, wasDeleted: boolean): string => {
  if (wasDeleted) return `${shortKey(entry.key)} was deleted`;
  const by = diff?.managers.length ? ` by ${diff.managers.join(', ')}` : '';
  const paths = diff?.differences.slice(0, 3).map(({ path }) => path) ?? [];
  const more = (diff?.differencesTotal ?? 0) > 3 ? ' and more' : '';
  return `${shortKey(entry.key)} was changed${by}${paths.length ? `: ${paths.join(', ')}${more}` : ''}`;
};

const repairText = (found: Found, diff: Drift | undefined, wasDeleted: boolean): string =>
  `${driftText(found, diff, wasDeleted)}; restored`;

/** A large value, such as a file in a ConfigMap, is shown by its beginning. */
function clip(value: unknown): unknown {
  const text = JSON.stringify(value) ?? '';
  return text.length <= driftValueCharactersMax
    ? value
    : `${text.slice(0, driftValueCharactersMax)}…`;
}

const detailsOf = (diff: Drift | undefined, wasDeleted: boolean): Record<string, unknown> => ({
  deleted: wasDeleted,
  ...(diff
    ? {
        managers: diff.managers,
        differences: diff.differences.map(({ path, live, desired }) => ({
          path,
          live: clip(live),
          desired: clip(desired),
        })),
        differencesTotal: diff.differencesTotal,
      }
    : {}),
});
