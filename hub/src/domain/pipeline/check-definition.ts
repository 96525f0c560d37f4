import type { ClusterSelector, PipelineDefinition, RepositoryDefinition } from './definition.ts';
import type { Fault } from './reader.ts';

export type Surroundings = {
  readonly repositories: readonly RepositoryDefinition[];
  /** Every other pipeline; one with the same name is replaced and does not count. */
  readonly pipelines: readonly PipelineDefinition[];
};

/**
 * What a pipeline needs of what is around it: its repository, paths that no other pipeline claims on a cluster, and the
 * pipelines that it depends on.
 */
export function checkDefinition(
  definition: PipelineDefinition,
  { repositories, pipelines }: Surroundings,
): Fault[] {
  const faults: Fault[] = [];
  const place = `Pipeline ${definition.name}: spec`;
  const repository = repositories.find(({ name }) => name === definition.repository);
  if (!repository) {
    const message = `there is no repository ${definition.repository}`;
    faults.push({ path: `${place}.repository`, message });
  } else if (repository.project !== definition.project) {
    const message = `${repository.name} is of project ${repository.project}, not ${definition.project}`;
    faults.push({ path: `${place}.repository`, message });
  }
  definition.stages.forEach((stage, index) => {
    for (const earlier of definition.stages.slice(0, index)) {
      if (earlier.path !== stage.path || !mayShare(earlier.clusters, stage.clusters)) continue;
      const message = `${stage.path} is claimed on the same clusters by stage ${earlier.name}`;
      faults.push({ path: `${place}.stages[${index}].path`, message });
    }
    for (const other of pipelines) {
      if (other.name === definition.name || other.repository !== definition.repository) continue;
      for (const claimed of other.stages) {
        if (claimed.path !== stage.path || !mayShare(claimed.clusters, stage.clusters)) continue;
        faults.push({
          path: `${place}.stages[${index}].path`,
          message: `${stage.path} is claimed on the same clusters by ${other.name}/${claimed.name}`,
        });
      }
    }
  });
  return [...faults, ...checkDependencies(definition, pipelines, place)];
}

/**
 * A unit waits for the units of the pipelines that its stage depends on, in its own cluster. So each must exist, and no way
 * over stages that one cluster may match may lead back.
 */
function checkDependencies(
  definition: PipelineDefinition,
  pipelines: readonly PipelineDefinition[],
  place: string,
): Fault[] {
  const all = new Map(pipelines.map((pipeline) => [pipeline.name, pipeline] as const));
  all.set(definition.name, definition);
  const faults: Fault[] = [];
  definition.stages.forEach((stage, stageIndex) => {
    stage.apply.dependsOn.forEach((name, index) => {
      const path = `${place}.stages[${stageIndex}].apply.dependsOn[${index}]`;
      if (!all.has(name)) {
        faults.push({ path, message: `there is no pipeline ${name}` });
        return;
      }
      const start: Place = {
        names: [`${definition.name}/${stage.name}`],
        labels: stage.clusters?.matchLabels ?? {},
      };
      const cycle = findCycle(all, name, start, new Set());
      if (cycle)
        faults.push({ path, message: `makes a cycle on one cluster: ${cycle.join(' → ')}` });
    });
  });
  return faults;
}

type Place = {
  /** The stages from the start to here. */
  readonly names: readonly string[];
  /** What a cluster must have to match all of them. */
  readonly labels: Readonly<Record<string, string>>;
};

function findCycle(
  all: ReadonlyMap<string, PipelineDefinition>,
  pipeline: string,
  { names, labels }: Place,
  seen: Set<string>,
): readonly string[] | undefined {
  for (const stage of all.get(pipeline)?.stages ?? []) {
    if (!mayShare({ matchLabels: labels }, stage.clusters)) continue;
    const name = `${pipeline}/${stage.name}`;
    if (name === names[0]) return [...names, name];
    const here: Place = {
      names: [...names, name],
      labels: { ...labels, ...stage.clusters?.matchLabels },
    };
    // A way that led nowhere leads nowhere again; a cycle that the start is no part of is told at its own stages.
    const state = `${name} ${JSON.stringify(Object.entries(here.labels).sort())}`;
    if (seen.has(state)) continue;
    seen.add(state);
    for (const next of stage.apply.dependsOn) {
      const cycle = findCycle(all, next, here, seen);
      if (cycle) return cycle;
    }
  }
  return undefined;
}

/** Whether one cluster could match both: not when they ask for different values of one label. */
const mayShare = (left: ClusterSelector | undefined, right: ClusterSelector | undefined): boolean =>
  left !== undefined &&
  right !== undefined &&
  Object.entries(left.matchLabels).every(
    ([key, value]) => (right.matchLabels[key] ?? value) === value,
  );
