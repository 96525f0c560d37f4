import type { Fault } from '@fairlead/shared/problem';
import type { CommandHandler } from '../commands/index.ts';
import type { DecisionLog } from '../decision-log/index.ts';
import type { PipelineDefinition, RepositoryDefinition } from '../domain/pipeline/definition.ts';
import { checkDefinition, type Resource, repositoryIdentity } from '../domain/pipeline/index.ts';
import { readYourWritesTimeoutMs } from '../limits.ts';
import type { ReadModel } from '../read-model/index.ts';

export type ResourceCheckOptions = {
  readonly readModel: Pick<
    ReadModel,
    'waitFor' | 'allRepositories' | 'pipelineNames' | 'findPipeline'
  >;
  readonly log: Pick<DecisionLog, 'headPosition'>;
  readonly commands: Pick<CommandHandler, 'pipelineState'>;
  /** Address of the configuration repository, where the hub has one. */
  readonly configurationUrl?: string | undefined;
};

export type ResourceCheck = (
  resources: readonly Resource[],
  options?: {
    /** Also what the resources do not touch: a hub that is told of its configuration repository later. */
    readonly everything?: boolean;
  },
) => Promise<Fault[]>;

/**
 * Checks resources against each other and against what is defined: as if all of them were applied. What a command would
 * refuse only later is found here too, so that a text is taken whole or not at all.
 */
export function createResourceCheck({
  readModel,
  log,
  commands,
  configurationUrl,
}: ResourceCheckOptions): ResourceCheck {
  return async (resources, { everything = false } = {}) => {
    await readModel.waitFor(await log.headPosition(), readYourWritesTimeoutMs);
    const repositories = overlaid(
      readModel.allRepositories().map(({ definition }) => definition),
      resources.flatMap((each) => (each.kind === 'Repository' ? [each] : [])),
    );
    const pipelines = overlaid(
      readModel.pipelineNames().flatMap((name) => readModel.findPipeline(name)?.definition ?? []),
      resources.flatMap((each) => (each.kind === 'Pipeline' ? [each] : [])),
    );
    const given = resources.flatMap((each) =>
      each.kind === 'Pipeline' && !each.remove ? [each.definition] : [],
    );
    const touched = new Set(resources.map(({ kind, definition }) => `${kind} ${definition.name}`));
    const concerned = pipelines.filter(
      ({ name, repository }) =>
        everything || touched.has(`Pipeline ${name}`) || touched.has(`Repository ${repository}`),
    );
    return [
      ...given.flatMap((definition) => checkDefinition(definition, { repositories, pipelines })),
      ...protectedFaults(concerned, repositories, configurationUrl),
      ...removalFaults(resources, pipelines),
      ...(await moveFaults(given, commands)),
    ];
  };
}

/**
 * CFG-03: who could push to the configuration repository to promote something could also change the gates that it must
 * pass. So nothing is promoted from there.
 */
function protectedFaults(
  pipelines: readonly PipelineDefinition[],
  repositories: readonly RepositoryDefinition[],
  configurationUrl: string | undefined,
): Fault[] {
  if (configurationUrl === undefined) return [];
  const identity = repositoryIdentity(configurationUrl);
  return pipelines
    .filter(({ repository }) => {
      const url = repositories.find(({ name }) => name === repository)?.url;
      return url !== undefined && repositoryIdentity(url) === identity;
    })
    .map(({ name, repository }) => ({
      path: `Pipeline ${name}: spec.repository`,
      message:
        `${repository} is the configuration repository of this hub: a release could weaken the gates that it must ` +
        'pass. Keep what is promoted in another repository',
    }));
}

/** A repository goes only when no pipeline is left that uses it. */
const removalFaults = (
  resources: readonly Resource[],
  pipelines: readonly PipelineDefinition[],
): Fault[] =>
  resources
    .filter(({ kind, remove }) => kind === 'Repository' && remove)
    .flatMap(({ definition: { name } }) => {
      const users = pipelines.filter(({ repository }) => repository === name);
      if (users.length === 0) return [];
      const names = users.map((user) => user.name).join(', ');
      return [{ path: `Repository ${name}: metadata.annotations`, message: `is used by ${names}` }];
    });

async function moveFaults(
  given: readonly PipelineDefinition[],
  commands: ResourceCheckOptions['commands'],
): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const definition of given) {
    const state = await commands.pipelineState(definition.name);
    if (state.status !== 'active' || state.definition.repository === definition.repository) {
      continue;
    }
    faults.push({
      path: `Pipeline ${definition.name}: spec.repository`,
      message: `is ${state.definition.repository} and cannot change: its releases are commits of that one`,
    });
  }
  return faults;
}

/** What there is, with the given ones in place of those of the same name, and without what is to be removed. */
function overlaid<Definition extends { readonly name: string }>(
  present: readonly Definition[],
  given: readonly { readonly definition: Definition; readonly remove?: true }[],
): Definition[] {
  const byName = new Map(present.map((definition) => [definition.name, definition]));
  for (const { definition, remove } of given) {
    if (remove) byName.delete(definition.name);
    else byName.set(definition.name, definition);
  }
  return [...byName.values()];
}
