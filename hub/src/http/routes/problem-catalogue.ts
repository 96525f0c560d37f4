import { problemCatalogue } from '@fairlead/shared/problem';
import { z } from '@hono/zod-openapi';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { problemEntrySchema } from '../schemas.ts';

export const problemEndpoints = (): Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/problems',
    tag: 'reference',
    summary: 'Lists every error code with its meaning and what to do.',
    access: 'public',
    response: z.object({ items: z.array(problemEntrySchema) }),
    handle: () => ({
      items: Object.entries(problemCatalogue).map(([code, entry]) => ({ code, ...entry })),
    }),
  }),
];
