import { compareObjectKeys, objectKeyText } from '@fairlead/shared/manifest';
import { type Health, healthRank, worstHealth } from '../../domain/health/index.ts';
import type { ObjectReport, UnitReport } from '../../domain/link/index.ts';
import {
  reportDriftsMax,
  reportObjectsMax,
  rivalsShownMax,
  unitMessageCharactersMax,
} from '../../limits.ts';
import { endOf } from '../apply/hooks.ts';
import type { LiveObjects } from '../live/live-objects.ts';
import { shortKey } from '../live/readiness.ts';
import type { PodLook, Unit } from '../unit.ts';

const beforeApplied = new Set(['accepted', 'fetching', 'rendering', 'applying']);

/** What the unit is like now. It holds no time, so two reports are equal exactly when nothing has changed. */
export function reportOf(unit: Unit, live: LiveObjects): UnitReport {
  const { assignment, target, inventory } = unit;
  const entries = target?.entries.size ? [...target.entries.values()] : (inventory?.entries ?? []);
  const known = unit.phase === 'deleted' ? [] : entries;
  const unhealthy: ObjectReport[] = [];
  const rivals: string[] = [];
  for (const entry of known) {
    const { key } = entry;
    const text = objectKeyText(key);
    const end = endOf(unit, entry);
    if (end?.outcome === 'succeeded') continue;
    if (end) {
      const message = unit.podLooks.get(text)?.message || end.message;
      unhealthy.push({ object: key, health: 'Degraded', message });
      continue;
    }
    const record = live.get(text);
    if (record?.rivals) rivals.push(`${shortKey(key)} is also applied by ${record.rivals}`);
    if (record?.health === 'Healthy') continue;
    const look = unit.podLooks.get(text);
    unhealthy.push({
      object: key,
      health: record ? healthWithPods(unit, record.health, look) : 'Missing',
      message: look?.message || (record?.message ?? 'is not in the cluster'),
    });
  }
  unhealthy.sort((left, right) => healthRank(left.health) - healthRank(right.health));
  return {
    unit: unit.id,
    epoch: assignment.epoch,
    generation: assignment.generation,
    commit: assignment.commit,
    phase: unit.phase,
    health: unitHealth(unit, unhealthy, known.length),
    message: messageOf(unit, unhealthy, rivals).slice(0, unitMessageCharactersMax),
    terminal: unit.terminal,
    objectsTotal: known.length,
    objectsHealthy: known.length - unhealthy.length,
    objects: unhealthy.slice(0, reportObjectsMax),
    objectsTruncated: Math.max(0, unhealthy.length - reportObjectsMax),
    pruneHeldObjects: unit.pruneHeld?.objectsTotal ?? 0,
    pruneHeld: unit.pruneHeld?.first ?? [],
    pruneHeldDigest: unit.pruneHeld?.digest ?? '',
    ...driftsOf(unit),
    ignoredTotal: known.reduce((sum, { ignored = 0 }) => sum + ignored, 0),
  };
}

/**
 * A Deployment's own status says nothing of the pods that crash after it was rolled out, so they say it themselves. While
 * it is rolled out, its progress deadline decides how long a pod may fail.
 */
function healthWithPods(unit: Unit, health: Health, look: PodLook | undefined): Health {
  const wasRolledOut = unit.target?.stage === 'done' || unit.target?.stage === 'held';
  return health === 'Progressing' && wasRolledOut && look?.isBroken ? 'Degraded' : health;
}

/** What is not repaired now, in an order that does not depend on when it was found. */
function driftsOf({ driftsReported, fights }: Unit): Pick<UnitReport, 'drifts' | 'driftsTotal'> {
  const drifts = [...driftsReported.values(), ...fights.values()]
    .map(({ report }) => report)
    .sort((left, right) => compareObjectKeys(left.object, right.object));
  return { drifts: drifts.slice(0, reportDriftsMax), driftsTotal: drifts.length };
}

/** A generation that is not applied yet cannot be healthy: what is live may be of the one before. */
function unitHealth(unit: Unit, unhealthy: readonly ObjectReport[], total: number): Health {
  if (unit.phase === 'failed' && total === 0) return 'Unknown';
  const worst = worstHealth(unhealthy.map(({ health }) => health));
  const isBefore = beforeApplied.has(unit.phase) || isHeldBack(unit);
  if (!isBefore) return worst;
  return worst === 'Healthy' || worst === 'Missing' ? 'Progressing' : worst;
}

/** It waits for other units, and nothing of its generation is applied. */
const isHeldBack = ({ phase, target }: Unit): boolean => phase === 'waiting' && !target;

function messageOf(
  unit: Unit,
  unhealthy: readonly ObjectReport[],
  rivals: readonly string[],
): string {
  const [worst, ...others] = unhealthy;
  // The reason of this moment says more than the one that was known when the wait began.
  const isWaiting = unit.phase === 'waiting' && worst !== undefined && !isHeldBack(unit);
  const said = isWaiting
    ? `waits for ${shortKey(worst.object)}: ${worst.message || worst.health}${others.length > 0 ? `, and for ${others.length} more` : ''}`
    : unit.message;
  const parts = [
    said,
    ...[...unit.fights.values()].map((fight) => fight.message),
    ...rivals.slice(0, rivalsShownMax),
  ];
  if (rivals.length > rivalsShownMax) {
    parts.push(`${rivals.length - rivalsShownMax} more objects are applied by other tools as well`);
  }
  if (unit.signatureWarning !== '') parts.push(unit.signatureWarning);
  if (unit.driftsReported.size > 0) {
    const drifted = unit.driftsReported.size;
    parts.push(
      `${drifted === 1 ? 'an object has' : `${drifted} objects have`} drifted and by policy ${drifted === 1 ? 'is' : 'are'} not repaired`,
    );
  }
  const isSaid = said !== '' && unit.phase !== 'settled';
  if (!isSaid && worst && !beforeApplied.has(unit.phase)) {
    parts.push(`${shortKey(worst.object)}: ${worst.message || worst.health}`);
  }
  return parts.filter((part) => part !== '').join('; ');
}
