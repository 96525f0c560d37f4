import type { PipelineDefinition, VerificationPolicy } from '../pipeline/definition.ts';
import type { VerificationEvent } from '../promotion/verification/events.ts';
import { type Assignment, treeRoot } from './assignment.ts';

type VerificationStarted = Extract<VerificationEvent, { type: 'VerificationStarted' }>;

/** What an agent is told to run once: everything that it needs of the hub. */
export type VerificationOrder = {
  readonly runId: string;
  readonly name: string;
  /** Under which terms: as the stage that it runs in would be assigned the release, with the file's folder for a path. */
  readonly assignment: Assignment;
  /** In the assignment's path. */
  readonly file: string;
  readonly timeoutMs: number;
};

/** Joins a recorded start with the definition that it names, and with its repository's policy of then. */
export function composeVerificationOrder(
  definition: PipelineDefinition,
  started: VerificationStarted,
  { generation, verification }: { generation: number; verification?: VerificationPolicy },
): VerificationOrder | undefined {
  const { inStage, cluster, clusterName, release, runId, name, job, timeoutMs } = started;
  const stage = definition.stages.find((candidate) => candidate.name === inStage);
  if (stage === undefined) return undefined;
  const cut = job.lastIndexOf('/');
  const path = job.slice(0, Math.max(0, cut));
  return {
    runId,
    name,
    file: job.slice(cut + 1),
    timeoutMs,
    assignment: {
      cluster,
      clusterName,
      project: definition.project,
      pipeline: definition.name,
      stage: inStage,
      generation,
      disposition: 'run',
      repository: definition.repository,
      commit: release,
      path,
      root: treeRoot(definition.include, path),
      render: stage.render,
      apply: stage.apply,
      confirmedPruneGeneration: 0,
      confirmedPruneDigest: '',
      ...(verification === undefined ? {} : { verification }),
    },
  };
}
