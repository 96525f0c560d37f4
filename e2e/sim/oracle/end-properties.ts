import type { KubernetesObject } from '@fairlead/shared/manifest';
import type { World } from '../parts/world.ts';
import { renderCommit } from '../world/repository.ts';
import type { Facts } from './facts.ts';

/** Something that must be true once nothing goes wrong any more and people have stepped back. */
export type EndProperty = {
  readonly name: string;
  readonly meaning: string;
  readonly faultOf: (world: World, facts: Facts) => Promise<string | undefined>;
};

const ownerAnnotation = 'fairlead.dev/owner';

/** Stages that can get the head: they and all that come before have clusters. */
function reachableStages(facts: Facts) {
  const reachable = new Set<string>();
  // Stages are written with those that come before them first.
  for (const stage of facts.definition()?.stages ?? []) {
    const before = stage.after.filter((name) => reachable.has(name));
    const isReached =
      stage.afterMode === 'any' && stage.after.length > 0
        ? before.length > 0
        : before.length === stage.after.length;
    const hasTargets = !stage.clusters || facts.fleet.members(stage.name).length > 0;
    if (isReached && hasTargets) reachable.add(stage.name);
  }
  return (facts.definition()?.stages ?? []).filter(({ name }) => reachable.has(name));
}

/** What is not yet as it must be in the end, or nothing. */
export function unsettled(world: World, facts: Facts): string | undefined {
  const head = world.repository.branch().at(-1);
  if (!head) return undefined;
  for (const { name: stage, path, clusters } of reachableStages(facts)) {
    const { running, targets, hasSucceeded } = facts.stage(stage);
    if (!hasSucceeded(head.id)) return `the head has not succeeded in ${stage}`;
    for (const { id, name } of clusters ? facts.fleet.members(stage) : []) {
      const release = targets().get(id)?.release;
      if (release !== head.id) {
        return `${name} is assigned ${release?.slice(0, 6) ?? 'nothing'} in ${stage}, the head is ${head.id.slice(0, 6)}`;
      }
      const found = contentOf(world.hosts.get(name)?.cluster.memory.objects() ?? [], stage);
      const wanted = contentOf(renderCommit(head, path) ?? [], undefined);
      if (found !== wanted) return `${name} has ${found} of ${stage}, wanted is ${wanted}`;
    }
    if (running()) return `a rollout still runs in ${stage}`;
  }
  for (const host of world.hosts.values()) {
    if (!facts.fleet.isMember(host.id)) continue;
    const waiting = host.disk.content().audit.length;
    if (waiting > 0) return `${host.name} still has ${waiting} audit events that the log lacks`;
  }
  return undefined;
}

/** The objects that a unit owns, or that are rendered, as one text. */
function contentOf(objects: readonly KubernetesObject[], ownedBy: string | undefined): string {
  return objects
    .filter(({ kind, metadata }) => {
      if (ownedBy === undefined) return true;
      const owner = metadata.annotations?.[ownerAnnotation] ?? '';
      return kind !== 'Unit' && owner.startsWith(`checkout/${ownedBy}:`);
    })
    .map(
      ({ kind, metadata, data, spec }) =>
        `${kind} ${metadata.name} ${JSON.stringify(data ?? spec)}`,
    )
    .sort()
    .join('; ');
}

const convergence: EndProperty = {
  name: 'convergence',
  meaning:
    'When the faults have ended and the head stays, every target comes to the head within a bounded time, and its cluster ' +
    'holds exactly what the head renders to.',
  faultOf: async (world, facts) => unsettled(world, facts),
};

const replay: EndProperty = {
  name: 'replay',
  meaning:
    'The log is whole, and a hub that folds it from the start comes to the state of the one that ran.',
  faultOf: async (world) => world.replayFault(),
};

export const endProperties: readonly EndProperty[] = [convergence, replay];
