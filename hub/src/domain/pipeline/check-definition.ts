import type { PipelineDefinition, RepositoryDefinition, StageDefinition } from './definition.ts';
import type { Fault } from './reader.ts';
import { repositoryIdentity } from './repository-identity.ts';
import { mayShare } from './selector.ts';

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
  faults.push(...checkClaims(definition, { repositories, pipelines }));
  return [...faults, ...checkDependencies(definition, pipelines, place)];
}

/** FLT-11: a path of a repository has at most one stage that brings it to a cluster. */
function checkClaims(
  definition: PipelineDefinition,
  { repositories, pipelines }: Surroundings,
): Fault[] {
  const identityOf = (name: PipelineDefinition['repository']) => {
    const url = repositories.find((each) => each.name === name)?.url;
    return url === undefined || url === '' ? name : repositoryIdentity(url);
  };
  const identity = identityOf(definition.repository);
  const claims = pipelines
    .filter(
      ({ name, repository }) => name !== definition.name && identityOf(repository) === identity,
    )
    .flatMap(({ name, stages }) =>
      stages.map((stage) => ({ stage, title: `${name}/${stage.name}` })),
    );
  return definition.stages.flatMap((stage, index) => {
    const earlier = definition.stages
      .slice(0, index)
      .map((each) => ({ stage: each, title: `stage ${each.name}` }));
    return [...earlier, ...claims]
      .filter(({ stage: other }) => claimsTheSame(stage, other))
      .map(({ title }) => ({
        path: `Pipeline ${definition.name}: spec.stages[${index}].path`,
        message: `${stage.path} is claimed on the same clusters by ${title}`,
      }));
  });
}

/** Whether both bring one path to a cluster that both may match, by the labels that such a cluster is known to have. */
function claimsTheSame(left: StageDefinition, right: StageDefinition): boolean {
  if (!mayShare(left.clusters, right.clusters)) return false;
  const labels = { ...left.clusters?.matchLabels, ...right.clusters?.matchLabels };
  return resolved(left.path, labels) === resolved(right.path, labels);
}

const resolved = (path: string, labels: Readonly<Record<string, string>>): string =>
  path.includes('${')
    ? path.replaceAll(/\$\{cluster\.labels\.([^}]+)\}/g, (placeholder, key: string) =>
        Object.hasOwn(labels, key) ? (labels[key] ?? placeholder) : placeholder,
      )
    : path;

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
