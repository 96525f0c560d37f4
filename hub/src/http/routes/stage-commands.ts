import {
  type ClusterName,
  type CommitId,
  type PipelineName,
  parseNewId,
  type StageName,
} from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import { z } from '@hono/zod-openapi';
import type { Actor } from '../../decision-log/index.ts';
import type { PipelineCommand } from '../../domain/promotion/commands.ts';
import type { Snapshot } from '../../domain/promotion/index.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { parsedName } from '../names.ts';
import { accepted, found } from '../problems.ts';
import {
  abortSchema,
  changeSchema,
  confirmPruneSchema,
  confirmWithdrawalSchema,
  optionalReasonSchema,
  overwriteRefSchema,
  promoteSchema,
  reasonSchema,
  resourceName,
  rollbackSchema,
} from '../schemas.ts';
import { changeDocument } from './change.ts';
import { createReleaseResolver } from './release-reference.ts';

const tag = 'stages';
const params = z.object({ pipeline: resourceName, stage: resourceName });
const path = '/pipelines/{pipeline}/stages/{stage}';

/** What a person may ask of a stage. */
export function stageCommandEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, clock, random, snapshotOf } = options;
  const resolveRelease = createReleaseResolver(readModel);
  const releaseOf = (pipeline: string, reference: string | undefined) =>
    reference === undefined ? {} : { release: resolveRelease(pipeline, reference) };
  const send = async (pipeline: string, command: PipelineCommand, actor: Actor) =>
    changeDocument(accepted(await commands.pipeline(pipeline, command, actor)));
  /** A command that looks at the fleet does so anew for each try, so that no freeze comes in between. */
  const sendMade = async (
    pipeline: string,
    type: PipelineCommand['type'],
    make: (snapshot: Snapshot) => PipelineCommand,
    actor: Actor,
  ) => {
    const name = parsedName<PipelineName>(pipeline, 'pipeline');
    const made = { type, make: async () => make(await snapshotOf(name, clock.now())) };
    return changeDocument(accepted(await commands.pipeline(pipeline, made, actor)));
  };
  const stageName = (text: string) => parsedName<StageName>(text, 'stage');

  return [
    endpoint({
      method: 'post',
      path: `${path}:promote`,
      access: 'promote',
      tag,
      summary: 'Asks for a release to enter the stage: the newest that waits, or the named one.',
      params,
      body: promoteSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body, actor, person }) => {
        const { release, force, hotfix, overrideReason } = body;
        return send(
          pipeline,
          {
            type: 'promote',
            stage: stageName(stage),
            ...releaseOf(pipeline, release),
            force,
            at: clock.now(),
            by: person,
            ...(hotfix === undefined ? {} : { hotfix }),
            ...(overrideReason === undefined ? {} : { overrideReason }),
            newId: expectOk(parseNewId(random.nextId()), 'a new id'),
          },
          actor,
        );
      },
    }),
    endpoint({
      method: 'post',
      path: `${path}:hold`,
      access: 'hold',
      tag,
      summary: 'Lets no release enter the stage until it is resumed.',
      params,
      body: reasonSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body: { reason }, actor }) =>
        send(pipeline, { type: 'hold-stage', stage: stageName(stage), reason }, actor),
    }),
    endpoint({
      method: 'post',
      path: `${path}:resume`,
      access: 'hold',
      tag,
      summary: 'Ends a hold.',
      params,
      body: optionalReasonSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body: { reason }, actor }) =>
        send(pipeline, { type: 'resume-stage', stage: stageName(stage), reason }, actor),
    }),
    endpoint({
      method: 'post',
      path: `${path}:rollback`,
      access: 'rollback',
      tag,
      summary:
        'Returns to the release that succeeded before, or to the named one, and holds the stage.',
      params,
      body: rollbackSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body, actor, person }) => {
        const { release, reason, overrideReason } = body;
        const asked = {
          type: 'rollback',
          stage: stageName(stage),
          ...releaseOf(pipeline, release),
          reason,
          newId: expectOk(parseNewId(random.nextId()), 'a new rollout id'),
          by: person,
          ...(overrideReason === undefined ? {} : { overrideReason }),
        } as const;
        return sendMade(pipeline, asked.type, (snapshot) => ({ ...asked, snapshot }), actor);
      },
    }),
    endpoint({
      method: 'post',
      path: `${path}:abort`,
      access: 'rollback',
      tag,
      summary:
        'Ends the running rollout; targets keep what they were assigned, or return to what they ran.',
      params,
      body: abortSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body: { reason, rollback }, actor }) => {
        const abort = { type: 'abort-rollout', stage: stageName(stage), reason } as const;
        if (!rollback) return send(pipeline, abort, actor);
        const newId = expectOk(parseNewId(random.nextId()), 'a new rollout id');
        const returning = (snapshot: Snapshot) => ({ ...abort, rollback: { snapshot, newId } });
        return sendMade(pipeline, abort.type, returning, actor);
      },
    }),
    endpoint({
      method: 'post',
      path: `${path}:pause`,
      access: 'hold',
      tag,
      summary: 'Lets the running rollout assign nothing more until it is continued.',
      params,
      body: reasonSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body: { reason }, actor }) =>
        send(
          pipeline,
          { type: 'pause-rollout', stage: stageName(stage), reason, at: clock.now() },
          actor,
        ),
    }),
    endpoint({
      method: 'post',
      path: `${path}:continue`,
      access: 'hold',
      tag,
      summary: 'Lets a paused rollout go on; its deadlines move by as long as the pause was.',
      params,
      body: optionalReasonSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body: { reason }, actor }) =>
        send(
          pipeline,
          { type: 'continue-rollout', stage: stageName(stage), reason, at: clock.now() },
          actor,
        ),
    }),
    endpoint({
      method: 'post',
      path: `${path}:confirm-prune`,
      tag,
      summary: 'Lets a target delete what its deletion budget holds back.',
      params,
      body: confirmPruneSchema,
      response: changeSchema,
      handle: async ({ params: { pipeline, stage }, body, actor }) => {
        const { cluster, generation, digest } = body;
        const row = found(readModel.findCluster(cluster), 'cluster', cluster);
        const asked = {
          type: 'confirm-prune',
          stage: stageName(stage),
          cluster: row.id,
          clusterName: parsedName<ClusterName>(row.name, 'cluster'),
          generation,
          digest,
        } as const;
        return sendMade(pipeline, asked.type, (snapshot) => ({ ...asked, snapshot }), actor);
      },
    }),
    endpoint({
      method: 'post',
      path: `${path}:confirm-withdrawal`,
      tag,
      summary: 'Lets targets leave the stage that are so many that it waits for a person.',
      params,
      body: confirmWithdrawalSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body: { clusters, reason }, actor }) =>
        send(
          pipeline,
          {
            type: 'confirm-withdrawal',
            stage: stageName(stage),
            clusters,
            reason,
            at: clock.now(),
          },
          actor,
        ),
    }),
    endpoint({
      method: 'post',
      path: `${path}:overwrite-ref`,
      tag,
      summary: "Lets the hub push the stage's branch over the commit that it is halted by.",
      params,
      body: overwriteRefSchema,
      response: changeSchema,
      handle: ({ params: { pipeline, stage }, body: { found: commit, reason }, actor }) => {
        const halting = { found: commit as CommitId, reason };
        return send(
          pipeline,
          { type: 'overwrite-stage-ref', stage: stageName(stage), ...halting },
          actor,
        );
      },
    }),
  ];
}
