import type { NewId } from '@fairlead/shared/ids';
import { formatDuration, type Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../../pipeline/definition.ts';
import { nextCandidate, requestedRelease } from '../candidate.ts';
import type { PipelineEvent } from '../events.ts';
import type { FleetView } from '../fleet-view.ts';
import { get } from '../persistent-map.ts';
import { isRollback } from '../running.ts';
import { type ActivePipeline, type KnownRelease, releaseOf, stageState } from '../state.ts';
import type { Step } from '../step.ts';
import type { VerificationEvent } from './events.ts';
import { contextOf, type Need, needsOf } from './needs.ts';
import type { VerificationRun } from './state.ts';

/** Beyond the Job's own time: for the way to the agent, the tree, and the result's way back. */
export const verificationGraceMs = 120_000;

/** Starts the runs that gates wait for, and ends them by result or deadline. */
export const verificationSteps: Step = (state, stage, { fleet, newIds }) => {
  const ended = runEnds(state, stage, fleet);
  return ended.length > 0 ? ended : runStarts(state, stage, { fleet, newIds });
};

/** The releases that the stage may take next, and one that is on its way under rules that have changed since. */
export function expectedReleases(
  state: ActivePipeline,
  stage: StageDefinition,
  at: Instant,
): KnownRelease[] {
  const requested = requestedRelease(state, stage);
  const next = nextCandidate(state, stage, at).release;
  const { rollout } = stageState(state, stage.name);
  const isAskedAgain = rollout && rollout.revision !== state.revision && !isRollback(rollout);
  const running = isAskedAgain ? releaseOf(state, rollout.release) : undefined;
  const all = [requested, next, running].filter((release) => release !== undefined);
  return all.filter((release, index) => all.indexOf(release) === index);
}

function runStarts(
  state: ActivePipeline,
  stage: StageDefinition,
  { fleet, newIds }: { readonly fleet: FleetView; readonly newIds: readonly NewId[] },
): PipelineEvent[] {
  if (stage.gates.verifications.length === 0) return [];
  const due = expectedReleases(state, stage, fleet.at).flatMap((release) =>
    needsOf(contextOf(state, stage, { release, fleet }))
      .filter(({ run, waits }) => run === undefined && waits === '')
      .map((need) => ({ release, need })),
  );
  return due.flatMap(({ release, need }, index) => {
    const runId = newIds[index];
    return runId === undefined ? [] : startRun(state, stage, { release, need, runId, fleet });
  });
}

export type NewRun = {
  readonly release: KnownRelease;
  readonly need: Need;
  readonly runId: NewId;
  readonly fleet: FleetView;
  readonly by?: string;
};

export function startRun(
  state: ActivePipeline,
  stage: StageDefinition,
  { release, need, runId, fleet, by }: NewRun,
): VerificationEvent[] {
  const { rule, inStage, cluster } = need;
  if (cluster === undefined) return [];
  return [
    {
      type: 'VerificationStarted',
      stage: stage.name,
      release: release.commit,
      name: rule.name,
      runId,
      inStage,
      cluster: cluster.id,
      clusterName: cluster.name,
      job: rule.job,
      timeoutMs: rule.timeoutMs,
      definitionRevision: state.revision,
      at: fleet.at,
      deadlineAt: fleet.at + rule.timeoutMs + verificationGraceMs,
      ...(by === undefined ? {} : { by }),
    },
  ];
}

/**
 * A result counts for the run that it names, from the cluster that was to run it, and until the deadline. Whatever else
 * comes is no result of anything.
 */
function runEnds(state: ActivePipeline, stage: StageDefinition, fleet: FleetView): PipelineEvent[] {
  const { verifications } = stageState(state, stage.name);
  return verifications.flatMap((run): PipelineEvent[] => {
    if (run.ended) return [];
    const result = fleet.verifications.find(
      ({ runId, cluster, receivedAt }) =>
        runId === run.runId && cluster === run.cluster && receivedAt <= run.deadlineAt,
    );
    const end = result ?? withoutResult(run, fleet);
    if (end === undefined) return [];
    const { outcome, message } = end;
    const isRevoked = outcome !== 'passed' && revokes(state, stage, run);
    const { name, release, runId } = run;
    return [
      {
        type: 'VerificationEnded',
        stage: stage.name,
        release,
        name,
        runId,
        outcome,
        message,
        at: fleet.at,
        ...(isRevoked ? { revokes: true } : {}),
      },
    ];
  });
}

function withoutResult(run: VerificationRun, fleet: FleetView) {
  const cluster = fleet.clusters.get(run.cluster);
  const inconclusive = (message: string) => ({ outcome: 'inconclusive', message }) as const;
  if (cluster === undefined || cluster.status === 'revoked') {
    return inconclusive(`${run.clusterName} is no cluster of this hub any more`);
  }
  if (fleet.at < run.deadlineAt) return undefined;
  const presence = cluster.status === 'connected' ? '' : `; the cluster is ${cluster.status}`;
  const time = formatDuration(run.deadlineAt - run.startedAt);
  return inconclusive(`${run.clusterName} gave no result within ${time}${presence}`);
}

/** The release is in, or on its way in, on the word of an earlier run that this one contradicts. */
function revokes(state: ActivePipeline, stage: StageDefinition, run: VerificationRun): boolean {
  const { verifications, releases } = stageState(state, stage.name);
  const outcome = get(releases, run.release)?.outcome;
  if (outcome !== 'running' && outcome !== 'succeeded') return false;
  return verifications.some(
    ({ name, release, inStage, ended }) =>
      name === run.name &&
      release === run.release &&
      inStage === run.inStage &&
      ended?.outcome === 'passed',
  );
}
