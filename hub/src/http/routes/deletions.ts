import type { ClusterId, PipelineName, StageName } from '@fairlead/shared/ids';
import { z } from '@hono/zod-openapi';
import type { Actor } from '../../decision-log/index.ts';
import { pageItemsMax } from '../../limits.ts';
import type { PageRequest, TargetView } from '../../read-model/index.ts';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { targetDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { parsedName } from '../names.ts';
import { accepted, found, RefusedError } from '../problems.ts';
import {
  changeSchema,
  deleteClusterObjectsSchema,
  deletePipelineObjectsSchema,
  pageQuery,
  resourceName,
  targetPageSchema,
} from '../schemas.ts';
import { changeDocument } from './change.ts';
import { requireConfirmation } from './confirmation.ts';

/** What removals left in place, and the second order that deletes it. */
export function deletionEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, clock, snapshotOf } = options;
  const order = async (
    pipeline: PipelineName,
    scope: { inStage?: StageName; cluster?: ClusterId; objects: number; reason: string },
    actor: Actor,
  ) => {
    const type = 'delete-objects';
    const make = async () => {
      const snapshot = await snapshotOf(pipeline, clock.now());
      return { type, ...scope, snapshot } as const;
    };
    return accepted(await commands.pipeline(pipeline, { type, make }, actor));
  };
  /** Of the cluster that has the name now: what an earlier one of the same name left is out of reach. */
  const orphansOf = (cluster: string, id: ClusterId): TargetView[] => {
    const found: TargetView[] = [];
    for (let after: PageRequest['after'], isMore = true; isMore; ) {
      const page = { limit: pageItemsMax, ...(after === undefined ? {} : { after }) };
      const { items, next } = readModel.listTargets({ orphans: true, cluster }, page);
      found.push(...items.filter(({ target }) => target.clusterId === id));
      after = next;
      isMore = next !== undefined;
    }
    return found;
  };

  return [
    endpoint({
      method: 'get',
      path: '/orphans',
      tag: 'targets',
      summary:
        'Lists former targets whose objects were left in place, or are being deleted by an order.',
      query: z.object({
        ...pageQuery,
        pipeline: resourceName.optional(),
        stage: resourceName.optional(),
        cluster: resourceName.optional(),
      }),
      response: targetPageSchema,
      handle: ({ query }) => {
        const { pipeline, stage, cluster } = query;
        const filter = { orphans: true, pipeline, stage, cluster } as const;
        return pageDocument(readModel.listTargets(filter, pageRequest(query)), targetDocument);
      },
    }),
    endpoint({
      method: 'post',
      path: '/pipelines/{pipeline}:delete-objects',
      tag: 'pipelines',
      summary: 'Deletes what a removed pipeline, stage or label left in place in clusters.',
      params: z.object({ pipeline: resourceName }),
      body: deletePipelineObjectsSchema,
      response: changeSchema,
      handle: async ({ params, body, actor }) => {
        const pipeline = parsedName<PipelineName>(params.pipeline, 'pipeline');
        requireConfirmation(pipeline, body.confirm);
        const { objects, reason, stage, cluster } = body;
        const scope = {
          objects,
          reason,
          ...(stage === undefined ? {} : { inStage: parsedName<StageName>(stage, 'stage') }),
          ...(cluster === undefined
            ? {}
            : { cluster: found(readModel.findCluster(cluster), 'cluster', cluster).id }),
        };
        return changeDocument(await order(pipeline, scope, actor));
      },
    }),
    endpoint({
      method: 'post',
      path: '/clusters/{cluster}:delete-objects',
      tag: 'clusters',
      summary: 'Deletes everything that pipelines have left in place in a cluster.',
      params: z.object({ cluster: resourceName }),
      body: deleteClusterObjectsSchema,
      response: changeSchema,
      handle: async ({ params: { cluster }, body: { confirm, objects, reason }, actor }) => {
        const { id } = found(readModel.findCluster(cluster), 'cluster', cluster);
        requireConfirmation(cluster, confirm);
        const byPipeline = Map.groupBy(orphansOf(cluster, id), ({ target }) => target.pipeline);
        const parts = [...byPipeline].map(([pipeline, targets]) => ({
          pipeline: pipeline as PipelineName,
          objects: sumOf(targets),
        }));
        checkTotal(cluster, parts, objects);
        let position = readModel.position();
        const events: string[] = [];
        for (const part of parts) {
          const scope = { cluster: id, objects: part.objects, reason };
          const change = changeDocument(await order(part.pipeline, scope, actor));
          position = Math.max(position, change.position);
          events.push(...change.events);
        }
        return { position, events };
      },
    }),
  ];
}

const sumOf = (targets: readonly TargetView[]): number =>
  targets.reduce((sum, { report }) => sum + (report?.objectsTotal ?? 0), 0);

/** Refused before the first pipeline is asked, so that an order is carried out whole or not at all. */
function checkTotal(
  cluster: string,
  parts: readonly { readonly objects: number }[],
  named: number,
): void {
  if (parts.length === 0) {
    const detail =
      `Nothing is left in place in ${cluster}. What is still assigned to it is never deleted: ` +
      'remove its pipelines, or change its labels so that no stage selects it, first.';
    throw new RefusedError('command_refused', { code: 'nothing_to_delete', detail });
  }
  const total = parts.reduce((sum, { objects }) => sum + objects, 0);
  if (total === named) return;
  throw new RefusedError('command_refused', {
    code: 'objects_have_changed',
    detail: `${total} objects are left in place in ${cluster}, and the order names ${named}. Look again.`,
  });
}
