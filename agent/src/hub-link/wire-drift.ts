import { DriftChange, DriftState, Drifts, type FieldDifference } from '@fairlead/proto';
import type { DriftReport, UnitReport } from '../domain/link/index.ts';
import { clipText } from '../journal/index.ts';
import { driftPathBytesMax, driftValueBytesMax } from '../limits.ts';

const states: Readonly<Record<DriftReport['state'], DriftState>> = {
  reported: DriftState.DRIFT_STATE_REPORTED,
  fight: DriftState.DRIFT_STATE_FIGHT,
};
const changes: Readonly<Record<DriftReport['change'], DriftChange>> = {
  changed: DriftChange.DRIFT_CHANGE_CHANGED,
  deleted: DriftChange.DRIFT_CHANGE_DELETED,
  released: DriftChange.DRIFT_CHANGE_RELEASED,
};

/**
 * The drift of a report, with at most so many objects; absent where there is nothing to say. A report that an older agent
 * left in the journal says nothing of it.
 */
export function driftsMessage(
  { drifts = [], driftsTotal = 0, ignoredTotal = 0 }: Partial<UnitReport>,
  objectsMax: number,
): Drifts | undefined {
  if (driftsTotal === 0 && ignoredTotal === 0) return undefined;
  return Drifts.fromPartial({
    objects: drifts.slice(0, objectsMax).map((drift) => ({
      object: drift.object,
      state: states[drift.state],
      change: changes[drift.change],
      managers: drift.managers.map((name) => clipText(name, driftPathBytesMax)),
      differences: drift.differences.map(differenceMessage),
      differencesTotal: drift.differencesTotal,
    })),
    objectsTotal: driftsTotal,
    ignoredTotal,
  });
}

/** Values are clipped where they are compared; an agent of before this limit may have longer ones in its journal. */
export function differenceMessage({
  path,
  live,
  desired,
}: DriftReport['differences'][number]): FieldDifference {
  return {
    path: clipText(path, driftPathBytesMax),
    liveJson: valueJson(live),
    desiredJson: valueJson(desired),
  };
}

/** A text is cut within its quotes, so that what arrives is JSON. */
function valueJson(value: unknown): string {
  if (value === undefined) return '';
  const json = JSON.stringify(value);
  return Buffer.byteLength(json) <= driftValueBytesMax
    ? json
    : JSON.stringify(clipText(json, driftValueBytesMax));
}
