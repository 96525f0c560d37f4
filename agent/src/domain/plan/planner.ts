import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import { ignoreFaults } from '../drift/index.ts';
import { declaredWave } from './annotations.ts';
import { hookOf } from './hooks.ts';
import { comparePositions, keyTextOf, type Position, positionOf } from './order.ts';
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
  /** Names this generation's run of the hooks. */
  readonly hookRun?: string;
};

/** Objects that are applied side by side. */
export type ApplyStep = Position & {
  /** What of the steps before must be so before this one starts. */
  readonly after: 'applied' | 'defined' | 'healthy';
  readonly objects: readonly KubernetesObject[];
};

export type Plan = {
  readonly steps: readonly ApplyStep[];
  /** Hooks that are applied only when the unit has failed for good. */
  readonly onFailure: readonly KubernetesObject[];
  readonly prune: PrunePlan;
  readonly kept: readonly Kept[];
};

/**
 * What to do so that the cluster holds exactly the desired objects: steps in order, and what goes once all is healthy.
 * Absence is never deletion, so an empty render is a fault and no plan.
 */
export function plan(input: PlanInput): Result<Plan, string[]> {
  const { owner, hookRun } = input;
  const desired = input.desired.filter((object) => hookOf(object) !== 'skip');
  if (desired.length === 0) {
    return err(['the commit renders no objects; nothing is removed, delete the unit instead']);
  }
  const faults = [...duplicates(desired), ...invalidWaves(desired), ...invalidIgnores(desired)];
  if (faults.length > 0) return err(faults);
  const wanted = new Set(desired.map(keyTextOf));
  const stamped = desired.map((object) => stamp(object, owner, hookRun));
  return ok({
    steps: applySteps(stamped.filter((object) => !isOnFailure(object))),
    onFailure: stamped.filter(isOnFailure),
    ...planPrune({ owner, wanted, live: input.live, policy: input.policy }),
  });
}

const isOnFailure = (object: KubernetesObject): boolean => {
  const hook = hookOf(object);
  return typeof hook === 'object' && hook.when === 'on-failure';
};

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

const invalidIgnores = (desired: readonly KubernetesObject[]): string[] =>
  desired.flatMap((object) => ignoreFaults(object).map((fault) => `${keyTextOf(object)} ${fault}`));

function applySteps(desired: readonly KubernetesObject[]): ApplyStep[] {
  type Group = Position & { items: { text: string; object: KubernetesObject }[] };
  const groups = new Map<string, Group>();
  for (const object of desired) {
    const position = positionOf(object);
    const name = `${position.section} ${position.wave} ${position.phase}`;
    const group = groups.get(name) ?? { ...position, items: [] };
    groups.set(name, group);
    group.items.push({ text: keyTextOf(object), object });
  }
  const sorted = [...groups.values()].sort(comparePositions);
  return sorted.map(({ items, ...position }, index) => {
    items.sort((left, right) => (left.text < right.text ? -1 : 1));
    const objects = items.map(({ object }) => object);
    return { ...position, after: after(sorted[index - 1], position), objects };
  });
}

/** Definitions must work before anything that may use them; waves wait for health; kinds of one wave for order only. */
function after(previous: Position | undefined, next: Position): ApplyStep['after'] {
  if (!previous) return 'applied';
  if (previous.phase === 'definitions') return 'defined';
  const isSameWave = previous.section === next.section && previous.wave === next.wave;
  return isSameWave ? 'applied' : 'healthy';
}
