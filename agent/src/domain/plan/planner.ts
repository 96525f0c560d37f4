import { type KubernetesObject, type ObjectKey, objectKeyText } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { DeletionBudget } from '../link/index.ts';
import { declaredWave } from './annotations.ts';
import { hookOf } from './hooks.ts';
import { comparePositions, keyTextOf, type Position, positionOf } from './order.ts';
import { type Owner, ownerText, stamp } from './ownership.ts';

/** A live object that carries an ApplySet label, as the watches know it. */
export type LiveObject = {
  readonly key: ObjectKey;
  readonly apiVersion: string;
  readonly uid: string;
  /** The value of the ApplySet label. */
  readonly partOf: string;
  /** The owner annotation as it stands; empty without one. */
  readonly owner: string;
  readonly pruneDisabled: boolean;
  readonly position: Position;
};

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

export type PrunePolicy = {
  readonly prune: boolean;
  readonly deletionBudget: DeletionBudget;
  /** A person confirmed the prune of this very generation. */
  readonly confirmed: boolean;
};

/** Objects that are applied side by side. */
export type ApplyStep = Position & {
  /** What of the steps before must be so before this one starts. */
  readonly after: 'applied' | 'defined' | 'healthy';
  readonly objects: readonly KubernetesObject[];
};

export type Removal = Pick<LiveObject, 'key' | 'apiVersion' | 'uid'>;

export type PrunePlan = {
  /** Removed one step after the other, in reverse order of applying. */
  readonly steps: readonly (readonly Removal[])[];
  readonly objectsTotal: number;
  /** Why a person must confirm it first; empty when it may go on. */
  readonly held: string;
};

export type Kept = { readonly key: ObjectKey; readonly reason: string };

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
  const faults = [...duplicates(desired), ...invalidWaves(desired)];
  if (faults.length > 0) return err(faults);
  const wanted = new Set(desired.map(keyTextOf));
  const stamped = desired.map((object) => stamp(object, owner, hookRun));
  return ok({
    steps: applySteps(stamped.filter((object) => !isOnFailure(object))),
    onFailure: stamped.filter(isOnFailure),
    ...planPrune({ owner, wanted, live: input.live, policy: input.policy }),
  });
}

/** What goes once all is healthy, from what is live by then; `wanted` holds the key texts of the rendered objects. */
export function planPrune(
  input: Omit<PlanInput, 'desired'> & { readonly wanted: ReadonlySet<string> },
): Pick<Plan, 'prune' | 'kept'> {
  const { wanted, owner, policy } = input;
  const { removals, kept } = sortOut(input.live, wanted, owner);
  if (!policy.prune) {
    const off = removals.map(({ key }) => ({ key, reason: 'pruning is switched off' }));
    return { prune: prunePlan([], wanted.size, policy), kept: [...kept, ...off] };
  }
  return { prune: prunePlan(removals, wanted.size + removals.length, policy), kept };
}

/** Removes everything that the unit owns, by an explicit order of a person; the budget still holds. */
export function planRemoval(input: Omit<PlanInput, 'desired'>): Pick<Plan, 'prune' | 'kept'> {
  const { removals, kept } = sortOut(input.live, new Set(), input.owner);
  return { prune: prunePlan(removals, removals.length, input.policy), kept };
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

/** Only an object whose label and annotation name this very unit and this very object may go. */
function sortOut(live: readonly LiveObject[], wanted: ReadonlySet<string>, owner: Owner) {
  const removals: LiveObject[] = [];
  const kept: Kept[] = [];
  for (const object of live) {
    if (wanted.has(objectKeyText(object.key))) continue;
    const reason = reasonToKeep(object, owner);
    if (reason === '') removals.push(object);
    else kept.push({ key: object.key, reason });
  }
  return { removals, kept };
}

function reasonToKeep(object: LiveObject, { unit, applySetId }: Owner): string {
  if (object.partOf !== applySetId) return 'another ApplySet owns it';
  if (object.owner !== ownerText(unit, object.key)) {
    return 'its owner annotation names another unit or object, so it is a copy';
  }
  return object.pruneDisabled ? 'an annotation disables its pruning' : '';
}

function prunePlan(
  removals: readonly LiveObject[],
  ownedTotal: number,
  { deletionBudget, confirmed }: PrunePolicy,
): PrunePlan {
  const sorted = removals.toSorted(
    (left, right) =>
      comparePositions(right.position, left.position) ||
      (objectKeyText(left.key) < objectKeyText(right.key) ? 1 : -1),
  );
  const steps: { position: Position; removals: Removal[] }[] = [];
  for (const { key, apiVersion, uid, position } of sorted) {
    const last = steps.at(-1);
    const removal = { key, apiVersion, uid };
    if (last && comparePositions(last.position, position) === 0) last.removals.push(removal);
    else steps.push({ position, removals: [removal] });
  }
  const percent = ownedTotal === 0 ? 0 : (100 * removals.length) / ownedTotal;
  const { objectsMax, percentMax } = deletionBudget;
  const over = removals.length > objectsMax && percent > percentMax;
  return {
    steps: steps.map((step) => step.removals),
    objectsTotal: removals.length,
    held:
      over && !confirmed
        ? `${removals.length} of ${ownedTotal} objects would go, which is over the deletion budget of ` +
          `${objectsMax} objects and ${percentMax} %`
        : '',
  };
}
