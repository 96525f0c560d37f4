import { z } from '@hono/zod-openapi';
import type { AuditFilter } from '../../read-model/index.ts';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { readEntries } from '../entries.ts';
import { auditPageSchema, pageQuery, resourceName, verificationSchema } from '../schemas.ts';

const position = z.coerce.number().int().nonnegative().optional();

export function auditEndpoints({
  readModel,
  log,
}: Pick<HttpApiOptions, 'readModel' | 'log'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/audit',
      tag: 'audit',
      summary:
        'Lists what was decided, done and refused. Oldest first with `after`, else newest first.',
      query: z.object({
        ...pageQuery,
        pipeline: resourceName.optional(),
        stage: resourceName.optional(),
        cluster: resourceName.optional(),
        commit: z.string().max(64).optional(),
        type: z.string().max(64).optional(),
        after: position.openapi({ description: 'Only entries with a higher position.' }),
        before: position.openapi({ description: 'Only entries with a lower position.' }),
        order: z.enum(['newest', 'oldest']).optional(),
      }),
      response: auditPageSchema,
      handle: async ({ query }) => {
        const { pipeline, stage, cluster, commit, type, after, before } = query;
        const filter: AuditFilter = {
          pipeline,
          stage,
          cluster,
          commit,
          type,
          afterPosition: after,
          beforePosition: before,
          order: query.order ?? (after === undefined ? 'newest' : 'oldest'),
        };
        const page = readModel.listAudit(filter, pageRequest(query));
        const entries = await readEntries(log, page.items);
        return pageDocument({ ...page, items: entries }, (entry) => entry);
      },
    }),
    endpoint({
      method: 'get',
      path: '/audit/verify',
      tag: 'audit',
      summary: 'Walks the hash chain of the whole log and names the first entry that does not fit.',
      response: verificationSchema,
      handle: () => log.verify(),
    }),
  ];
}
