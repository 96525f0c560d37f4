import { type ObjectKey, objectKeyText } from '@fairlead/shared/manifest';
import type { DeletionBudget } from '../link/index.ts';
import { comparePositions, type Position } from './order.ts';
import { type Owner, ownerText } from './ownership.ts';

/** A live object that carries an ApplySet label, as the watches know it. */
export type LiveObject = {
  readonly key: ObjectKey;
  readonly apiVersion: string;
  readonly uid: string;
  /** The value of the ApplySet label. */
  readonly partOf: string;
  /** The owner annotation as it stands; empty without one. */
  readonly owner: string;
  /** Why the object itself asks to stay when it is no longer rendered; empty when it may go. */
  readonly keepReason: string;
  readonly position: Position;
  /** Its owner references: an object goes before what it depends on, and the garbage collector follows them. */
  readonly ownerUids: readonly string[];
  /** What the API server removes together with this object, as `containersOf` names it; empty for most. */
  readonly contains: string;
};

export type PrunePolicy = { readonly prune: boolean; readonly deletionBudget: DeletionBudget };

export type Removal = Pick<LiveObject, 'key' | 'apiVersion' | 'uid' | 'contains'>;

export type PrunePlan = {
  /** Removed one step after the other: in reverse order of applying, and dependents before what they depend on. */
  readonly steps: readonly (readonly Removal[])[];
  readonly objectsTotal: number;
  /** Why a person must confirm it first; empty when it is within the deletion budget. */
  readonly held: string;
};

export type Kept = { readonly key: ObjectKey; readonly reason: string };

export type PruneDecision = { readonly prune: PrunePlan; readonly kept: readonly Kept[] };

export type PruneInput = {
  readonly owner: Owner;
  /** Those that are on their way out already are left out. */
  readonly live: readonly LiveObject[];
  readonly policy: PrunePolicy;
};

/** What goes once all is healthy, from what is live by then; `wanted` holds the key texts of the rendered objects. */
export function planPrune(
  input: PruneInput & { readonly wanted: ReadonlySet<string> },
): PruneDecision {
  const { wanted, owner, policy } = input;
  const { removals, kept } = sortOut(input.live, wanted, owner);
  if (!policy.prune) {
    const off = removals.map(({ key }) => ({ key, reason: 'pruning is switched off' }));
    return { prune: prunePlan([], wanted.size, policy), kept: [...kept, ...off] };
  }
  return { prune: prunePlan(removals, wanted.size + removals.length, policy), kept };
}

/** Removes everything that the unit owns, by an explicit order of a person, which names how many objects go. */
export function planRemoval(input: PruneInput): PruneDecision {
  const { removals, kept } = sortOut(input.live, new Set(), input.owner);
  return { prune: prunePlan(removals, removals.length, input.policy), kept };
}

const namespaceOf = (name: string): string => `namespace ${name}`;
const kindOf = (group: string, kind: string): string => `kind ${group}/${kind}`;

/** What holds an object of this key: its namespace, and the definition of its kind. */
export const containersOf = ({ group, kind, namespace }: ObjectKey): readonly string[] => [
  namespaceOf(namespace),
  kindOf(group, kind),
];

/** What is removed together with this object: everything in a namespace, every object of a defined kind. */
export function containsOf(object: {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: unknown;
}): string {
  if (object.kind === 'Namespace') return namespaceOf(object.metadata.name);
  if (object.kind !== 'CustomResourceDefinition') return '';
  const spec = object.spec as { group?: string; names?: { kind?: string } } | undefined;
  return kindOf(spec?.group ?? '', spec?.names?.kind ?? '');
}

/** Only an object whose label and annotation name this very unit and this very object may go. */
function sortOut(live: readonly LiveObject[], wanted: ReadonlySet<string>, owner: Owner) {
  const removals = new Map<string, LiveObject>();
  const kept: Kept[] = [];
  const staying: LiveObject[] = [];
  for (const object of live) {
    const text = objectKeyText(object.key);
    const reason = wanted.has(text) ? undefined : reasonToKeep(object, owner);
    if (reason === '') {
      removals.set(object.uid, object);
      continue;
    }
    staying.push(object);
    if (reason !== undefined) kept.push({ key: object.key, reason });
  }
  keepHolders(removals, kept, staying);
  return { removals: [...removals.values()], kept };
}

/**
 * What would take an object along that stays, stays as well: the API server empties a namespace and a kind with their
 * object, and the garbage collector follows owner references.
 */
function keepHolders(removals: Map<string, LiveObject>, kept: Kept[], staying: LiveObject[]): void {
  const holders = new Map<string, LiveObject>();
  for (const object of removals.values()) {
    if (object.contains !== '') holders.set(object.contains, object);
  }
  for (let stays = staying.pop(); stays !== undefined; stays = staying.pop()) {
    const held = [
      ...containersOf(stays.key).map((container) => holders.get(container)?.uid),
      ...stays.ownerUids,
    ];
    for (const uid of held) {
      const holder = uid === undefined ? undefined : removals.get(uid);
      if (!holder || holder === stays) continue;
      removals.delete(holder.uid);
      const verb = holder.contains === '' ? 'owns' : 'holds';
      kept.push({
        key: holder.key,
        reason: `it ${verb} ${objectKeyText(stays.key)}, which stays`,
      });
      staying.push(holder);
    }
  }
}

function reasonToKeep(object: LiveObject, { unit, applySetId }: Owner): string {
  if (object.partOf !== applySetId) return 'another ApplySet owns it';
  if (object.owner !== ownerText(unit, object.key)) {
    return 'its owner annotation names another unit or object, so it is a copy';
  }
  return object.keepReason;
}

function prunePlan(
  removals: readonly LiveObject[],
  ownedTotal: number,
  { deletionBudget }: PrunePolicy,
): PrunePlan {
  const percent = ownedTotal === 0 ? 0 : (100 * removals.length) / ownedTotal;
  const { objectsMax, percentMax } = deletionBudget;
  const over = removals.length > objectsMax && percent > percentMax;
  return {
    steps: pruneSteps(removals),
    objectsTotal: removals.length,
    held: over
      ? `${removals.length} of ${ownedTotal} objects would go, which is over the deletion budget of ` +
        `${objectsMax} objects and ${percentMax} %`
      : '',
  };
}

/** Where an object stands in the order of removal: at its place in the reverse order of applying, or after its dependents. */
type Place = { readonly turn: number; readonly level: number };
const comparePlaces = (left: Place, right: Place): number =>
  left.turn - right.turn || left.level - right.level;

function pruneSteps(removals: readonly LiveObject[]): (readonly Removal[])[] {
  const sorted = removals.toSorted(
    (left, right) =>
      comparePositions(right.position, left.position) ||
      (objectKeyText(left.key) < objectKeyText(right.key) ? 1 : -1),
  );
  const places = placesOf(sorted);
  const steps: { place: Place; removals: Removal[] }[] = [];
  const placed = sorted
    .map((object) => ({ object, place: places.get(object.uid) ?? { turn: 0, level: 0 } }))
    .sort((left, right) => comparePlaces(left.place, right.place));
  for (const { object, place } of placed) {
    const { key, apiVersion, uid, contains } = object;
    const removal = { key, apiVersion, uid, contains };
    const last = steps.at(-1);
    if (last && comparePlaces(last.place, place) === 0) last.removals.push(removal);
    else steps.push({ place, removals: [removal] });
  }
  return steps.map((step) => step.removals);
}

/** Dependents first. A circle of owner references is cut where it is met again: its objects go in the order of applying. */
function placesOf(sorted: readonly LiveObject[]): ReadonlyMap<string, Place> {
  const turns = new Map<string, number>();
  let turn = 0;
  for (const [index, object] of sorted.entries()) {
    const before = sorted[index - 1];
    if (before && comparePositions(before.position, object.position) !== 0) turn++;
    turns.set(object.uid, turn);
  }
  const dependents = dependentsOf(sorted);
  const places = new Map<string, Place>();
  // Depth first with a stack of its own: a chain of owners may be longer than the call stack is deep.
  for (const root of sorted) {
    const entered = new Set<string>();
    const stack = [root.uid];
    for (let uid = stack.at(-1); uid !== undefined; uid = stack.at(-1)) {
      const open = entered.has(uid)
        ? []
        : (dependents.get(uid) ?? []).filter((next) => !places.has(next) && !entered.has(next));
      entered.add(uid);
      if (open.length > 0 && !places.has(uid)) {
        stack.push(...open);
        continue;
      }
      stack.pop();
      if (!places.has(uid))
        places.set(uid, placeAfter(turns.get(uid) ?? 0, uid, dependents, places));
    }
  }
  return places;
}

function placeAfter(
  turn: number,
  uid: string,
  dependents: ReadonlyMap<string, readonly string[]>,
  places: ReadonlyMap<string, Place>,
): Place {
  let place: Place = { turn, level: 0 };
  for (const dependent of dependents.get(uid) ?? []) {
    const before = places.get(dependent);
    if (!before) continue;
    const next = { turn: before.turn, level: before.level + 1 };
    if (comparePlaces(next, place) > 0) place = next;
  }
  return place;
}

/** By uid, the removals that must go before it. */
function dependentsOf(removals: readonly LiveObject[]): ReadonlyMap<string, readonly string[]> {
  const holders = new Map(removals.map((object) => [object.contains, object.uid]));
  holders.delete('');
  const known = new Set(removals.map(({ uid }) => uid));
  const dependents = new Map<string, string[]>();
  const add = (holder: string | undefined, dependent: string) => {
    if (holder === undefined || holder === dependent || !known.has(holder)) return;
    const listed = dependents.get(holder);
    if (listed) listed.push(dependent);
    else dependents.set(holder, [dependent]);
  };
  for (const { key, uid, ownerUids } of removals) {
    for (const container of containersOf(key)) add(holders.get(container), uid);
    for (const ownerUid of ownerUids) add(ownerUid, uid);
  }
  return dependents;
}
