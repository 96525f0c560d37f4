import {
  groupOf,
  type KubernetesObject,
  objectKey,
  objectKeyText,
} from '@fairlead/shared/manifest';
import type { Resource } from '../../cluster/index.ts';
import type { Assignment } from '../../domain/link/index.ts';
import { type Hook, plan, stamp } from '../../domain/plan/index.ts';
import type { Permit } from '../../domain/policy/index.ts';
import { unitRequestsInFlightMax } from '../../limits.ts';
import { endAtStart, runningHook } from '../apply/hooks.ts';
import { createBreath, pauseFor } from '../breath.ts';
import type { Context } from '../context.ts';
import { ignoreText } from '../drift/ignored.ts';
import { UnitError } from '../failure.ts';
import { inParallel } from '../in-parallel.ts';
import { digest } from '../live/live-objects.ts';
import type { Inventory, InventoryEntry } from '../ports.ts';
import { prunePolicy } from '../prune/prune.ts';
import { emptyTarget, type Target, type Unit } from '../unit.ts';
import { requestsOf } from '../unit-requests.ts';
import { refuseForeignObjects } from './ownership.ts';
import { askPermit, refuseOutOfScope, verifyCommit } from './permission.ts';

/** From the assignment to a target: the tree, the rendered objects, their owners and the plan. Nothing is applied yet. */
export async function prepare(context: Context, unit: Unit): Promise<Target> {
  const { journal, rendered, claims } = context;
  const { assignment } = unit;
  const { signal } = unit.work;
  const permit = await askPermit(context, unit);
  const desired = await desiredObjects(context, unit, assignment, permit);
  refuseOutOfScope(context, permit, desired);
  await followKinds(context, unit, desired);
  await pauseFor(desired.length);
  await refuseForeignObjects(context, unit, desired);
  signal.throwIfAborted();
  // In one go with the look at the claims of others, so that of two units that claim an object at once one is refused.
  for (const object of desired) claims.set(objectKeyText(objectKey(object)), unit.id);
  await pauseFor(desired.length);

  const planned = plan({
    owner: unit.owner,
    desired,
    // What goes is decided once all is healthy, from what is live by then.
    live: [],
    policy: prunePolicy(unit),
    hookRun: hookRunOf(assignment),
  });
  if (!planned.ok) {
    throw new UnitError(planned.error.join('; '), { terminal: true, audit: 'RenderFailed' });
  }
  const { steps, onFailure } = planned.value;
  const objects = steps.flatMap((step) => step.objects);
  await pauseFor(desired.length);
  const hooks = new Map<string, Hook>();
  const texts = new Map<string, string>();
  const entries = new Map<string, InventoryEntry>();
  const known = new Map(
    unit.inventory?.entries.map((entry) => [objectKeyText(entry.key), entry] as const),
  );
  const breath = createBreath();
  for (const object of objects) {
    const pause = breath();
    if (pause) await pause;
    const key = objectKey(object);
    const text = objectKeyText(key);
    const body = JSON.stringify(object);
    const desiredHash = digest(body + ignoreText(object, unit.assignment));
    const before = known.get(text);
    const hook = runningHook(object);
    if (hook) hooks.set(text, hook);
    const ended = hook && endAtStart(unit, hook, before);
    const same = before && isAsApplied(unit, before, desiredHash) ? before : undefined;
    texts.set(text, body);
    entries.set(text, {
      key,
      apiVersion: object.apiVersion,
      uid: same?.uid ?? '',
      desiredHash,
      ownedHash: same?.ownedHash ?? '',
      // What was ours before tells drift from a conflict, also when the object itself is to be changed.
      ...(before?.fields ? { fields: before.fields } : {}),
      ...(before?.left ? { left: before.left } : {}),
      ...(ended ? { ended } : {}),
      ignored: same?.ignored ?? 0,
    });
  }
  await pauseFor(desired.length);
  rendered.put(unit.id, texts);
  const inventory = intent(unit, entries);
  await pauseFor(desired.length);
  signal.throwIfAborted();
  journal.saveInventory(unit.id, inventory);
  unit.inventory = inventory;
  // From here on the cluster is changed, so the intent must outlive whatever happens.
  await journal.durable();
  await createNamespace(context, unit, desired);
  return {
    ...emptyTarget(assignment, 'apply'),
    entries,
    steps,
    hooks,
    hooksToRemove: hooksToRemove(entries.values()),
    onFailure: [...onFailure],
  };
}

/** Those that an agent before this one had no time to remove. */
function hooksToRemove(entries: Iterable<InventoryEntry>): Set<string> {
  const texts = new Set<string>();
  for (const { key, ended } of entries) if (ended?.remove) texts.add(objectKeyText(key));
  return texts;
}

/** Names this generation's run of the unit's hooks. */
export const hookRunOf = ({ epoch, generation }: Assignment): string => `${epoch}.${generation}`;

/** The journal's entry still says how the object is applied; fields that were left are so only under their policy. */
const isAsApplied = (unit: Unit, entry: InventoryEntry, desiredHash: string): boolean =>
  entry.desiredHash === desiredHash &&
  (entry.left === undefined || unit.assignment.apply.conflicts === 'leave');

/** After a restart with nothing new: the target as the journal remembers it, without a tree, a render or a write. */
export async function restore(context: Context, unit: Unit): Promise<Target | undefined> {
  const { assignment, inventory } = unit;
  if (
    inventory?.state !== 'settled' ||
    inventory.epoch !== assignment.epoch ||
    inventory.generation !== assignment.generation ||
    inventory.commit !== assignment.commit
  ) {
    return undefined;
  }
  const kinds = uniqueKinds(
    inventory.entries.map(({ apiVersion, key }) => ({ apiVersion, kind: key.kind })),
  );
  const served = await Promise.all(
    kinds.map(({ apiVersion, kind }) => context.cluster.resourceOf(apiVersion, kind)),
  );
  if (served.includes(undefined)) return undefined;
  await Promise.all(kinds.map(({ apiVersion, kind }) => context.live.follow(apiVersion, kind)));
  for (const { key } of inventory.entries) context.claims.set(objectKeyText(key), unit.id);
  return {
    ...emptyTarget(assignment, 'done'),
    entries: new Map(inventory.entries.map((entry) => [objectKeyText(entry.key), entry])),
    hooksToRemove: hooksToRemove(inventory.entries),
  };
}

/** The unit's objects as text by key, for a repair after the cache let them go. */
export async function renderAgain(
  context: Context,
  unit: Unit,
  assignment: Assignment,
): Promise<ReadonlyMap<string, string>> {
  const desired = await desiredObjects(context, unit, assignment);
  const texts = new Map(
    desired.map((object) => {
      const stamped = stamp(object, unit.owner, hookRunOf(assignment));
      return [objectKeyText(objectKey(stamped)), JSON.stringify(stamped)] as const;
    }),
  );
  context.rendered.put(unit.id, texts);
  return texts;
}

/**
 * Fetched, rendered, and with their namespaces set. `permit` is given for what is to be applied anew: its commit is verified
 * then, and not again for repairs of what it brought.
 */
export async function desiredObjects(
  context: Context,
  unit: Unit,
  assignment: Assignment,
  permit?: Permit,
): Promise<KubernetesObject[]> {
  const { signal } = unit.work;
  // A repair of what was applied before is no step of the unit's own.
  const isNews = unit.target === undefined && assignment === unit.assignment;
  if (isNews) context.setPhase(unit, 'fetching');
  const tree = await context.loadTree(assignment, signal);
  signal.throwIfAborted();
  if (!tree.ok) throw new UnitError(tree.error.message, { ...tree.error, audit: 'RenderFailed' });
  if (permit) await verifyCommit(context, unit, permit);
  if (isNews) context.setPhase(unit, 'rendering');
  const objects = await context.render(assignment, tree.value, signal);
  signal.throwIfAborted();
  if (!objects.ok) {
    throw new UnitError(objects.error.message, { ...objects.error, audit: 'RenderFailed' });
  }
  const place: Place = {
    namespace: assignment.apply.namespace || 'default',
    scopes: definedScopes(objects.value),
  };
  return inParallel(objects.value, unitRequestsInFlightMax, (object) =>
    withNamespace(context, unit, object, place),
  );
}

type Place = {
  /** For namespaced objects that name none. */
  readonly namespace: string;
  /** Of kinds that the unit defines itself: whether they are namespaced. */
  readonly scopes: ReadonlyMap<string, boolean>;
};

async function withNamespace(
  { cluster }: Context,
  unit: Unit,
  object: KubernetesObject,
  place: Place,
): Promise<KubernetesObject> {
  const { apiVersion, kind, metadata } = object;
  const namespaced =
    place.scopes.get(`${groupOf(apiVersion)}/${kind}`) ??
    (await cluster.resourceOf(apiVersion, kind, unit.work.signal))?.namespaced;
  if (namespaced === undefined) {
    throw new UnitError(
      `the cluster does not serve ${apiVersion} ${kind} (${metadata.name}): its definition must be installed first`,
      { terminal: false },
    );
  }
  const { namespace, ...rest } = metadata;
  if (!namespaced) return namespace === undefined ? object : { ...object, metadata: rest };
  if (namespace) return object;
  return { ...object, metadata: { ...metadata, namespace: place.namespace } };
}

/** Which kinds the unit's own definitions make namespaced; the cluster need not serve them yet. */
function definedScopes(all: readonly KubernetesObject[]): Map<string, boolean> {
  const scopes = new Map<string, boolean>();
  for (const object of all) {
    if (object.kind !== 'CustomResourceDefinition') continue;
    const spec = object.spec as
      | { group?: string; scope?: string; names?: { kind?: string } }
      | undefined;
    if (spec?.group && spec.names?.kind) {
      scopes.set(`${spec.group}/${spec.names.kind}`, spec.scope === 'Namespaced');
    }
  }
  return scopes;
}

type Kind = { readonly apiVersion: string; readonly kind: string };

const uniqueKinds = (kinds: readonly Kind[]): Kind[] => [
  ...new Map(kinds.map((kind) => [`${groupOf(kind.apiVersion)}/${kind.kind}`, kind])).values(),
];

/** Watches every kind that the unit renders now or owned before, so that all its live objects are known. */
export async function followKinds(
  context: Context,
  unit: Unit,
  desired: readonly KubernetesObject[],
): Promise<void> {
  const { cluster, live } = context;
  const { signal } = unit.work;
  const kinds = uniqueKinds([
    ...(unit.inventory?.entries ?? []).map(({ apiVersion, key }) => ({
      apiVersion,
      kind: key.kind,
    })),
    ...desired,
  ]);
  // After a lost journal the parent object still says which kinds hold members.
  if (unit.inventory === undefined) kinds.push(...(await kindsOfParent(context, unit)));
  const served = await Promise.all(
    uniqueKinds(kinds).map(({ apiVersion, kind }) => cluster.resourceOf(apiVersion, kind, signal)),
  );
  await Promise.all(
    served.flatMap((resource) =>
      resource ? [live.follow(resource.apiVersion, resource.kind)] : [],
    ),
  );
}

async function kindsOfParent({ cluster, parentKinds }: Context, unit: Unit): Promise<Kind[]> {
  const kinds = parentKinds.get(unit.id) ?? [];
  if (kinds.length === 0) return [];
  const served: readonly Resource[] = await cluster.resources(unit.work.signal);
  return kinds.flatMap(
    ({ group, kind }) =>
      served.find((resource) => groupOf(resource.apiVersion) === group && resource.kind === kind) ??
      [],
  );
}

/** Written before the first request of a generation: it still names what only a prune may take away. */
function intent(unit: Unit, entries: ReadonlyMap<string, InventoryEntry>): Inventory {
  const { epoch, generation, commit } = unit.assignment;
  const left = (unit.inventory?.entries ?? []).filter(
    ({ key }) => !entries.has(objectKeyText(key)),
  );
  const hashes = [...entries].map(([text, { desiredHash }]) => `${text} ${desiredHash}`).sort();
  return {
    epoch,
    generation,
    commit,
    renderedHash: digest(hashes.join('\n')),
    state: 'applying',
    ...(unit.inventory?.wasSettled ? { wasSettled: true } : {}),
    entries: [...entries.values(), ...left],
  };
}

/** Made for the unit and owned by none: it is never pruned, because others may live in it. */
async function createNamespace(
  context: Context,
  unit: Unit,
  desired: readonly KubernetesObject[],
): Promise<void> {
  const { namespace, createNamespace: wanted } = unit.assignment.apply;
  if (!wanted || namespace === '') return;
  if (desired.some(({ kind, metadata }) => kind === 'Namespace' && metadata.name === namespace))
    return;
  const { signal } = unit.work;
  const address = { apiVersion: 'v1', kind: 'Namespace', namespace: '', name: namespace };
  if (await context.ownCluster.get(address, signal)) return;
  await requestsOf(context, unit).apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { force: false, signal },
  );
}
