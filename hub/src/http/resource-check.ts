import type { Fault } from '@fairlead/shared/problem';
import { checkDefinition, type Resource } from '../domain/pipeline/index.ts';
import { readYourWritesTimeoutMs } from '../limits.ts';
import type { HttpApiOptions } from './dependencies.ts';

/**
 * Checks resources against each other and against what is defined: as if all of them were applied. What a command would
 * refuse only later is found here too, so that a text is taken whole or not at all.
 */
export function createResourceCheck({
  readModel,
  log,
  commands,
}: Pick<HttpApiOptions, 'readModel' | 'log' | 'commands'>) {
  return async (resources: readonly Resource[]): Promise<Fault[]> => {
    await readModel.waitFor(await log.headPosition(), readYourWritesTimeoutMs);
    const repositories = overlaid(
      readModel.allRepositories().map(({ definition }) => definition),
      resources.flatMap((resource) =>
        resource.kind === 'Repository' ? [resource.definition] : [],
      ),
    );
    const given = resources.flatMap((resource) =>
      resource.kind === 'Pipeline' ? [resource.definition] : [],
    );
    const pipelines = overlaid(
      readModel.pipelineNames().flatMap((name) => readModel.findPipeline(name)?.definition ?? []),
      given,
    );
    const faults = given.flatMap((definition) =>
      checkDefinition(definition, { repositories, pipelines }),
    );
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
  };
}

/** What there is, with the given ones in place of those of the same name. */
function overlaid<Definition extends { readonly name: string }>(
  present: readonly Definition[],
  given: readonly Definition[],
): Definition[] {
  const byName = new Map(present.map((definition) => [definition.name, definition]));
  for (const definition of given) byName.set(definition.name, definition);
  return [...byName.values()];
}
