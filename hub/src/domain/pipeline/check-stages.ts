import type { StageName } from '@fairlead/shared/ids';
import type { StageDefinition } from './definition.ts';
import { fault, type Node } from './reader.ts';
import { contradiction, mayShare } from './selector.ts';

type Placed = { readonly node: Node; readonly stage: StageDefinition };

const at = (node: Node, place: string): Node => ({ ...node, path: `${node.path}.${place}` });

/** What a stage's policies need of the other stages and of its own clusters. */
export function checkStages(stages: readonly Placed[]): void {
  const byName = new Map(stages.map(({ stage }) => [stage.name, stage] as const));
  const before = new Map<StageName, ReadonlySet<StageName>>();
  for (const { stage, node } of stages) {
    checkWaves(stage, node);
    checkSupersede(stage, node);
    if (stage.gates.verifications.length > 0) {
      checkVerifications(stage, node, { byName, earlier: comesAfter(stage, byName, before) });
    }
  }
}

/** FLT-10: no cluster may be meant by two waves, and each wave must be able to have one. */
function checkWaves(stage: StageDefinition, node: Node): void {
  const { clusters } = stage;
  stage.rollout.waves.forEach((wave, index) => {
    if (wave.kind !== 'labels') return;
    const place = at(node, `rollout.waves[${index}].matchLabels`);
    const key = clusters && contradiction(wave, clusters);
    if (key !== undefined) {
      const wanted = `${key}=${clusters?.matchLabels[key]}`;
      fault(place, `matches no cluster of the stage, whose clusters have ${wanted}`);
      return;
    }
    const twin = stage.rollout.waves.findIndex(
      (other, otherIndex) => otherIndex < index && other.kind === 'labels' && mayShare(other, wave),
    );
    if (twin !== -1) {
      fault(
        place,
        `may match a cluster of waves[${twin}] too: give both one label with different values`,
      );
    }
  });
}

function checkSupersede({ supersede, gates }: StageDefinition, node: Node): void {
  if (supersede.mode === 'latest-after' && gates.soakMs === 0) {
    fault(at(node, 'supersede'), 'counts in soaks: give the stage a soak under gates');
  }
}

function checkVerifications(
  stage: StageDefinition,
  node: Node,
  known: {
    readonly byName: ReadonlyMap<StageName, StageDefinition>;
    readonly earlier: ReadonlySet<StageName>;
  },
): void {
  const hasClusters = (name: StageName) => known.byName.get(name)?.clusters !== undefined;
  stage.gates.verifications.forEach((rule, index) => {
    const place = at(node, `gates.verifications[${index}].in`);
    if (rule.in.length === 0 && ![...known.earlier].some(hasClusters)) {
      fault(place, 'is missing: no stage with clusters comes before this one to run the Job in');
    }
    rule.in.forEach((name, nameIndex) => {
      const entry = { ...place, path: `${place.path}[${nameIndex}]` };
      if (!known.byName.has(name)) fault(entry, `there is no stage ${name}`);
      else if (name !== stage.name && !known.earlier.has(name)) {
        fault(entry, `${name} does not come before this stage: the release need not be there`);
      } else if (!hasClusters(name)) fault(entry, `${name} has no clusters to run the Job in`);
    });
  });
}

/** Every stage that a release passes before it comes here, over any number of steps. */
function comesAfter(
  stage: StageDefinition,
  byName: ReadonlyMap<StageName, StageDefinition>,
  known: Map<StageName, ReadonlySet<StageName>>,
): ReadonlySet<StageName> {
  const found = known.get(stage.name);
  if (found) return found;
  const names = new Set<StageName>();
  const open = [...stage.after];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (names.has(name) || !byName.has(name)) continue;
    names.add(name);
    open.push(...(byName.get(name)?.after ?? []));
  }
  known.set(stage.name, names);
  return names;
}
