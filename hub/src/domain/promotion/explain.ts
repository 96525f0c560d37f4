import type { ClusterId, ClusterName, CommitId, StageName } from '@fairlead/shared/ids';
import { formatInstant, type Instant } from '@fairlead/shared/time';
import { isWithheldBy } from '../freeze/index.ts';
import type { StageDefinition } from '../pipeline/definition.ts';
import { stageNamed } from '../pipeline/index.ts';
import { agentFault } from './agent-version.ts';
import { expiries } from './approval/validity.ts';
import { candidateOf, endInStage, isSettledOn } from './candidate.ts';
import { awaitedText, awaitedUntil } from './discovery.ts';
import type { GateResult } from './events.ts';
import {
  explainRollout,
  plannedBlockers,
  type RolloutExplanation,
  rolloutWakes,
} from './explain-rollout.ts';
import { declinedText } from './failure.ts';
import {
  belongs,
  evidenceFor,
  type FleetView,
  fleetView,
  lastSaid,
  selects,
} from './fleet-view.ts';
import { type AssignmentFreeze, assignmentFreeze } from './freeze.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { type Ahead, aheadOf } from './hotfix.ts';
import { get, values } from './persistent-map.ts';
import { plannedTargets } from './plan-rollout.ts';
import type { Snapshot, TargetReport } from './snapshot.ts';
import { stageRefText } from './stage-ref/text.ts';
import { isControl } from './stages-before.ts';
import {
  type ActivePipeline,
  type KnownRelease,
  type PipelineState,
  releaseOf,
  type StageState,
  short,
  stageState,
  type TargetState,
  type WithdrawnTarget,
} from './state.ts';
import { guardMs } from './waiting.ts';
import { heldText } from './withdrawal.ts';

/** Why a stage is where it is, on one snapshot: every blocker in words, with what clears it. */
export type StageExplanation = {
  readonly stage: StageName;
  /** The release that the gates were asked about: the named one, or what the stage would take next. */
  readonly candidate?: KnownRelease;
  readonly gates: readonly GateResult[];
  readonly rollout?: RolloutExplanation;
  readonly targets: readonly TargetExplanation[];
  readonly summary: string;
  /** Why nothing is assigned here now, whatever else is open. */
  readonly frozen?: Frozen;
  /** Targets that would leave the stage and wait for a person. */
  readonly heldWithdrawal?: StageState['heldWithdrawal'];
  /** It runs a hotfix that stages before it do not have. */
  readonly ahead?: Ahead;
  /** When time alone may change the answer. */
  readonly nextChangeAt?: Instant;
};

type Frozen = Omit<Extract<AssignmentFreeze, { frozen: true }>, 'frozen' | 'freezes'>;

export type TargetExplanation = {
  readonly cluster: ClusterId;
  readonly clusterName: ClusterName;
  readonly assigned?: TargetState;
  /** The newest report, also when it is about an older assignment. */
  readonly reported?: TargetReport;
  readonly blocker?: string;
};

/** Nothing for a stage that the pipeline does not have. */
export function explain(
  state: PipelineState,
  stageName: StageName,
  snapshot: Snapshot,
  named?: CommitId,
): StageExplanation | undefined {
  if (state.status !== 'active') return undefined;
  const stage = stageNamed(state.definition, stageName);
  if (stage === undefined) return undefined;
  const fleet = fleetView(snapshot);
  const inStage = stageState(state, stageName);
  const chosen = named ? releaseOf(state, named) : undefined;
  const next = candidateOf(state, stage, fleet.at);
  const candidate =
    chosen ?? next.release ?? (next.reason === undefined ? undefined : next.blocked);
  const gates = candidate
    ? evaluateGates({ state, stage, inStage, release: candidate, at: fleet.at, fleet })
    : [];
  const rollout = explainRollout(state, stage, fleet);
  const { heldWithdrawal } = inStage;
  const ahead = aheadOf(state, stage);
  const freeze = assignmentFreeze(state, stage, fleet, inStage.rollout?.override);
  const nextChangeAt = earliest([
    ...rolloutWakes(state, stage, fleet),
    ...expiries(values(inStage.approvals)),
    ...gates.map(({ clearsAt }) => clearsAt),
    ...flowChanges(state, stage, fleet),
    ...(freeze.frozen ? [freeze.clearsAt] : []),
  ]);
  return {
    stage: stageName,
    ...(candidate ? { candidate } : {}),
    gates,
    ...(rollout ? { rollout } : {}),
    ...(freeze.frozen ? { frozen: frozenOf(freeze) } : {}),
    targets: targetExplanations({ state, stage, inStage, fleet }).map((target) =>
      whileFrozen(target, { stage, fleet, freeze, inStage }),
    ),
    summary: [
      ...(heldWithdrawal ? [withdrawalSentence(state, stage, heldWithdrawal)] : []),
      ...(freeze.frozen ? [frozenSentence(stage, freeze)] : []),
      ...(ahead ? [aheadSentence(ahead)] : []),
      summarySentence({ state, stage, rollout, fleet, candidate, chosen, gates }),
      ...[declinedText(state, stage)].filter((text) => text !== undefined),
      ...flowSentences(state, stage),
    ].join(' '),
    ...(heldWithdrawal ? { heldWithdrawal } : {}),
    ...(ahead ? { ahead } : {}),
    ...(nextChangeAt === undefined ? {} : { nextChangeAt }),
  };
}

const aheadSentence = ({ release, notIn }: Ahead): string =>
  `It runs the hotfix ${short(release)}, which ${notIn.join(' and ')} ` +
  `${notIn.length === 1 ? 'does' : 'do'} not contain yet: a success there with it or a newer release clears that.`;

/** Times at which a release comes to be, is tried again, or begins to keep its place. */
function flowChanges(
  state: ActivePipeline,
  stage: StageDefinition,
  { at, watchedMs }: FleetView,
): (Instant | undefined)[] {
  const { waiting, pinned } = stageState(state, stage.name);
  const guarded =
    stage.supersede.mode === 'latest-after' && waiting !== undefined && pinned === undefined
      ? at + guardMs(stage) - (watchedMs - waiting.sinceWatchedMs)
      : undefined;
  const { clearsAt } = { clearsAt: undefined, ...candidateOf(state, stage, at) };
  const begins = stage.after.length === 0 ? awaitedUntil(state) : undefined;
  return [begins, clearsAt, guarded].filter((instant) => instant !== undefined && instant > at);
}

/** What is to be told besides what the stage waits for. */
function flowSentences(state: ActivePipeline, stage: StageDefinition): string[] {
  const awaited = stage.after.length === 0 ? awaitedText(state) : undefined;
  return [awaited, stageRefText(state, stage)].filter((text) => text !== undefined);
}

type FrozenStage = Extract<AssignmentFreeze, { frozen: true }>;

const frozenOf = ({ reason, running, clearsAt }: FrozenStage): Frozen => ({
  reason,
  running,
  ...(clearsAt === undefined ? {} : { clearsAt }),
});

const frozenSentence = ({ name }: StageDefinition, { reason }: FrozenStage): string =>
  `${name} is frozen, and nothing is assigned there: ${reason}.`;

/** What a freeze keeps from a target: its first assignment, or one that its agent has not seen. */
function whileFrozen(
  target: TargetExplanation,
  {
    stage,
    fleet,
    freeze,
    inStage,
  }: { stage: StageDefinition; fleet: FleetView; freeze: AssignmentFreeze; inStage: StageState },
): TargetExplanation {
  if (!freeze.frozen || inStage.heldWithdrawal !== undefined) return target;
  const { assigned, clusterName, cluster } = target;
  if (assigned === undefined) {
    if (target.blocker !== undefined || inStage.current === undefined) return target;
    const blocker = `${clusterName} waits for its assignment: the stage is frozen (${freeze.reason}).`;
    return { ...target, blocker };
  }
  const seen = evidenceFor(fleet, stage.name, assigned) !== undefined;
  const withheld = freeze.freezes.some((one) =>
    isWithheldBy(one, { assignedAt: assigned.assignedAt, at: fleet.at }),
  );
  if (seen || !withheld || fleet.clusters.get(cluster) === undefined) return target;
  const blocker =
    `${target.blocker ?? `${clusterName} has not reported on it yet.`} If its agent has not seen ` +
    `the assignment, it is withheld until the freeze ends: ${freeze.reason}.`;
  return { ...target, blocker };
}

const withdrawalSentence = (
  state: ActivePipeline,
  stage: StageDefinition,
  held: NonNullable<StageState['heldWithdrawal']>,
): string =>
  `${heldText(held)} They keep what they were assigned until the labels match again or ` +
  `\`fairlead confirm-withdrawal ${state.definition.name}/${stage.name}\` lets them go.`;

type StageContext = {
  readonly state: ActivePipeline;
  readonly stage: StageDefinition;
  readonly inStage: StageState;
  readonly fleet: FleetView;
};

function targetExplanations(context: StageContext): TargetExplanation[] {
  const { state, stage, inStage, fleet } = context;
  const blockerOf = plannedBlockers(state, stage, fleet);
  const matching = [...fleet.clusters.values()].filter(
    (cluster) =>
      belongs(stage, cluster) || (cluster.status === 'pending' && selects(stage, cluster.labels)),
  );
  const names = new Map<ClusterId, ClusterName>(matching.map(({ id, name }) => [id, name]));
  for (const { cluster, clusterName } of values(inStage.targets)) names.set(cluster, clusterName);
  for (const { cluster, clusterName, orderedAt } of values(inStage.withdrawn)) {
    if (orderedAt !== undefined) names.set(cluster, clusterName);
  }
  return [...names]
    .map(([cluster, clusterName]) => {
      const assigned = get(inStage.targets, cluster);
      const reported = fleet.reportOf(stage.name, cluster);
      const blocker = targetBlocker(context, { cluster, clusterName, assigned, blockerOf });
      return {
        cluster,
        clusterName,
        ...(assigned ? { assigned } : {}),
        ...(reported ? { reported } : {}),
        ...(blocker === undefined ? {} : { blocker }),
      };
    })
    .sort((left, right) => (left.clusterName < right.clusterName ? -1 : 1));
}

function targetBlocker(
  { stage, inStage, fleet }: StageContext,
  target: {
    readonly cluster: ClusterId;
    readonly clusterName: ClusterName;
    readonly assigned: TargetState | undefined;
    readonly blockerOf: (cluster: ClusterId) => string | undefined;
  },
): string | undefined {
  const { cluster, clusterName, assigned, blockerOf } = target;
  const { rollout, current } = inStage;
  const withdrawn = get(inStage.withdrawn, cluster);
  if (withdrawn?.orderedAt !== undefined) return deletionText(withdrawn, fleet, stage);
  if (inStage.heldWithdrawal?.targets.some((target) => target.cluster === cluster)) {
    return `${clusterName} would leave the stage, which waits for a confirmation.`;
  }
  if (fleet.clusters.get(cluster)?.status === 'pending') {
    return `${clusterName} has not enrolled yet: apply its install manifest.`;
  }
  const planned = blockerOf(cluster);
  if (planned !== undefined) return planned;
  if (assigned === undefined) {
    const known = fleet.clusters.get(cluster);
    const tooOld = known && agentFault(known);
    if (tooOld !== undefined) return `${tooOld}.`;
    return current === undefined ? `${clusterName} awaits the stage's first release.` : undefined;
  }
  if (rollout && get(rollout.outcomes, cluster)?.outcome === 'succeeded') return undefined;
  const report = evidenceFor(fleet, stage.name, assigned);
  const done = report?.phase === 'settled' && report.health === 'healthy';
  if (report?.phase === 'prune-held') {
    return (
      `${lastSaid(fleet, stage.name, assigned)}. \`fairlead confirm-prune\` shows the ` +
      `${report.pruneHeldObjects} objects and lets it delete them.`
    );
  }
  return done ? undefined : `${lastSaid(fleet, stage.name, assigned)}.`;
}

/** An order to delete that is out, or that was taken back because nobody took it up in time. */
function deletionText(target: WithdrawnTarget, fleet: FleetView, stage: StageDefinition): string {
  const { cluster, clusterName, disposition, generation, orderedAt = 0 } = target;
  const at = formatInstant(orderedAt);
  if (disposition === 'orphan') {
    return (
      `The order of ${at} to delete what ${clusterName} runs was not taken up in time and is not ` +
      'carried out any more: order it again if it is still meant.'
    );
  }
  const report = fleet.reportOf(stage.name, cluster);
  const said =
    report?.generation === generation
      ? `said ${report.phase}${report.message ? `: ${report.message}` : ''}`
      : 'has not taken it up yet';
  return `${clusterName} was ordered at ${at} to delete what it runs and ${said}.`;
}

function summarySentence(options: {
  state: ActivePipeline;
  stage: StageDefinition;
  rollout: RolloutExplanation | undefined;
  fleet: FleetView;
  candidate: KnownRelease | undefined;
  chosen: KnownRelease | undefined;
  gates: readonly GateResult[];
}): string {
  const { state, stage, rollout, fleet, candidate, chosen, gates } = options;
  const fault = isControl(stage) ? undefined : plannedTargets(stage, fleet).fault;
  const waits = gates.filter((gate) => !isOpen(gate)).map(({ detail }) => detail);
  if (rollout !== undefined) {
    const running = rollout.summary;
    if (candidate === undefined || candidate.commit === rollout.release) return running;
    return `${running} ${short(candidate.commit)} waits for it to end.`;
  }
  const { reason } = candidateOf(state, stage, fleet.at);
  if (candidate === undefined || (chosen === undefined && reason !== undefined)) {
    return reason ?? 'Nothing waits for this stage.';
  }
  const name = short(candidate.commit);
  if (fault !== undefined) return `${name} waits. ${fault}`;
  if (waits.length > 0) return `${name} waits: ${waits.join(' ')}`;
  if (chosen !== undefined) {
    if (isSettledOn(state, stage.name, chosen.commit)) return `${name} is what it runs.`;
    return endInStage(state, stage.name, chosen.commit) ?? `Every gate is open for ${name}.`;
  }
  return `${name} is admitted with the next look.`;
}

/** The earliest instant at which time alone could change a decision; nothing when only events can. */
export function nextWakeAt(state: PipelineState, snapshot: Snapshot): Instant | undefined {
  if (state.status !== 'active') return undefined;
  const { at, freezesChangeAt } = snapshot;
  const fleet = fleetView(snapshot);
  const instants = state.definition.stages.flatMap((stage) => {
    const inStage = stageState(state, stage.name);
    const due = [...expiries(values(inStage.approvals)), ...flowChanges(state, stage, fleet)];
    due.push(...inStage.verifications.flatMap((run) => (run.ended ? [] : [run.deadlineAt])));
    if (inStage.rollout !== undefined) due.push(...rolloutWakes(state, stage, fleet));
    if (inStage.rollout !== undefined && !stage.supersede.interrupt) return due;
    const { release } = candidateOf(state, stage, at);
    if (release === undefined) return due;
    const gates = evaluateGates({ state, stage, inStage, release, at, fleet });
    return [...due, ...gates.map(({ clearsAt }) => clearsAt)];
  });
  return earliest(
    [...instants, freezesChangeAt].filter((instant) => instant !== undefined && instant > at),
  );
}

const earliest = (instants: readonly (Instant | undefined)[]): Instant | undefined => {
  const known = instants.filter((instant) => instant !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};
