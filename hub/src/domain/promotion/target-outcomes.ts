import { formatDuration, type Instant } from '@fairlead/shared/time';
import type { RolloutPolicy, StageDefinition } from '../pipeline/definition.ts';
import { amountOf, resolvePath } from '../rollout/index.ts';
import { agentFault } from './agent-version.ts';
import type {
  PipelineEvent,
  PlannedTarget,
  ReportEvidence,
  RolloutFailure,
  TargetFailureCause,
} from './events.ts';
import { evidenceFor, type FleetView, lastSaid, listed } from './fleet-view.ts';
import { get } from './persistent-map.ts';
import { assignedIn, pausedMsSince, stageOfRollout, startedTargets } from './running.ts';
import type { ClusterSnapshot, TargetReport } from './snapshot.ts';
import {
  type ActivePipeline,
  type ActiveRollout,
  type StageState,
  stageState,
  type TargetState,
} from './state.ts';

/** What one snapshot says of one target of a started batch. */
export type Verdict =
  | { readonly kind: 'succeeded'; readonly evidence: ReportEvidence }
  | {
      readonly kind: 'failed';
      readonly message: string;
      readonly cause: TargetFailureCause;
      readonly evidence?: ReportEvidence;
    }
  | { readonly kind: 'skipped'; readonly message: string }
  /** `until` is when time alone changes the verdict; `waitsFor` says what for, beyond what the target said. */
  | { readonly kind: 'open'; readonly until?: Instant; readonly waitsFor?: string };

type Judgement = {
  readonly state: ActivePipeline;
  readonly stage: StageDefinition;
  readonly inStage: StageState;
  readonly rollout: ActiveRollout;
  readonly fleet: FleetView;
};

/** What was proven comes before every deadline, and a deadline before what may still come. */
export function judge(context: Judgement, planned: PlannedTarget): Verdict {
  const { state, stage, inStage, rollout, fleet } = context;
  const planStage = stageOfRollout(state, stage, rollout);
  const policy = planStage.rollout;
  const cluster = fleet.clusters.get(planned.cluster);
  const target = assignedIn(inStage, rollout, planned);
  if (target === undefined) return judgeUnassigned(planStage, { rollout, planned, cluster, fleet });
  const report = evidenceFor(fleet, stage.name, target);
  const proof = report && judgeReport(report, { policy, cluster, at: fleet.at });
  if (proof !== undefined && proof.kind !== 'open') return proof;
  if (rollout.paused !== undefined) return { kind: 'open' };
  const said = lastSaid(fleet, stage.name, target);
  const isReachable = cluster?.status === 'connected';
  const skips = policy.offline === 'skip-and-catch-up' && !isReachable;
  if (skips && report === undefined && wasAwayAtStart(cluster, target)) {
    return { kind: 'skipped', message: said };
  }
  const deadlineAt = deadlineOf(rollout, { target, policy, cluster });
  if (fleet.at < deadlineAt) {
    return { kind: 'open', ...proof, until: Math.min(deadlineAt, proof?.until ?? deadlineAt) };
  }
  const evidence = report === undefined ? {} : { evidence: evidenceOf(report) };
  if (isReachable) return { kind: 'failed', message: said, cause: 'deadline', ...evidence };
  if (skips) return { kind: 'skipped', message: said };
  if (policy.offline === 'wait') return { kind: 'open' };
  return { kind: 'failed', message: said, cause: 'offline', ...evidence };
}

/** A target that has no room yet, or whom a freeze or a pause keeps, has all its time still before it. */
function judgeUnassigned(
  stage: StageDefinition,
  {
    rollout,
    planned,
    cluster,
    fleet,
  }: {
    rollout: ActiveRollout;
    planned: PlannedTarget;
    cluster: ClusterSnapshot | undefined;
    fleet: FleetView;
  },
): Verdict {
  const tooOld = cluster && agentFault(cluster);
  if (tooOld !== undefined) return { kind: 'open', waitsFor: tooOld };
  const missing = cluster ? resolvePath(stage.path, cluster).missing : [];
  if (missing.length === 0 || rollout.paused !== undefined) return { kind: 'open' };
  const { clusterName } = planned;
  const message = `${clusterName} could not be assigned: it has no usable value for ${missing.join(', ')}`;
  return fleet.at < rollout.deadlineAt
    ? { kind: 'open', until: rollout.deadlineAt, waitsFor: `${message}: set its labels` }
    : { kind: 'failed', message, cause: 'deadline' };
}

function judgeReport(
  report: TargetReport,
  { policy, cluster, at }: { policy: RolloutPolicy; cluster?: ClusterSnapshot; at: Instant },
): Verdict | undefined {
  const evidence = evidenceOf(report);
  const { message } = report;
  if (report.phase === 'failed' && report.terminal) {
    return { kind: 'failed', message, cause: 'reported', evidence };
  }
  if (report.health === 'suspended' && policy.suspended === 'failed') {
    return { kind: 'failed', message: message || 'it is suspended', cause: 'reported', evidence };
  }
  if (!isHealthy(report, policy)) return undefined;
  const { minHealthyMs } = policy;
  // One report proves that it is healthy; that it stays so, only an agent that can be heard.
  if (minHealthyMs === 0) return { kind: 'succeeded', evidence };
  if (cluster?.status !== 'connected') return undefined;
  const until = (report.healthySince ?? report.receivedAt) + minHealthyMs;
  if (at >= until) return { kind: 'succeeded', evidence };
  const healthyMs = formatDuration(at - until + minHealthyMs);
  const waitsFor = `is healthy for ${healthyMs} of ${formatDuration(minHealthyMs)}`;
  return { kind: 'open', until, waitsFor };
}

const isHealthy = ({ phase, health }: TargetReport, { suspended }: RolloutPolicy): boolean =>
  ['settled', 'prune-held'].includes(phase) &&
  (health === 'healthy' || (health === 'suspended' && suspended === 'healthy'));

/** Nobody had heard of it when it was assigned, or what was heard was no agent to be trusted. */
function wasAwayAtStart(
  cluster: ClusterSnapshot | undefined,
  { assignedAt }: TargetState,
): boolean {
  if (cluster?.status !== 'offline') return (cluster?.statusSince ?? 0) <= assignedAt;
  return (cluster.lastSeenAt ?? 0) < assignedAt;
}

/** A cluster that is waited for and returns after the deadline has the same time again, from its return. */
function deadlineOf(
  rollout: ActiveRollout,
  {
    target,
    policy,
    cluster,
  }: { target: TargetState; policy: RolloutPolicy; cluster: ClusterSnapshot | undefined },
): Instant {
  const { progressDeadlineMs } = policy;
  const own = target.assignedAt + progressDeadlineMs + pausedMsSince(rollout, target.assignedAt);
  const deadlineAt = Math.max(rollout.deadlineAt, own);
  const { status, statusSince = 0 } = cluster ?? {};
  const returned = policy.offline === 'wait' && status === 'connected' && statusSince > deadlineAt;
  return returned ? statusSince + progressDeadlineMs : deadlineAt;
}

const evidenceOf = (report: TargetReport): ReportEvidence => {
  const { agentEpoch, sequence, generation, commit, receivedAt } = report;
  return { agentEpoch, sequence, generation, commit, receivedAt };
};

/** What became of the targets of the running rollout since the last look. */
export function targetOutcomes(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const inStage = stageState(state, stage.name);
  const { rollout } = inStage;
  if (rollout === undefined) return [];
  const context = { state, stage, inStage, rollout, fleet };
  return startedTargets(rollout).flatMap((planned): PipelineEvent[] => {
    const { cluster, clusterName } = planned;
    if (get(rollout.outcomes, cluster)) return [];
    const { kind, ...verdict } = judge(context, planned);
    const outcome = { stage: stage.name, rolloutId: rollout.id, cluster, clusterName, ...verdict };
    if (kind === 'open') return [];
    const type = { succeeded: 'TargetSucceeded', failed: 'TargetFailed', skipped: 'TargetSkipped' }[
      kind
    ];
    return [{ type, ...outcome } as PipelineEvent];
  });
}

/** The end of the running rollout, if there is one. */
export function rolloutEnd(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const { rollout } = stageState(state, stage.name);
  if (rollout === undefined) return [];
  const { id: rolloutId, release, targets, outcomes } = rollout;
  const ended = { stage: stage.name, rolloutId, release, at: fleet.at };
  const fail = (failure: RolloutFailure): PipelineEvent[] => [
    { type: 'RolloutFailed', ...ended, failure },
  ];
  const targetsTotal = targets.length;
  if (targetsTotal === 0) {
    return fail({
      code: 'no_targets',
      message: 'every target left the stage before the rollout ended',
    });
  }
  if (outcomes.size === 0) return [];
  const { maxFailures } = stageOfRollout(state, stage, rollout).rollout;
  const budget = amountOf(maxFailures, targetsTotal);
  const count = countOutcomes(rollout);
  if (count.failed > budget) return fail(tooManyFailures({ state, stage, fleet, rollout, budget }));
  if (targets.some(({ cluster }) => !get(outcomes, cluster))) return [];
  if (count.succeeded === 0) {
    const message = `none of ${targetsTotal} targets has succeeded: ${listed(notSucceeded(rollout))}`;
    return fail({ code: count.failed > 0 ? 'too_many_failures' : 'all_targets_skipped', message });
  }
  const without = targets.flatMap(({ cluster, clusterName }) => {
    const why = get(outcomes, cluster)?.outcome;
    return why === 'failed' || why === 'skipped' ? [{ cluster, clusterName, why }] : [];
  });
  const targetsSucceeded = count.succeeded;
  const counts = { targetsSucceeded, targetsTotal, ...(without.length > 0 ? { without } : {}) };
  return [{ type: 'RolloutSucceeded', ...ended, ...counts }];
}

export function countOutcomes({ targets, outcomes }: Pick<ActiveRollout, 'targets' | 'outcomes'>) {
  const count = { succeeded: 0, failed: 0, skipped: 0 };
  for (const { cluster } of targets) {
    const outcome = get(outcomes, cluster)?.outcome;
    if (outcome !== undefined) count[outcome]++;
  }
  return count;
}

/** Targets that did not succeed, each with why. */
const notSucceeded = ({ targets, outcomes }: ActiveRollout): string[] =>
  targets.flatMap(({ cluster, clusterName }) => {
    const outcome = get(outcomes, cluster);
    if (outcome === undefined || outcome.outcome === 'succeeded') return [];
    // What was said for the target begins with its name; what it said itself does not.
    const isOwnWord = outcome.outcome === 'failed' && outcome.cause === 'reported';
    return [isOwnWord ? `${clusterName}: ${outcome.message}` : outcome.message];
  });

function tooManyFailures({
  state,
  stage,
  fleet,
  rollout,
  budget,
}: {
  state: ActivePipeline;
  stage: StageDefinition;
  fleet: FleetView;
  rollout: ActiveRollout;
  budget: number;
}): RolloutFailure {
  const { targets } = rollout;
  const count = countOutcomes(rollout);
  const failures = listed(notSucceeded(rollout));
  if (budget > 0) {
    const message = `${count.failed} of ${targets.length} targets failed, and ${budget} may: ${failures}`;
    return { code: 'too_many_failures', message };
  }
  const reported = targets.some(({ cluster }) => {
    const outcome = get(rollout.outcomes, cluster);
    return outcome?.outcome === 'failed' && outcome.cause === 'reported';
  });
  if (reported) return { code: 'target_failed', message: failures };
  const inStage = stageState(state, stage.name);
  const said = startedTargets(rollout).flatMap((planned) => {
    if (get(rollout.outcomes, planned.cluster)?.outcome === 'succeeded') return [];
    const target = assignedIn(inStage, rollout, planned);
    return target
      ? [lastSaid(fleet, stage.name, target)]
      : `${planned.clusterName} was not assigned`;
  });
  const healthy = `${count.succeeded} of ${targets.length} targets became healthy`;
  return { code: 'progress_deadline_exceeded', message: `${healthy}; ${listed(said)}` };
}
