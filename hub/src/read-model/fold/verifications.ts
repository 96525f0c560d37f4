import type { ClusterId } from '@fairlead/shared/ids';
import { and, eq, isNull } from 'drizzle-orm';
import type { PipelineDefinition } from '../../domain/pipeline/definition.ts';
import { stageNamed } from '../../domain/pipeline/index.ts';
import type { PipelineEvent } from '../../domain/promotion/events.ts';
import { composeVerificationOrder } from '../../domain/rollout/index.ts';
import type { Orm } from '../orm.ts';
import {
  metricAnalysisTable,
  repositoryTable,
  targetTable,
  verificationRunTable,
} from '../schema.ts';
import type { FoldBatch } from './batch.ts';

type Of<Type extends PipelineEvent['type']> = Extract<PipelineEvent, { type: Type }>;
type DefinitionOf = (
  batch: FoldBatch,
  pipeline: string,
  revision: number,
) => PipelineDefinition | undefined;

/** Folds which Jobs clusters are to run, and which metrics the hub is to ask. */
export function createVerificationFold(orm: Orm, definitionOf: DefinitionOf) {
  const generationOf = (cluster: ClusterId, pipeline: string, stage: string): number =>
    orm
      .select({ generation: targetTable.generation })
      .from(targetTable)
      .where(
        and(
          eq(targetTable.clusterId, cluster),
          eq(targetTable.pipeline, pipeline),
          eq(targetTable.stage, stage),
        ),
      )
      .get()?.generation ?? 1;
  const policyOf = (repository: string) =>
    orm
      .select({ definition: repositoryTable.definition })
      .from(repositoryTable)
      .where(eq(repositoryTable.name, repository))
      .get()?.definition.verification;

  return {
    runStarted: (batch: FoldBatch, pipeline: string, event: Of<'VerificationStarted'>): void => {
      const { stage, release: commit, name, runId, inStage, cluster, clusterName } = event;
      const definition = definitionOf(batch, pipeline, event.definitionRevision);
      const order =
        definition &&
        composeVerificationOrder(definition, event, {
          generation: generationOf(cluster, pipeline, inStage),
          verification: policyOf(definition.repository),
        });
      if (order === undefined) {
        throw new Error(
          `${pipeline}/${stage} ordered ${name} by revision ${event.definitionRevision}, which does not define ${inStage}`,
        );
      }
      orm
        .insert(verificationRunTable)
        .values({
          ...{ runId, pipeline, stage, commit, name, inStage, clusterId: cluster, clusterName },
          askedBy: event.by ?? null,
          startedAt: event.at,
          deadlineAt: event.deadlineAt,
          revokes: false,
          order,
        })
        .run();
      batch.assignments.add(cluster);
    },
    runEnded: (batch: FoldBatch, event: Of<'VerificationEnded'>): void => {
      const { runId, outcome, message, at, revokes = false } = event;
      const [row] = orm
        .update(verificationRunTable)
        .set({ endedAt: at, outcome, message, revokes })
        .where(eq(verificationRunTable.runId, runId))
        .returning({ cluster: verificationRunTable.clusterId })
        .all();
      if (row) batch.assignments.add(row.cluster);
    },
    analysisStarted: (
      batch: FoldBatch,
      pipeline: string,
      event: Of<'MetricAnalysisStarted'>,
    ): void => {
      const { stage, release: commit, name, runId, at, definitionRevision } = event;
      const defined = definitionOf(batch, pipeline, definitionRevision);
      const rule = stageNamed(defined, stage)?.gates.metrics.find(
        (candidate) => candidate.name === name,
      );
      if (rule === undefined) {
        throw new Error(
          `${pipeline}/${stage} analyses ${name} by revision ${definitionRevision}, which has no such metric`,
        );
      }
      orm
        .insert(metricAnalysisTable)
        .values({ runId, pipeline, stage, commit, name, startedAt: at, rule })
        .run();
    },
    analysisEnded: ({ runId, at }: Of<'MetricAnalysisEnded'>): void => {
      orm
        .update(metricAnalysisTable)
        .set({ endedAt: at })
        .where(eq(metricAnalysisTable.runId, runId))
        .run();
    },
    /** Nobody decides on it any more, so nothing of it is run or asked. */
    pipelineRemoved: (batch: FoldBatch, pipeline: string, at: number): void => {
      const rows = orm
        .update(verificationRunTable)
        .set({ endedAt: at, outcome: 'inconclusive', message: 'the pipeline was removed' })
        .where(
          and(eq(verificationRunTable.pipeline, pipeline), isNull(verificationRunTable.endedAt)),
        )
        .returning({ cluster: verificationRunTable.clusterId })
        .all();
      for (const { cluster } of rows) batch.assignments.add(cluster);
      orm
        .update(metricAnalysisTable)
        .set({ endedAt: at })
        .where(and(eq(metricAnalysisTable.pipeline, pipeline), isNull(metricAnalysisTable.endedAt)))
        .run();
    },
  };
}
