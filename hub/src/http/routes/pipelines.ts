import type { PipelineName } from '@fairlead/shared/ids';
import { z } from '@hono/zod-openapi';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { pipelineDocument, releaseDocument, stageDocument, targetDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { withFreezes } from '../freeze-documents.ts';
import { managedByOf, refuseManaged } from '../managed.ts';
import { accepted, found } from '../problems.ts';
import {
  changeSchema,
  overrideQuery,
  pageQuery,
  pipelinePageSchema,
  pipelineSchema,
  releasePageSchema,
  resourceName,
  stagePageSchema,
  stageSchema,
  targetPageSchema,
} from '../schemas.ts';
import { changeDocument } from './change.ts';

const params = z.object({ pipeline: resourceName });
const stageParams = z.object({ pipeline: resourceName, stage: resourceName });

export function pipelineEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, clock } = options;
  const freezesNow = async () => ({
    state: (await commands.freezesState()).state,
    at: clock.now(),
  });
  const pipelineOf = (name: string) => found(readModel.findPipeline(name), 'pipeline', name);
  const stageOf = (pipeline: string, stage: string) => {
    pipelineOf(pipeline);
    return found(readModel.findStage(pipeline, stage), 'stage', `${pipeline}/${stage}`);
  };
  return [
    endpoint({
      method: 'get',
      path: '/pipelines',
      tag: 'pipelines',
      summary: 'Lists pipelines by name.',
      query: z.object(pageQuery),
      response: pipelinePageSchema,
      handle: async ({ query }) => {
        const managedBy = await managedByOf(options, 'Pipeline');
        return pageDocument(readModel.listPipelines(pageRequest(query)), (row) =>
          pipelineDocument(row, managedBy(row.name)),
        );
      },
    }),
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}',
      tag: 'pipelines',
      summary: 'Shows a pipeline with its checked definition.',
      params,
      response: pipelineSchema,
      handle: async ({ params: { pipeline } }) => {
        const managedBy = await managedByOf(options, 'Pipeline');
        return pipelineDocument(pipelineOf(pipeline), managedBy(pipeline));
      },
    }),
    endpoint({
      method: 'delete',
      path: '/pipelines/{pipeline}',
      access: 'define',
      tag: 'pipelines',
      summary: 'Removes a pipeline; what its targets run stays as it is.',
      params,
      query: overrideQuery,
      response: changeSchema,
      handle: async ({ params: { pipeline: name }, query, actor, person }) => {
        const by = { actor, person, ...query, command: 'remove-pipeline' };
        await refuseManaged(options, [{ kind: 'Pipeline', name }], by);
        return changeDocument(
          accepted(
            await commands.pipeline(name as PipelineName, { type: 'remove-pipeline' }, actor),
          ),
        );
      },
    }),
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}/releases',
      tag: 'pipelines',
      summary: 'Lists releases, newest first, and how far each came.',
      params,
      query: z.object(pageQuery),
      response: releasePageSchema,
      handle: ({ params: { pipeline }, query }) => {
        pipelineOf(pipeline);
        return pageDocument(readModel.listReleases(pipeline, pageRequest(query)), releaseDocument);
      },
    }),
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}/stages',
      tag: 'stages',
      summary: 'Lists the stages of a pipeline in the order of its definition.',
      params,
      response: stagePageSchema,
      handle: async ({ params: { pipeline } }) => {
        const { project } = pipelineOf(pipeline);
        const freezes = await freezesNow();
        const documents = readModel.listStages(pipeline).map(stageDocument);
        return { items: documents.map((stage) => withFreezes(stage, project, freezes)) };
      },
    }),
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}/stages/{stage}',
      tag: 'stages',
      summary: 'Shows a stage.',
      params: stageParams,
      response: stageSchema,
      handle: async ({ params: { pipeline, stage } }) => {
        const row = stageOf(pipeline, stage);
        return withFreezes(stageDocument(row), pipelineOf(pipeline).project, await freezesNow());
      },
    }),
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}/stages/{stage}/targets',
      tag: 'stages',
      summary: 'Lists the targets of a stage, each with its assignment and last report.',
      params: stageParams,
      query: z.object(pageQuery),
      response: targetPageSchema,
      handle: ({ params: { pipeline, stage }, query }) => {
        stageOf(pipeline, stage);
        const page = readModel.listTargets({ pipeline, stage }, pageRequest(query));
        return pageDocument(page, targetDocument);
      },
    }),
  ];
}
