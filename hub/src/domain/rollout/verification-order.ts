import type { PipelineDefinition, VerificationPolicy } from '../pipeline/definition.ts';
import type { VerificationEvent } from '../promotion/verification/events.ts';
import { type Assignment, assignmentBy } from './assignment.ts';

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
  const cut = job.lastIndexOf('/');
  const assignment = assignmentBy(definition, {
    cluster,
    clusterName,
    stage: inStage,
    generation,
    commit: release,
    path: job.slice(0, Math.max(0, cut)),
    ...(verification === undefined ? {} : { verification }),
  });
  return assignment && { runId, name, file: job.slice(cut + 1), timeoutMs, assignment };
}
