import type { KubernetesObject } from '@fairlead/shared/manifest';
import { addressOf } from '../../cluster/index.ts';
import { withoutFields } from '../../domain/conflict/index.ts';
import {
  type FightLimits,
  fightEndsAtMs,
  nextRepair,
  peaceful,
  recordRepair,
} from '../../domain/drift/index.ts';
import {
  fightDelayMsMax,
  fightDelayMsMin,
  fightRepairsMax,
  fightWindowMs,
  unitRequestsInFlightMax,
} from '../../limits.ts';
import { memoryOf } from '../apply/write-object.ts';
import type { Context } from '../context.ts';
import { asUnitError, UnitError } from '../failure.ts';
import { inParallel } from '../in-parallel.ts';
import { hashAsLeft } from '../live/live-objects.ts';
import { shortKey } from '../live/readiness.ts';
import { ownerName } from '../prepare/ownership.ts';
import { renderAgain } from '../prepare/prepare.ts';
import type { Target, Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';
import {
  changeText,
  detailsOf,
  driftReport,
  examine,
  examineRepaired,
  type Found,
} from './drift-findings.ts';
import { makeRoom } from './ignored.ts';

const fightLimits: FightLimits = {
  windowMs: fightWindowMs,
  repairsMax: fightRepairsMax,
  delayMsMin: fightDelayMsMin,
  delayMsMax: fightDelayMsMax,
};

/**
 * Compares what the watches know of one object with what we left, and remembers it when it differs; `object` is the state
 * it was found in. Our own writes under way are left out until their answer has come: their events may come before it.
 */
export function noticeDrift(
  { live }: Context,
  unit: Unit,
  text: string,
  object: KubernetesObject | undefined,
): boolean {
  const entry = (unit.target ?? unit.previous)?.entries.get(text);
  if (unit.inFlight.has(text)) {
    if (object) unit.seenInFlight.set(text, object);
    return false;
  }
  const found = object ?? unit.seenInFlight.get(text);
  unit.seenInFlight.delete(text);
  // A hook that has ended is history: it may go, by its time to live or by hand.
  if (!entry || entry.ownedHash === '' || entry.ended) return false;
  const record = live.get(text);
  const isAsLeft =
    record !== undefined &&
    record.partOf === unit.owner.applySetId &&
    (record.isLeaving || record.reconcileDisabled || record.ownedHash === entry.ownedHash);
  if (!isAsLeft) {
    unit.drifts.set(text, found);
    return true;
  }
  unit.drifts.delete(text);
  unit.driftsReported.delete(text);
  return false;
}

/** Repairs or reports what has drifted; a fight waits for its next turn. */
export async function settleDrifts(context: Context, unit: Unit, target: Target): Promise<void> {
  endFights(context, unit);
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
      const drift = { text, entry, found, bodyOf };
      await (reportOnly ? reportDrift : repair)(context, unit, target, drift);
    } catch (error) {
      failures.push(asUnitError(error, shortKey(entry.key)));
    }
  });
  unit.work.signal.throwIfAborted();
  if (failures[0]) throw failures[0];
}

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
  const { text, entry } = drift;
  const history = unit.repairs.get(text) ?? peaceful;
  const { waitMs } = nextRepair(history, clock.now(), fightLimits);
  if (waitMs > 0) {
    if (!unit.fights.has(text)) await beginFight(context, unit, drift);
    context.wakeAt(unit, clock.now() + waitMs);
    return;
  }
  const requests = requestsOf(context, unit, target.assignment);
  const desired = await drift.bodyOf(text);
  const wasKnown = live.get(text) !== undefined;
  unit.drifts.delete(text);
  unit.inFlight.add(text);
  let { found } = drift;
  let applied: KubernetesObject;
  try {
    // After a restart only the digest tells of drift; what was there is worth a request.
    if (wasKnown) found ??= await requests.get(addressOf(desired), unit.work.signal);
    const room = await makeRoom(context, unit, desired, wasKnown ? found : undefined);
    applied = await requests.apply(room.object, { force: true, signal: unit.work.signal });
    const ownedHash = hashAsLeft(live, applied);
    target.entries.set(text, {
      ...entry,
      uid: applied.metadata.uid ?? '',
      ownedHash,
      ignored: room.ignored.length,
      ...memoryOf(applied, entry.left ?? []),
    });
  } catch (error) {
    unit.drifts.set(text, found);
    throw error;
  } finally {
    unit.inFlight.delete(text);
  }
  const finding = examineRepaired(unit, { ...drift, found }, { applied, wasKnown });
  // Without a field that came back, all that had changed is left to others.
  if (finding.change !== 'changed' || finding.differencesTotal > 0) {
    const repaired = recordRepair(history, clock.now(), fightLimits);
    unit.repairs.set(text, repaired);
    const endsAtMs = fightEndsAtMs(repaired, fightLimits);
    if (endsAtMs !== undefined && unit.fights.has(text)) context.wakeAt(unit, endsAtMs);
    if (finding.managers.length > 0) unit.rivals.set(text, finding.managers.join(', '));
    context.audit(unit, 'DriftRepaired', `${changeText(entry.key, finding)}; restored`, {
      object: entry.key,
      details: detailsOf(finding),
    });
  }
  // What came while the write was under way is repaired in the next turn.
  if (noticeDrift(context, unit, text, undefined)) context.wakeAt(unit, clock.now());
}

/** Rendered objects; those that the cache let go are rendered again from the tree on disk, once for all of a turn. */
function createBodies(context: Context, unit: Unit, target: Target): Found['bodyOf'] {
  let again: ReturnType<typeof renderAgain> | undefined;
  const whole = async (text: string): Promise<KubernetesObject> => {
    const held = context.rendered.get(unit.id, text);
    if (held) return held;
    again ??= renderAgain(context, unit, target.assignment);
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
  target: Target,
  drift: Found,
): Promise<void> {
  const { text, entry } = drift;
  const record = context.live.get(text);
  const seen = record?.ownedHash ?? 'gone';
  if (unit.driftsReported.get(text)?.seen === seen) return;
  const finding = await examine(context, unit, drift);
  if (record && finding.change === 'changed' && finding.differencesTotal === 0) {
    // All that has changed is left to others, so this is what we left from now on.
    const ignored = finding.ignored;
    target.entries.set(text, { ...entry, ownedHash: record.ownedHash, ignored });
    unit.drifts.delete(text);
    unit.driftsReported.delete(text);
    return;
  }
  unit.driftsReported.set(text, { seen, report: driftReport(entry.key, 'reported', finding) });
  context.audit(unit, 'DriftDetected', changeText(entry.key, finding), {
    object: entry.key,
    details: detailsOf(finding),
  });
}

async function beginFight(context: Context, unit: Unit, drift: Found): Promise<void> {
  const { text, entry } = drift;
  const finding = await examine(context, unit, drift);
  const managers = finding.managers.join(', ') || unit.rivals.get(text) || '';
  const verb = finding.change === 'deleted' ? 'deleting' : 'changing';
  const message = `${managers || 'another writer'} keeps ${verb} ${shortKey(entry.key)}; repairs are slowed down`;
  unit.fights.set(text, { message, report: driftReport(entry.key, 'fight', finding) });
  context.audit(unit, 'DriftFight', message, {
    object: entry.key,
    details: { ...detailsOf(finding), managers: managers === '' ? [] : managers.split(', ') },
  });
}

/** A fight ends when the other side has been quiet for long enough; until then the unit is woken for its end. */
function endFights(context: Context, unit: Unit): void {
  const now = context.clock.now();
  for (const [text, { report }] of unit.fights) {
    if (unit.drifts.has(text)) continue;
    const endsAtMs = fightEndsAtMs(unit.repairs.get(text) ?? peaceful, fightLimits) ?? now;
    if (now < endsAtMs) {
      context.wakeAt(unit, endsAtMs);
      continue;
    }
    unit.fights.delete(text);
    unit.repairs.delete(text);
    unit.rivals.delete(text);
    const message = `${shortKey(report.object)} is left alone again; drift of it is repaired at once`;
    context.audit(unit, 'DriftFightEnded', message, { object: report.object });
  }
}
