import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import { declaredWave } from './annotations.ts';
import { comparePositions, keyTextOf, type PhaseName, type Position, positionOf } from './order.ts';
import { type Owner, stamp } from './ownership.ts';
import {
  type Kept,
  type LiveObject,
  type PrunePlan,
  type PrunePolicy,
  planPrune,
} from './prune-plan.ts';

export type PlanInput = {
  readonly owner: Owner;
  /** Rendered objects, with their namespaces set. */
  readonly desired: readonly KubernetesObject[];
  /** Live objects that may be the unit's; foreign ones among them are recognised and left. */
  readonly live: readonly LiveObject[];
  readonly policy: PrunePolicy;
};

/** Objects that are applied side by side. */
export type ApplyStep = {
  readonly wave: number;
  readonly phase: PhaseName;
  /** What of the steps before must be so before this one starts. */
  readonly after: 'applied' | 'defined' | 'healthy';
  readonly objects: readonly KubernetesObject[];
};

export type Plan = {
  readonly steps: readonly ApplyStep[];
  readonly prune: PrunePlan;
  readonly kept: readonly Kept[];
};

/**
 * What to do so that the cluster holds exactly the desired objects: steps in order, and what goes once all is healthy.
 * Absence is never deletion, so an empty render is a fault and no plan.
 */
export function plan(input: PlanInput): Result<Plan, string[]> {
  const { desired, owner } = input;
  if (desired.length === 0) {
    return err(['the commit renders no objects; nothing is removed, delete the unit instead']);
  }
  const faults = [...duplicates(desired), ...invalidWaves(desired)];
  if (faults.length > 0) return err(faults);
  const wanted = new Set(desired.map(keyTextOf));
  return ok({
    steps: applySteps(desired, owner),
    ...planPrune({ owner, wanted, live: input.live, policy: input.policy }),
  });
}

function duplicates(desired: readonly KubernetesObject[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const text of desired.map(keyTextOf)) (seen.has(text) ? twice : seen).add(text);
  return [...twice].sort().map((text) => `${text} is rendered more than once`);
}

const invalidWaves = (desired: readonly KubernetesObject[]): string[] =>
  desired
    .filter((object) => declaredWave(object.metadata) === 'invalid')
    .map((object) => `${keyTextOf(object)} declares a wave that is not a whole number`);

function applySteps(desired: readonly KubernetesObject[], owner: Owner): ApplyStep[] {
  const sorted = desired
    .map((object) => ({ object, position: positionOf(object), text: keyTextOf(object) }))
    .sort(
      (left, right) =>
        comparePositions(left.position, right.position) || (left.text < right.text ? -1 : 1),
    );
  const steps: (Position & { after: ApplyStep['after']; objects: KubernetesObject[] })[] = [];
  for (const { object, position } of sorted) {
    const last = steps.at(-1);
    if (last && comparePositions(last, position) === 0) last.objects.push(stamp(object, owner));
    else steps.push({ ...position, after: after(last, position), objects: [stamp(object, owner)] });
  }
  return steps;
}

/** Definitions must work before anything that may use them; waves wait for health; kinds of one wave for order only. */
function after(previous: Position | undefined, next: Position): ApplyStep['after'] {
  if (!previous) return 'applied';
  if (previous.phase === 'definitions') return 'defined';
  return previous.wave === next.wave ? 'applied' : 'healthy';
}
