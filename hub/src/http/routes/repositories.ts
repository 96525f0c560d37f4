import { z } from '@hono/zod-openapi';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { repositoryDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { managedByOf, refuseManaged } from '../managed.ts';
import { accepted, found, RefusedError } from '../problems.ts';
import {
  changeSchema,
  overrideQuery,
  pageQuery,
  repositoryPageSchema,
  repositorySchema,
  resourceName,
} from '../schemas.ts';
import { changeDocument } from './change.ts';

const tag = 'repositories';
const params = z.object({ repository: resourceName });

export function repositoryEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands } = options;
  const repositoryOf = (name: string) => found(readModel.findRepository(name), 'repository', name);
  return [
    endpoint({
      method: 'get',
      path: '/repositories',
      tag,
      summary: 'Lists repositories by name.',
      query: z.object(pageQuery),
      response: repositoryPageSchema,
      handle: async ({ query }) => {
        const managedBy = await managedByOf(options, 'Repository');
        return pageDocument(readModel.listRepositories(pageRequest(query)), (row) =>
          repositoryDocument(row, managedBy(row.name)),
        );
      },
    }),
    endpoint({
      method: 'get',
      path: '/repositories/{repository}',
      tag,
      summary: 'Shows a repository: where its branch is, and whether it can be read.',
      params,
      response: repositorySchema,
      handle: async ({ params: { repository } }) => {
        const managedBy = await managedByOf(options, 'Repository');
        return repositoryDocument(repositoryOf(repository), managedBy(repository));
      },
    }),
    endpoint({
      method: 'delete',
      path: '/repositories/{repository}',
      access: 'define',
      tag,
      summary: 'Removes a repository that no pipeline uses.',
      params,
      query: overrideQuery,
      response: changeSchema,
      handle: async ({ params: { repository }, query, actor, person }) => {
        repositoryOf(repository);
        const users = readModel.pipelinesOfRepository(repository).map(({ name }) => name);
        if (users.length > 0) {
          const refusal = {
            code: 'repository_in_use',
            detail: `The repository "${repository}" is used by ${users.join(', ')}: remove or change these first.`,
          };
          const subject = `repository/${repository}`;
          await commands.recordRefusal(
            { command: 'remove-repository', subject, ...refusal },
            actor,
          );
          throw new RefusedError('command_refused', refusal);
        }
        const by = { actor, person, ...query, command: 'remove-repository' };
        await refuseManaged(options, [{ kind: 'Repository', name: repository }], by);
        return changeDocument(
          accepted(await commands.repository(repository, { type: 'remove-repository' }, actor)),
        );
      },
    }),
  ];
}
