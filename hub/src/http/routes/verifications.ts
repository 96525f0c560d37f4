import { type PipelineName, parseNewId, type StageName } from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import { formatInstant } from '@fairlead/shared/time';
import { z } from '@hono/zod-openapi';
import { advanceNewIdsMax } from '../../limits.ts';
import type { VerificationRunView } from '../../read-model/index.ts';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';

import { type Endpoint, endpoint } from '../endpoint.ts';
import { parsedName } from '../names.ts';
import { accepted, found } from '../problems.ts';
import {
  changeSchema,
  pageQuery,
  releaseQuerySchema,
  resourceName,
  type VerificationRunDocument,
  verificationLogSchema,
  verificationRunPageSchema,
  verifySchema,
} from '../schemas.ts';
import { changeDocument } from './change.ts';
import { createReleaseResolver } from './release-reference.ts';

const tag = 'verifications';

/** Runs of Jobs that verify releases: what they said, and the wish for another one. */
export function verificationEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, clock, random, snapshotOf } = options;
  const resolveRelease = createReleaseResolver(readModel);
  return [
    endpoint({
      method: 'post',
      path: '/pipelines/{pipeline}/stages/{stage}:verify',
      access: 'verify',
      tag,
      summary: 'Runs the verifications of a stage, or one of them, again; the newest run counts.',
      params: z.object({ pipeline: resourceName, stage: resourceName }),
      body: verifySchema,
      response: changeSchema,
      handle: async ({ params, body: { name, release }, actor, person }) => {
        const pipeline = parsedName<PipelineName>(params.pipeline, 'pipeline');
        const newIds = Array.from({ length: advanceNewIdsMax }, () =>
          expectOk(parseNewId(random.nextId()), 'a new id'),
        );
        const command = {
          type: 'verify',
          stage: parsedName<StageName>(params.stage, 'stage'),
          ...(name === undefined ? {} : { name }),
          ...(release === undefined ? {} : { release: resolveRelease(pipeline, release) }),
          by: person,
          snapshot: await snapshotOf(pipeline, clock.now()),
          newIds,
        } as const;
        return changeDocument(accepted(await commands.pipeline(pipeline, command, actor)));
      },
    }),
    endpoint({
      method: 'get',
      path: '/pipelines/{pipeline}/verifications',
      tag,
      summary: 'Lists the runs of a pipeline, newest first.',
      params: z.object({ pipeline: resourceName }),
      query: z.object({
        ...pageQuery,
        stage: resourceName.optional(),
        release: releaseQuerySchema,
      }),
      response: verificationRunPageSchema,
      handle: ({ params: { pipeline }, query }) => {
        found(readModel.findPipeline(pipeline), 'pipeline', pipeline);
        const { stage, release } = query;
        const filter = {
          pipeline,
          ...(stage === undefined ? {} : { stage }),
          ...(release === undefined ? {} : { commit: resolveRelease(pipeline, release) }),
        };
        return pageDocument(
          readModel.listVerificationRuns(filter, pageRequest(query)),
          verificationRunDocument,
        );
      },
    }),
    endpoint({
      method: 'get',
      path: '/verifications/{run}',
      tag,
      summary: 'Shows a run with the end of what its containers wrote.',
      params: z.object({ run: z.string().max(40) }),
      response: verificationLogSchema,
      handle: ({ params }) => {
        const run = found(
          readModel.findVerificationRun(params.run),
          'verification run',
          params.run,
        );
        const { logTail, result } = run;
        return {
          ...verificationRunDocument(run),
          ...(logTail === undefined ? {} : { log: logTail }),
          ...(result === undefined ? {} : { logTruncated: result.logTruncated }),
        };
      },
    }),
  ];
}

function verificationRunDocument(run: VerificationRunView): VerificationRunDocument {
  const { path } = run.order.assignment;
  return {
    id: run.runId,
    pipeline: run.pipeline,
    stage: run.stage,
    release: run.commit,
    name: run.name,
    inStage: run.inStage,
    cluster: run.clusterName,
    job: path === '' ? run.order.file : `${path}/${run.order.file}`,
    ...(run.askedBy === null ? {} : { askedBy: run.askedBy }),
    startedAt: formatInstant(run.startedAt),
    deadlineAt: formatInstant(run.deadlineAt),
    ...(run.endedAt === null ? {} : { endedAt: formatInstant(run.endedAt) }),
    ...(run.outcome === null ? {} : { outcome: run.outcome }),
    ...(run.message === null ? {} : { message: run.message }),
    revokes: run.revokes,
  };
}
