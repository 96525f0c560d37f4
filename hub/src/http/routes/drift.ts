import { formatInstant } from '@fairlead/shared/time';
import { z } from '@hono/zod-openapi';
import type { DriftView } from '../../read-model/index.ts';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { differenceDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { found } from '../problems.ts';
import { type DriftDocument, driftPageSchema, pageQuery, resourceName } from '../schemas.ts';

export const driftEndpoints = ({ readModel }: Pick<HttpApiOptions, 'readModel'>): Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/drift',
    tag: 'status',
    summary: 'Lists objects that are not as their commit wants them and are not repaired at once.',
    query: z.object({
      ...pageQuery,
      pipeline: resourceName.optional(),
      stage: resourceName.optional(),
      cluster: resourceName.optional(),
    }),
    response: driftPageSchema,
    handle: ({ query }) => {
      const { pipeline, stage, cluster } = query;
      // A name that is not there must not look like a fleet without drift.
      if (pipeline) found(readModel.findPipeline(pipeline), 'pipeline', pipeline);
      if (pipeline && stage) {
        found(readModel.findStage(pipeline, stage), 'stage', `${pipeline}/${stage}`);
      }
      if (cluster) found(readModel.findCluster(cluster), 'cluster', cluster);
      return pageDocument(
        readModel.listDrift({ pipeline, stage, cluster }, pageRequest(query)),
        driftDocument,
      );
    },
  }),
];

function driftDocument({ drift, report, target }: DriftView): DriftDocument {
  const { pipeline, stage, group, kind, namespace, name } = drift;
  return {
    pipeline,
    stage,
    cluster: target.clusterName,
    generation: report.generation,
    commit: report.commit,
    receivedAt: formatInstant(report.receivedAt),
    current: report.generation === target.generation && report.commit === target.commit,
    object: { group, kind, namespace, name },
    state: drift.state,
    change: drift.change,
    managers: [...drift.managers],
    differences: drift.differences.map(differenceDocument),
    differencesTotal: drift.differencesTotal,
  };
}
