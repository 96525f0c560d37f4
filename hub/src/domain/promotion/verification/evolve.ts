import type { VerificationEvent } from './events.ts';
import type { VerificationRun } from './state.ts';

/** Runs that a stage remembers, more than it has targets; the oldest are forgotten. */
const runsMax = 5_000;

export function evolveVerifications(
  runs: readonly VerificationRun[],
  event: VerificationEvent,
): readonly VerificationRun[] {
  if (event.type === 'VerificationEnded') {
    const { outcome, message, at } = event;
    return runs.map((run) =>
      run.runId === event.runId ? { ...run, ended: { outcome, message, at } } : run,
    );
  }
  const { runId, name, release, inStage, cluster, clusterName, job, timeoutMs } = event;
  const { definitionRevision: revision, at: startedAt, deadlineAt } = event;
  const place = { inStage, cluster, clusterName };
  const run = { runId, name, release, ...place, job, timeoutMs, revision, startedAt, deadlineAt };
  return [...runs, run].slice(-runsMax);
}
