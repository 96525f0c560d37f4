import { z } from '@hono/zod-openapi';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { admissionDocument, rolloutDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { found } from '../problems.ts';
import {
  admissionPageSchema,
  pageQuery,
  releaseQuerySchema,
  resourceName,
  rolloutPageSchema,
  rolloutSchema,
  rolloutStateSchema,
} from '../schemas.ts';
import { createReleaseResolver } from './release-reference.ts';

const stageFilter = { stage: resourceName.optional(), release: releaseQuerySchema };

/** Rollouts and admissions, of all pipelines and of one, newest first. */
export function rolloutEndpoints({ readModel }: Pick<HttpApiOptions, 'readModel'>): Endpoint[] {
  const resolveRelease = createReleaseResolver(readModel);
  const pipelineParams = z.object({ pipeline: resourceName });
  const filterOf = <Query extends { release?: string }>(pipeline: string, query: Query) => ({
    ...query,
    pipeline,
    ...(query.release === undefined ? {} : { release: resolveRelease(pipeline, query.release) }),
  });
  const pipelineExists = (name: string) => found(readModel.findPipeline(name), 'pipeline', name);
  return [
    endpoint({
      method: 'get',
      path: '/rollouts',
      tag: 'rollouts',
      summary: 'Lists rollouts of all pipelines.',
      query: z.object({ ...pageQuery, state: rolloutStateSchema.optional() }),
      response: rolloutPageSchema,
      handle: ({ query }) =>
        pageDocument(
          readModel.listRollouts(query.state ? { state: query.state } : {}, pageRequest(query)),
          rolloutDocument,
        ),
    }),
    endpoint({
      method: 'get',
      path: '/rollouts/{rollout}',
      tag: 'rollouts',
      summary: 'Shows a rollout with its plan and targets.',
      params: z.object({ rollout: z.string().max(40) }),
      response: rolloutSchema,
      handle: ({ params: { rollout } }) =>
        rolloutDocument(found(readModel.findRollout(rollout), 'rollout', rollout)),
    }),
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}/rollouts',
      tag: 'rollouts',
      summary: 'Lists the rollouts of a pipeline.',
      params: pipelineParams,
      query: z.object({ ...pageQuery, ...stageFilter, state: rolloutStateSchema.optional() }),
      response: rolloutPageSchema,
      handle: ({ params: { pipeline }, query }) => {
        pipelineExists(pipeline);
        const page = readModel.listRollouts(filterOf(pipeline, query), pageRequest(query));
        return pageDocument(page, rolloutDocument);
      },
    }),
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}/admissions',
      tag: 'rollouts',
      summary: 'Lists why releases were let into stages: each gate with its evidence.',
      params: pipelineParams,
      query: z.object({ ...pageQuery, ...stageFilter }),
      response: admissionPageSchema,
      handle: ({ params: { pipeline }, query }) => {
        pipelineExists(pipeline);
        const page = readModel.listAdmissions(filterOf(pipeline, query), pageRequest(query));
        return pageDocument(page, admissionDocument);
      },
    }),
    endpoint({
      method: 'get',
      path: '/admissions',
      tag: 'rollouts',
      summary: 'Lists admissions of all pipelines.',
      query: z.object(pageQuery),
      response: admissionPageSchema,
      handle: ({ query }) =>
        pageDocument(readModel.listAdmissions({}, pageRequest(query)), admissionDocument),
    }),
  ];
}
