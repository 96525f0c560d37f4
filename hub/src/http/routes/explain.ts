import type { PipelineName, StageName } from '@fairlead/shared/ids';
import { z } from '@hono/zod-openapi';
import { explain } from '../../domain/promotion/index.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { gateDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { parsedName } from '../names.ts';
import { found } from '../problems.ts';
import { explanationSchema, releaseQuerySchema, resourceName } from '../schemas.ts';
import { createReleaseResolver } from './release-reference.ts';

export function explainEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, snapshotOf, clock } = options;
  const resolveRelease = createReleaseResolver(readModel);
  return [
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}/stages/{stage}/explain',
      tag: 'stages',
      summary: 'Says why a release is in the stage or waits for it, and what would clear that.',
      params: z.object({ pipeline: resourceName, stage: resourceName }),
      query: z.object({ release: releaseQuerySchema }),
      response: explanationSchema,
      handle: async ({ params, query }) => {
        const pipeline = parsedName<PipelineName>(params.pipeline, 'pipeline');
        const stage = parsedName<StageName>(params.stage, 'stage');
        found(readModel.findPipeline(pipeline), 'pipeline', pipeline);
        found(readModel.findStage(pipeline, stage), 'stage', `${pipeline}/${stage}`);
        const release = query.release && resolveRelease(pipeline, query.release);
        const state = await commands.pipelineState(pipeline);
        const explanation = explain(state, stage, snapshotOf(pipeline, clock.now()), release);
        return { pipeline, stage, ...explanation, gates: explanation.gates.map(gateDocument) };
      },
    }),
  ];
}
