import { endOf } from './apply/hooks.ts';
import type { Context } from './context.ts';
import { isReady } from './live/readiness.ts';
import type { Unit } from './unit.ts';

type Units = Pick<Context, 'units' | 'live'>;

/** What the unit must wait for before it is applied, in words that name it; empty when nothing is in its way. */
export function waitsForUnits({ units, live }: Units, unit: Unit): string {
  const { dependsOn } = unit.assignment.apply;
  if (dependsOn.length === 0) return '';
  const cycle = cycleThrough(units, unit);
  if (cycle !== '') return `would wait for itself (${cycle}); break the cycle in apply.dependsOn`;
  const reasons = dependsOn.flatMap((pipeline) => {
    const found = unitsOf(units, pipeline);
    if (found.length === 0) return [`pipeline ${pipeline}, which has no unit in this cluster`];
    return found
      .filter((dependency) => !isSettled(live, dependency))
      .map((dependency) => `unit ${dependency.id} (${stateOf(dependency)})`);
  });
  return reasons.length === 0 ? '' : `waits for ${reasons.join(', ')}`;
}

const unitsOf = (units: Context['units'], pipeline: string): Unit[] =>
  [...units.values()].filter(({ assignment, next }) => (next ?? assignment).pipeline === pipeline);

const stateOf = ({ assignment, next, phase }: Unit): string => {
  const { disposition } = next ?? assignment;
  return disposition === 'run' ? (next ? 'accepted' : phase) : 'taken out of this cluster';
};

function isSettled(live: Context['live'], unit: Unit): boolean {
  // What a held prune would take away is in nobody's way.
  const isDone = unit.phase === 'settled' || unit.phase === 'prune-held';
  const isReached = isDone && unit.next === undefined;
  if (!isReached || unit.assignment.disposition !== 'run') return false;
  for (const [text, entry] of unit.target?.entries ?? []) {
    if (!endOf(unit, entry) && !isReady(live.get(text))) return false;
  }
  return true;
}

/** A way from the unit back to its own pipeline; the hub refuses one at write, but pipelines are written one by one. */
function cycleThrough(units: Context['units'], unit: Unit): string {
  const { pipeline } = unit.assignment;
  const seen = new Set<string>();
  const search = (at: readonly string[]): string => {
    const last = at.at(-1) as string;
    for (const each of unitsOf(units, last)) {
      for (const next of (each.next ?? each.assignment).apply.dependsOn) {
        if (next === pipeline) return [...at, next].join(' → ');
        if (seen.has(next)) continue;
        seen.add(next);
        const found = search([...at, next]);
        if (found !== '') return found;
      }
    }
    return '';
  };
  return search([pipeline]);
}
