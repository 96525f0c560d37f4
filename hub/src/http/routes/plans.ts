import type { CommitId, PipelineName, StageName } from '@fairlead/shared/ids';
import { parseCommitId } from '@fairlead/shared/ids';
import { ProblemError, problem } from '@fairlead/shared/problem';
import { expectOk } from '@fairlead/shared/result';
import { z } from '@hono/zod-openapi';
import type { StageDefinition } from '../../domain/pipeline/definition.ts';
import type { ClusterSnapshot } from '../../domain/promotion/index.ts';
import { clustersOfStage } from '../../domain/promotion/index.ts';
import { type Assignment, supposeAssignment } from '../../domain/rollout/index.ts';
import { planClustersMax } from '../../limits.ts';
import type { HttpApiOptions, PlanOutcome } from '../dependencies.ts';
import { differenceDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { parsedName } from '../names.ts';
import { found } from '../problems.ts';
import {
  type ClusterPlanDocument,
  planRequestSchema,
  planSchema,
  resourceName,
} from '../schemas.ts';
import { createReleaseResolver } from './release-reference.ts';

type Question = { readonly assignment: Assignment } | { readonly error: string };

export function planEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, planOf } = options;
  const resolveRelease = createReleaseResolver(readModel);

  const releaseOf = (pipeline: string, reference: string | undefined): CommitId => {
    if (reference !== undefined) return resolveRelease(pipeline, reference);
    const newest = readModel.newestRelease(pipeline);
    if (newest === undefined) {
      throw new ProblemError(
        problem('not_found', `The pipeline "${pipeline}" has no release yet.`),
      );
    }
    return expectOk(parseCommitId(newest), 'a release of the read model');
  };

  const clustersFor = (
    stage: StageDefinition,
    cluster: string | undefined,
  ): readonly ClusterSnapshot[] => {
    const all = clustersOfStage(stage, readModel.clusterSnapshots());
    if (cluster !== undefined) {
      const row = found(readModel.findCluster(cluster), 'cluster', cluster);
      const one = all.find(({ id }) => id === row.id);
      if (one) return [one];
      const detail = `The stage "${stage.name}" does not select the cluster "${cluster}".`;
      throw new ProblemError(problem('not_found', detail));
    }
    if (all.length <= planClustersMax) return all;
    throw new ProblemError(
      problem(
        'request_invalid',
        `The stage has ${all.length} clusters; a plan asks ${planClustersMax} at the most.`,
        [{ path: 'cluster', message: 'must name one of them' }],
      ),
    );
  };

  return [
    endpoint({
      method: 'post',
      path: '/pipelines/{pipeline}/stages/{stage}:plan',
      tag: 'stages',
      summary: 'Asks the clusters what a release would change in them; nothing is changed.',
      access: 'viewer',
      params: z.object({ pipeline: resourceName, stage: resourceName }),
      body: planRequestSchema,
      response: planSchema,
      handle: async ({ params, body }) => {
        const pipeline = parsedName<PipelineName>(params.pipeline, 'pipeline');
        const name = parsedName<StageName>(params.stage, 'stage');
        const { definition } = found(readModel.findPipeline(pipeline), 'pipeline', pipeline);
        const stage = definition.stages.find((candidate) => candidate.name === name);
        const clusters = clustersFor(found(stage, 'stage', `${pipeline}/${name}`), body.cluster);
        const release = body.assigned ? undefined : releaseOf(pipeline, body.release);
        const question = (cluster: ClusterSnapshot): Question => {
          const held = readModel.assignment(cluster.id, pipeline, name);
          if (release === undefined) {
            return held ? { assignment: held } : { error: 'nothing is assigned to it yet' };
          }
          const supposed = supposeAssignment(definition, { stage: name, release, cluster, held });
          return supposed.ok ? { assignment: supposed.value } : { error: supposed.error };
        };
        const plans = await Promise.all(
          clusters.map(async (cluster) => {
            const asked = question(cluster);
            if ('error' in asked) return noPlan(cluster.name, asked.error);
            const outcome = await planOf(cluster.id, asked.assignment);
            return clusterPlan(cluster.name, asked.assignment, outcome);
          }),
        );
        return {
          pipeline,
          stage: name,
          changes: plans.some(
            ({ totals }) => totals.create + totals.configure + totals.prune + totals.refuse > 0,
          ),
          clusters: plans,
        };
      },
    }),
  ];
}

const noPlan = (cluster: string, error: string): ClusterPlanDocument => ({
  cluster,
  error,
  objects: [],
  totals: { create: 0, configure: 0, unchanged: 0, prune: 0, keep: 0, refuse: 0 },
  objectsTruncated: 0,
});

function clusterPlan(
  cluster: string,
  { commit, path }: Assignment,
  outcome: PlanOutcome,
): ClusterPlanDocument {
  if (!outcome.ok) {
    return { ...noPlan(cluster, `${outcome.error.detail}; ask again`), release: commit, path };
  }
  const { error, objects, totals, objectsTruncated, pruneHeld } = outcome.value;
  return {
    cluster,
    release: commit,
    path,
    ...(error === '' ? {} : { error }),
    objects: objects.map(({ object, action, differences, differencesTotal, message }) => ({
      object,
      action,
      differences: differences.map(differenceDocument),
      differencesTotal,
      message,
    })),
    totals,
    objectsTruncated,
    ...(pruneHeld === '' ? {} : { pruneHeld }),
  };
}
