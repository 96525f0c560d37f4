import {
  type ApprovalRequestId,
  type CommitId,
  parseNewId,
  type StageName,
} from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import { z } from '@hono/zod-openapi';
import type { Actor } from '../../decision-log/index.ts';
import type { PipelineCommand } from '../../domain/promotion/commands.ts';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { approvalDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { parsedName } from '../names.ts';
import { accepted } from '../problems.ts';
import {
  approvalPageSchema,
  approvalStateSchema,
  approveSchema,
  changeSchema,
  pageQuery,
  rejectSchema,
  releaseQuerySchema,
  resourceName,
  withdrawApprovalSchema,
} from '../schemas.ts';
import { changeDocument } from './change.ts';
import { createReleaseResolver } from './release-reference.ts';

const tag = 'approvals';
const params = z.object({ pipeline: resourceName, stage: resourceName });
const path = '/pipelines/{pipeline}/stages/{stage}';
type Vote = Extract<PipelineCommand, { type: 'approve' | 'reject' }>;

/** Requests for approvals, and people's votes. */
export function approvalEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, clock, random } = options;
  const resolveRelease = createReleaseResolver(readModel);
  const send = async (pipeline: string, command: PipelineCommand, actor: Actor) =>
    changeDocument(accepted(await commands.pipeline(pipeline, command, actor)));
  /** What every vote says of what it is about. */
  const about = (
    { pipeline, stage }: z.output<typeof params>,
    { release, requestId }: { release: string; requestId?: string | undefined },
  ): Pick<Vote, 'stage' | 'release' | 'requestId' | 'at' | 'newId'> => ({
    stage: parsedName<StageName>(stage, 'stage'),
    release: resolveRelease(pipeline, release) as CommitId,
    ...(requestId === undefined ? {} : { requestId: requestId as ApprovalRequestId }),
    at: clock.now(),
    newId: expectOk(parseNewId(random.nextId()), 'a new id'),
  });

  return [
    endpoint({
      method: 'get',
      path: '/approvals',
      tag,
      summary: 'Lists requests for approvals over all pipelines, oldest first: the open ones.',
      query: z.object({
        ...pageQuery,
        pipeline: resourceName.optional(),
        stage: resourceName.optional(),
        release: releaseQuerySchema,
        state: z.union([approvalStateSchema, z.literal('all')]).default('open'),
      }),
      response: approvalPageSchema,
      handle: ({ query }) => {
        const { pipeline, stage, release, state } = query;
        const filter = {
          ...(pipeline === undefined ? {} : { pipeline }),
          ...(stage === undefined ? {} : { stage }),
          ...(release === undefined ? {} : { release }),
          ...(state === 'all' ? {} : { state }),
        };
        return pageDocument(readModel.listApprovals(filter, pageRequest(query)), approvalDocument);
      },
    }),
    endpoint({
      method: 'post',
      path: `${path}:approve`,
      access: 'approve',
      tag,
      summary: 'Approves exactly one release for the stage.',
      params,
      body: approveSchema,
      response: changeSchema,
      handle: ({ params: of, body, actor, person }) =>
        send(
          of.pipeline,
          { type: 'approve', ...about(of, body), by: person, comment: body.comment },
          actor,
        ),
    }),
    endpoint({
      method: 'post',
      path: `${path}:reject`,
      access: 'approve',
      tag,
      summary: 'Ends the request for approvals of one release: it does not enter the stage.',
      params,
      body: rejectSchema,
      response: changeSchema,
      handle: ({ params: of, body, actor, person }) =>
        send(
          of.pipeline,
          { type: 'reject', ...about(of, body), by: person, reason: body.reason },
          actor,
        ),
    }),
    endpoint({
      method: 'post',
      path: `${path}:withdraw-approval`,
      access: 'approve',
      tag,
      summary: "Takes the caller's own approval back, as long as the release was not admitted.",
      params,
      body: withdrawApprovalSchema,
      response: changeSchema,
      handle: ({ params: of, body, actor, person: by }) => {
        const { stage, release, at } = about(of, body);
        return send(of.pipeline, { type: 'withdraw-approval', stage, release, at, by }, actor);
      },
    }),
  ];
}
