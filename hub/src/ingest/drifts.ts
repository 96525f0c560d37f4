import { DriftChange, DriftState, type Drifts } from '@fairlead/proto';
import { type FieldValues, fieldValues } from '../field-values/index.ts';
import { driftManagersMax, driftValueCharactersMax, reportDriftsMax } from '../limits.ts';

/** An object that is not as its commit wants it and is not repaired at once. */
export type ReceivedDrift = {
  readonly object: { group: string; kind: string; namespace: string; name: string };
  readonly state: 'reported' | 'fight';
  readonly change: 'changed' | 'deleted' | 'released';
  readonly managers: readonly string[];
  readonly differences: readonly FieldValues[];
  readonly differencesTotal: number;
};

const changes: Readonly<Partial<Record<DriftChange, ReceivedDrift['change']>>> = {
  [DriftChange.DRIFT_CHANGE_CHANGED]: 'changed',
  [DriftChange.DRIFT_CHANGE_DELETED]: 'deleted',
  [DriftChange.DRIFT_CHANGE_RELEASED]: 'released',
};

/** Nothing of what an agent says here decides anything, so what is too much is cut and not refused. */
export const driftsOf = (drifts: Drifts | undefined): ReceivedDrift[] =>
  (drifts?.objects ?? []).slice(0, reportDriftsMax).map((drift) => ({
    object: {
      group: clip(drift.object?.group),
      kind: clip(drift.object?.kind),
      namespace: clip(drift.object?.namespace),
      name: clip(drift.object?.name),
    },
    state: drift.state === DriftState.DRIFT_STATE_FIGHT ? 'fight' : 'reported',
    change: changes[drift.change] ?? 'changed',
    managers: drift.managers.slice(0, driftManagersMax).map(clip),
    differences: fieldValues(drift.differences),
    differencesTotal: drift.differencesTotal,
  }));

const clip = (text = ''): string => text.slice(0, driftValueCharactersMax);
