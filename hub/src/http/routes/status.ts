import { formatInstant, type Instant } from '@fairlead/shared/time';
import { z } from '@hono/zod-openapi';
import { type FreezesState, hasEnded } from '../../domain/freeze/index.ts';
import { pageItemsMax } from '../../limits.ts';
import type { ClusterSummary, PipelineView } from '../../read-model/index.ts';
import { decodeCursor, pageDocument } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { clusterDocument, configurationDocument, stageDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { freezeDocument, withFreezes } from '../freeze-documents.ts';
import { type StatusDocument, statusSchema } from '../schemas.ts';

export function statusEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, clock, lastSeenOf } = options;

  const clusterSummary = (
    { cluster, targets }: ClusterSummary,
    now: number,
  ): StatusDocument['clusters']['items'][number] => {
    const document = clusterDocument(cluster, lastSeenOf(cluster.id));
    const { name, status, statusSince, lastSeenAt, agentVersion, epochRegressed } = document;
    const heardAt = Date.parse(lastSeenAt ?? statusSince);
    return {
      name,
      status,
      statusSince,
      ...(lastSeenAt === undefined ? {} : { lastSeenAt }),
      ...(status === 'offline' ? { offlineForMs: Math.max(0, now - heardAt) } : {}),
      ...(agentVersion === undefined ? {} : { agentVersion }),
      ...(epochRegressed === undefined ? {} : { epochRegressed: true }),
      targets,
    };
  };

  const pipelineSummaries = (
    rows: readonly PipelineView[],
    freezes: { readonly state: FreezesState; readonly at: Instant },
  ) => {
    const stages = Map.groupBy(
      readModel.stagesOf(rows.map(({ name }) => name)),
      ({ pipeline }) => pipeline,
    );
    return rows.map(({ name, repository, project }) => {
      const newestRelease = readModel.newestRelease(name);
      return {
        name,
        repository,
        ...(newestRelease === undefined ? {} : { newestRelease }),
        stages: (stages.get(name) ?? []).map((row) =>
          withFreezes(stageDocument(row), project, freezes),
        ),
      };
    });
  };

  return [
    endpoint({
      method: 'get',
      path: '/status',
      tag: 'status',
      summary: 'Says what runs where: each cluster and each pipeline in short.',
      query: z.object({
        limit: z.coerce.number().int().min(1).max(pageItemsMax).default(100),
        clusterCursor: z.string().optional(),
        pipelineCursor: z.string().optional(),
      }),
      response: statusSchema,
      handle: async ({ query: { limit, clusterCursor, pipelineCursor } }) => {
        const { state } = await commands.freezesState();
        const now = clock.now();
        const open = [...state.freezes.values()].filter((freeze) => !hasEnded(freeze, now));
        const pageAfter = (cursor: string | undefined, path: string) =>
          cursor === undefined ? { limit } : { limit, after: decodeCursor(cursor, path) };
        const clusters = readModel.clusterSummaries(pageAfter(clusterCursor, 'clusterCursor'));
        const pipelines = readModel.listPipelines(pageAfter(pipelineCursor, 'pipelineCursor'));
        return {
          at: formatInstant(now),
          position: readModel.position(),
          ...(options.hasConfiguration
            ? { configuration: configurationDocument(await options.commands.configurationState()) }
            : {}),
          clusterTotals: readModel.clusterTotals(),
          clusters: pageDocument(clusters, (summary) => clusterSummary(summary, now)),
          freezes: open.map((freeze) => freezeDocument(freeze, now)),
          pipelines: {
            ...pageDocument(pipelines, (row) => row),
            items: pipelineSummaries(pipelines.items, { state, at: now }),
          },
        };
      },
    }),
  ];
}
