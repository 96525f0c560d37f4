import type { PipelineName, StageName } from '@fairlead/shared/ids';
import { formatInstant } from '@fairlead/shared/time';
import { z } from '@hono/zod-openapi';
import { explain, type StageExplanation } from '../../domain/promotion/index.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { gateDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { configurationOf } from '../managed.ts';
import { parsedName } from '../names.ts';
import { found } from '../problems.ts';
import {
  type ExplanationDocument,
  explanationSchema,
  releaseQuerySchema,
  resourceName,
} from '../schemas.ts';
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
        const named =
          query.release === undefined ? undefined : resolveRelease(pipeline, query.release);
        const state = await commands.pipelineState(pipeline);
        const explanation = explain(state, stage, await snapshotOf(pipeline, clock.now()), named);
        const document = explanationDocument(
          pipeline,
          found(explanation, 'stage', `${pipeline}/${stage}`),
        );
        const configuration = await configurationOf(options, pipeline);
        return configuration === undefined ? document : { ...document, configuration };
      },
    }),
  ];
}

function explanationDocument(pipeline: string, explanation: StageExplanation): ExplanationDocument {
  const { stage, candidate, summary, gates, rollout, targets, nextChangeAt } = explanation;
  const { heldWithdrawal: held, ahead, frozen } = explanation;
  return {
    pipeline,
    stage,
    ...(candidate === undefined ? {} : { release: candidate.commit }),
    summary,
    gates: gates.map(gateDocument),
    ...(frozen === undefined ? {} : { frozen: frozenDocument(frozen) }),
    ...(rollout === undefined ? {} : { rollout: runningDocument(rollout) }),
    targets: targets.map(targetDocument),
    ...(held === undefined
      ? {}
      : {
          heldWithdrawal: {
            clusters: held.targets.map(({ clusterName: name }) => name),
            targetsTotal: held.targetsTotal,
          },
        }),
    ...(ahead === undefined ? {} : { ahead: { ...ahead, notIn: [...ahead.notIn] } }),
    ...(nextChangeAt === undefined ? {} : { nextChangeAt: formatInstant(nextChangeAt) }),
  };
}

function runningDocument({
  deadlineAt,
  paused,
  closed,
  waitsForOffline,
  summary: _,
  ...rollout
}: NonNullable<StageExplanation['rollout']>): NonNullable<ExplanationDocument['rollout']> {
  return {
    ...rollout,
    deadlineAt: formatInstant(deadlineAt),
    ...(paused ? { paused: { reason: paused.reason, since: formatInstant(paused.at) } } : {}),
    waitsForOffline: [...waitsForOffline],
    closed: closed.map(gateDocument),
  };
}
const frozenDocument = ({
  reason,
  running,
  clearsAt,
}: NonNullable<StageExplanation['frozen']>): NonNullable<ExplanationDocument['frozen']> => ({
  reason,
  running,
  ...(clearsAt === undefined ? {} : { until: formatInstant(clearsAt) }),
});

function targetDocument({
  clusterName,
  assigned,
  reported,
  blocker,
}: StageExplanation['targets'][number]): ExplanationDocument['targets'][number] {
  return {
    cluster: clusterName,
    ...(assigned === undefined
      ? {}
      : { generation: assigned.generation, commit: assigned.release }),
    ...(reported === undefined
      ? {}
      : { phase: reported.phase, health: reported.health, message: reported.message }),
    ...(blocker === undefined ? {} : { blocker }),
  };
}
