import type { ClusterSelector, PipelineDefinition, RepositoryDefinition } from './definition.ts';
import type { Fault } from './reader.ts';

export type Surroundings = {
  readonly repositories: readonly RepositoryDefinition[];
  /** Every other pipeline; one with the same name is replaced and does not count. */
  readonly pipelines: readonly PipelineDefinition[];
};

/** What a pipeline needs of what is around it: its repository, and paths that no other pipeline claims on a cluster. */
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
  return faults;
}

/** Whether one cluster could match both: not when they ask for different values of one label. */
const mayShare = (left: ClusterSelector, right: ClusterSelector): boolean =>
  Object.entries(left.matchLabels).every(
    ([key, value]) => (right.matchLabels[key] ?? value) === value,
  );
