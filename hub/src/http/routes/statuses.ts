import type { RepositoryName } from '@fairlead/shared/ids';
import { z } from '@hono/zod-openapi';
import { readYourWritesTimeoutMs } from '../../limits.ts';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { commitStatusDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { parsedName } from '../names.ts';
import { accepted, found } from '../problems.ts';
import {
  changeSchema,
  commitStatusPageSchema,
  pageQuery,
  reportStatusSchema,
  resourceName,
} from '../schemas.ts';
import { changeDocument } from './change.ts';

const tag = 'repositories';
const params = z.object({ repository: resourceName });
const path = '/repositories/{repository}/statuses';

/** What CI says of commits, whether they are releases already or not yet. */
export function statusReportEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, clock } = options;
  return [
    endpoint({
      method: 'get',
      path,
      tag,
      summary: 'Lists the newest word of each source about commits, newest first.',
      params,
      query: z.object({ ...pageQuery, commit: reportStatusSchema.shape.commit.optional() }),
      response: commitStatusPageSchema,
      handle: ({ params: { repository }, query }) => {
        found(readModel.findRepository(repository), 'repository', repository);
        const { commit } = query;
        const filter = { repository, ...(commit === undefined ? {} : { commit }) };
        return pageDocument(
          readModel.listStatuses(filter, pageRequest(query)),
          commitStatusDocument,
        );
      },
    }),
    endpoint({
      method: 'post',
      path,
      access: 'report-status',
      tag,
      summary: 'Says how a check of a commit went: the newest word of a name counts.',
      params,
      body: reportStatusSchema,
      response: changeSchema,
      handle: async ({ params: { repository }, body: { url, ...said }, actor }) => {
        const command = {
          type: 'report-status',
          ...said,
          ...(url === undefined ? {} : { url }),
          at: clock.now(),
        } as const;
        const name = parsedName<RepositoryName>(repository, 'repository');
        const outcome = accepted(await commands.repository(name, command, actor));
        // An answer means that no later decision of this hub overlooks it.
        await readModel.waitFor(outcome.position, readYourWritesTimeoutMs);
        return changeDocument(outcome);
      },
    }),
  ];
}
