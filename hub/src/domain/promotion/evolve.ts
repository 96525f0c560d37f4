import type { CommitId, StageName } from '@fairlead/shared/ids';
import { unreachable } from '@fairlead/shared/result';
import type { Instant } from '@fairlead/shared/time';
import { completeDefinition } from '../pipeline/index.ts';
import { evolveApprovals } from './approval/evolve.ts';
import type { PipelineEvent, PlannedTarget } from './events.ts';
import { evolveAnalyses } from './metric/evolve.ts';
import { emptyMap, entries, get, withEntry, withoutEntry } from './persistent-map.ts';
import { evolveStageRef } from './stage-ref/evolve.ts';
import {
  type ActivePipeline,
  type ActiveRollout,
  type EndedRollout,
  emptyStage,
  type PipelineHistory,
  type PipelineState,
  type RemovedPipeline,
  type StageRelease,
  type StageState,
  type Stay,
  type SucceededRelease,
  type TargetOutcome,
  type TargetState,
} from './state.ts';
import { completedStay, nextStay, noSoak } from './stay.ts';
import { evolveVerifications } from './verification/evolve.ts';

/** Successes that a stage remembers for rollbacks. */
const historyMax = 200;

type Existing = ActivePipeline | RemovedPipeline;
type EventOf<Type extends PipelineEvent['type']> = Extract<PipelineEvent, { type: Type }>;
type StageEvent = Extract<PipelineEvent, { stage: StageName }>;

export function evolvePipeline(state: PipelineState, event: PipelineEvent): PipelineState {
  if (event.type === 'PipelineDefined') return define(state, event);
  if (state.status === 'undefined') return state;
  switch (event.type) {
    case 'PipelineRemoved': {
      const { revision, definitions, generation, releases } = state;
      // It is removed by its name: a withdrawal that waited for a person needs no other word.
      const stages = new Map(
        [...state.stages].map(([name, { heldWithdrawal: _, ...stage }]) => [name, stage]),
      );
      return { status: 'removed', revision, definitions, generation, releases, stages };
    }
    case 'ReleasesDiscovered': {
      const discovered = event.releases.map((release) => ({ ...release, orphaned: false }));
      const releases = [...state.releases, ...discovered];
      const last = state.releases.at(-1)?.position ?? 0;
      const inOrder = discovered.every(
        ({ position }, index) => position >= (discovered[index - 1]?.position ?? last),
      );
      if (!inOrder) releases.sort((left, right) => left.position - right.position);
      return { ...withoutAwaited(state, () => discovered.length > 0), releases };
    }
    case 'ReleaseAwaited': {
      const { release, at, mixed } = event;
      return { ...state, awaited: { release, at, ...(mixed === undefined ? {} : { mixed }) } };
    }
    case 'ReleasesOrphaned': {
      const isGone = (commit: CommitId) => event.commits.includes(commit);
      const marked = markOrphaned(withoutAwaited(state, isGone), event.commits, true);
      return restoreSuperseded(marked, event.commits);
    }
    case 'ReleasesRestored':
      return markOrphaned(state, event.commits, false);
    default:
      return evolveInStage(state, event);
  }
}

function define(state: PipelineState, event: EventOf<'PipelineDefined'>): ActivePipeline {
  const { revision } = event;
  const definition = completeDefinition(event.definition);
  const before: PipelineHistory =
    state.status === 'undefined'
      ? { revision: 0, definitions: new Map(), generation: 0, releases: [], stages: new Map() }
      : state.status === 'removed'
        ? { ...state, releases: [], stages: onlyTargets(state.stages) }
        : state;
  return {
    ...before,
    status: 'active',
    revision,
    definition,
    definitions: new Map(before.definitions).set(revision, definition),
  };
}

/** A pipeline that comes back starts afresh, but what clusters were told to run stays known. */
const onlyTargets = (stages: PipelineHistory['stages']): PipelineHistory['stages'] =>
  new Map(
    [...stages].map(([name, { targets, withdrawn }]) => [
      name,
      { ...emptyStage, targets, withdrawn },
    ]),
  );

function withoutAwaited<State extends Existing>(
  state: State,
  isOver: (commit: CommitId) => boolean,
): State {
  const { awaited, ...rest } = state;
  return awaited !== undefined && isOver(awaited.release.commit) ? (rest as State) : state;
}

function markOrphaned<State extends Existing>(
  state: State,
  commits: readonly CommitId[],
  orphaned: boolean,
): State {
  const changed = new Set(commits);
  const releases = state.releases.map((release) =>
    changed.has(release.commit) ? { ...release, orphaned } : release,
  );
  return { ...state, releases };
}

/** What was superseded only by releases that are gone may be a candidate again. */
function restoreSuperseded<State extends Existing>(
  state: State,
  orphaned: readonly CommitId[],
): State {
  const gone = new Set(orphaned);
  const stages = new Map(
    [...state.stages].map(([name, stage]) => {
      const releases = [...entries(stage.releases)]
        .filter(([, { supersededBy }]) => supersededBy !== undefined && gone.has(supersededBy))
        .reduce((map, [commit]) => withoutEntry(map, commit), stage.releases);
      return [name, { ...stage, releases }];
    }),
  );
  return { ...state, stages };
}

function evolveInStage<State extends Existing>(state: State, event: StageEvent): State {
  const before = state.stages.get(event.stage) ?? emptyStage;
  const stage = evolveStage(state, before, event);
  const generation =
    'generation' in event ? Math.max(state.generation, event.generation) : state.generation;
  return { ...state, generation, stages: new Map(state.stages).set(event.stage, stage) };
}

function evolveStage(state: Existing, stage: StageState, event: StageEvent): StageState {
  switch (event.type) {
    case 'PromotionRequested': {
      const { type: _, stage: __, ...request } = event;
      return { ...stage, request };
    }
    case 'ReleaseWaiting':
      return {
        ...stage,
        waiting: { release: event.release, since: event.at, sinceWatchedMs: event.watchedMs },
      };
    case 'ReleasePinned':
      return { ...stage, pinned: event.release };
    case 'ReleaseUnpinned': {
      const { pinned: _, ...rest } = stage;
      return rest;
    }
    case 'ReleaseAdmitted':
      return { ...admitted(stage), approvals: evolveApprovals(stage.approvals, event) };
    case 'StagePassed':
      return pass(stage, event);
    case 'RolloutStarted':
      return startRollout(state, stage, event);
    case 'BatchStarted': {
      const { batch, deadlineAt } = event;
      return withRollout(stage, event, (rollout) => ({ ...rollout, batch, deadlineAt }));
    }
    case 'RolloutPaused': {
      const { reason, at } = event;
      return withRollout(stage, event, (rollout) => ({ ...rollout, paused: { reason, at } }));
    }
    case 'RolloutContinued':
      return withRollout(stage, event, (rollout) => continued(rollout, event.at));
    case 'RolloutExtended':
      return withRollout(stage, event, (rollout) => extended(rollout, event));
    case 'TargetAssigned':
      return {
        ...stage,
        targets: withEntry(stage.targets, event.cluster, assigned(event)),
        withdrawn: withoutEntry(stage.withdrawn, event.cluster),
      };
    case 'TargetWithdrawn':
      return withdraw(stage, event);
    case 'TargetDeleted':
      return { ...stage, withdrawn: withoutEntry(stage.withdrawn, event.cluster) };
    case 'WithdrawalHeld': {
      const { targets, targetsTotal, cause } = event;
      return { ...stage, heldWithdrawal: { targets, targetsTotal, cause } };
    }
    case 'WithdrawalConfirmed':
    case 'WithdrawalReleased': {
      const { heldWithdrawal: _, ...rest } = stage;
      return rest;
    }
    case 'TargetSucceeded':
      return withOutcome(stage, event, { outcome: 'succeeded', evidence: event.evidence });
    case 'TargetFailed': {
      const { message, cause = 'reported' } = event;
      return withOutcome(stage, event, { outcome: 'failed', message, cause });
    }
    case 'TargetSkipped':
      return withOutcome(stage, event, { outcome: 'skipped', message: event.message });
    case 'RolloutSucceeded': {
      const { release, rolloutId, at } = event;
      const enteredAt = stage.rollout?.startedAt;
      const ended = endRollout(stage, 'succeeded', '');
      if (returns(stage)) return settledAgain(ended, enteredAt);
      const durationMs = at === undefined || enteredAt === undefined ? undefined : at - enteredAt;
      const took = durationMs === undefined ? {} : { durationMs };
      const success = succeeded(ended, { release, rolloutId, ...took });
      return withStay(success, newStay(release, enteredAt));
    }
    case 'RolloutFailed':
      return fail(stage, event);
    case 'AutomaticRollbackDeclined': {
      const { lastRollout } = stage;
      if (lastRollout?.id !== event.rolloutId) return stage;
      return { ...stage, lastRollout: { ...lastRollout, rollbackDeclined: event.reason } };
    }
    case 'RolloutAborted': {
      const ended = endRollout(stage, 'aborted', event.reason);
      if (returns(stage)) return ended;
      return { ...ended, releases: marked(stage, event.release, { outcome: 'aborted' }) };
    }
    case 'ReleaseSuperseded': {
      const { request, ...rest } = stage;
      const kept = request?.release === event.release ? rest : stage;
      const mark = { outcome: 'superseded', supersededBy: event.by } as const;
      // A release that ran here keeps what became of it: only its new request is over.
      if (get(stage.releases, event.release) !== undefined) return kept;
      return { ...kept, releases: marked(stage, event.release, mark) };
    }
    case 'StageHealthChanged':
      return stage.stay?.release === event.release
        ? { ...stage, stay: nextStay(stage.stay, event) }
        : stage;
    case 'StageHeld':
      return { ...stage, hold: { reason: event.reason, automatic: event.automatic } };
    case 'StageResumed':
      return resumed(stage, event.automatic ?? false);
    case 'ApprovalRequested':
    case 'ApprovalGiven':
    case 'ApprovalWithdrawn':
    case 'ApprovalRejected':
    case 'ApprovalExpired':
    case 'ApprovalVoided':
      return { ...stage, approvals: evolveApprovals(stage.approvals, event) };
    case 'VerificationStarted':
    case 'VerificationEnded':
      return { ...stage, verifications: evolveVerifications(stage.verifications, event) };
    case 'MetricAnalysisStarted':
    case 'MetricAnalysisEnded':
      return { ...stage, analyses: evolveAnalyses(stage.analyses, event) };
    case 'StageRefPushed':
    case 'StageRefHalted':
    case 'StageRefFailed':
    case 'StageRefOverwriteAllowed':
      return { ...stage, ref: evolveStageRef(stage.ref, event) };
    default:
      return unreachable(event);
  }
}

/** Whatever came in, nothing waits any more. */
function admitted(stage: StageState): StageState {
  const { request: _, waiting: __, pinned: ___, ...rest } = stage;
  return rest;
}

function succeeded(stage: StageState, current: SucceededRelease): StageState {
  return {
    ...stage,
    current,
    history: [...stage.history, current].slice(-historyMax),
    releases: marked(stage, current.release, { outcome: 'succeeded' }),
  };
}

const withStay = (stage: StageState, stay: Stay): StageState => ({ ...stage, stay });

/**
 * The stage's content stays what it was, so the stay of what it runs goes on under the new name; what the release before
 * had soaked is kept. A control stage has no stay.
 */
function pass(stage: StageState, event: EventOf<'StagePassed'>): StageState {
  const { release, sameAs } = event;
  const { stay } = stage;
  const approvals = evolveApprovals(stage.approvals, event);
  if (event.reason === 'backfill') {
    const mark = { outcome: 'succeeded', backfilled: true } as const;
    return { ...stage, approvals, releases: marked(stage, release, mark) };
  }
  const { lastRollout, ...before } = admitted(stage);
  // A stage that has become a control stage has nothing more to do with what it last rolled out.
  const rolledOut = event.reason === 'control' || !lastRollout ? {} : { lastRollout };
  const after = {
    ...before,
    ...rolledOut,
    approvals,
    releases: withStayCompleted(stage, event),
  };
  const runs = stage.current?.runs ?? sameAs;
  const next = succeeded(after, { release, ...(runs === undefined ? {} : { runs }) });
  return stay === undefined ? next : withStay(next, { ...stay, release, enteredAt: event.at });
}

function withStayCompleted(
  { stay, releases }: StageState,
  end: { at: Instant; watchedMs?: number },
): StageState['releases'] {
  const before = stay && get(releases, stay.release);
  return before && stay
    ? withEntry(releases, stay.release, completedStay(before, stay, end))
    : releases;
}

/** Whether the running rollout only returns targets to what they ran: the stage's releases stay what they are. */
const returns = ({ rollout }: StageState): boolean => rollout?.undoes !== undefined;

/** The stage runs what it ran, and its stay begins anew. */
function settledAgain(stage: StageState, enteredAt: Instant | undefined): StageState {
  const { current } = stage;
  return current === undefined ? stage : withStay(stage, newStay(current.release, enteredAt));
}

const newStay = (release: CommitId, enteredAt: Instant | undefined): Stay => ({
  release,
  message: '',
  soaked: noSoak,
  ...(enteredAt === undefined ? {} : { enteredAt }),
});

function fail(stage: StageState, { release, failure, at }: EventOf<'RolloutFailed'>): StageState {
  if (returns(stage)) return endRollout(stage, 'failed', failure.message);
  const { failures = 0 } = get(stage.releases, release) ?? {};
  const byItself = stage.rollout === undefined || stage.rollout.kind === 'promotion';
  const releases = marked(stage, release, {
    outcome: 'failed',
    failure,
    failures: failures + (byItself ? 1 : 0),
    ...(at === undefined ? {} : { failedAt: at }),
  });
  return { ...endRollout(stage, 'failed', failure.message), releases };
}

function withRollout(
  stage: StageState,
  event: { readonly rolloutId: string },
  change: (rollout: ActiveRollout) => ActiveRollout,
): StageState {
  const { rollout } = stage;
  return rollout?.id === event.rolloutId ? { ...stage, rollout: change(rollout) } : stage;
}

function continued({ paused, ...rollout }: ActiveRollout, at: Instant): ActiveRollout {
  if (paused === undefined) return rollout;
  const to = Math.max(paused.at, at);
  return {
    ...rollout,
    deadlineAt: rollout.deadlineAt + to - paused.at,
    pauses: [...rollout.pauses, { from: paused.at, to }],
  };
}

function extended(rollout: ActiveRollout, event: EventOf<'RolloutExtended'>): ActiveRollout {
  const { targets, batch = Math.max(0, rollout.batches.length - 1) } = event;
  const count = Math.max(rollout.batches.length, batch + 1);
  const batches = Array.from({ length: count }, (_, index) => rollout.batches[index] ?? []);
  batches[batch] = [...(batches[batch] ?? []), ...targets];
  return { ...rollout, targets: [...rollout.targets, ...targets], batches };
}

function withdraw(stage: StageState, event: EventOf<'TargetWithdrawn'>): StageState {
  const { cluster, clusterName, generation, disposition, cause, at } = event;
  // An expired order is remembered with its time, so that people see why nothing was deleted.
  const orderedAt = cause === 'deletion-expired' ? get(stage.withdrawn, cluster)?.orderedAt : at;
  const isOrder = cause === 'deletion-expired' || disposition === 'delete';
  const targets = withoutEntry(stage.targets, cluster);
  const entry = {
    cluster,
    clusterName,
    generation,
    disposition,
    ...(isOrder && orderedAt !== undefined ? { orderedAt } : {}),
  };
  // One that was planned and never assigned leaves nothing behind.
  const hasObjects = get(stage.targets, cluster) ?? get(stage.withdrawn, cluster);
  const withdrawn = hasObjects ? withEntry(stage.withdrawn, cluster, entry) : stage.withdrawn;
  const { rollout } = stage;
  if (rollout === undefined) return { ...stage, targets, withdrawn };
  const staying = (target: PlannedTarget) => target.cluster !== cluster;
  const plan = {
    targets: rollout.targets.filter(staying),
    batches: rollout.batches.map((batch) => batch.filter(staying)),
    // What it has proven counts no more, should it return and take part again.
    outcomes: withoutEntry(rollout.outcomes, cluster),
  };
  return { ...stage, targets, withdrawn, rollout: { ...rollout, ...plan } };
}

/** Fields that an event does not name start over, but evidence of earlier stays is kept. */
function marked(
  stage: StageState,
  commit: CommitId,
  change: Omit<StageRelease, 'soaked' | 'leftHealthy'>,
): StageState['releases'] {
  const before = get(stage.releases, commit);
  const { soaked, leftHealthy = false, failures, failedAt } = before ?? {};
  return withEntry(stage.releases, commit, {
    ...(soaked === undefined ? {} : { soaked }),
    leftHealthy,
    ...(failures === undefined ? {} : { failures }),
    ...(failedAt === undefined ? {} : { failedAt }),
    ...(before?.automaticallyRolledBack ? { automaticallyRolledBack: true } : {}),
    ...change,
  });
}

function startRollout(
  state: Existing,
  stage: StageState,
  event: EventOf<'RolloutStarted'>,
): StageState {
  const { rolloutId, release, kind, generation, at, deadlineAt, batches, undoes, override } = event;
  const { stay: _, ...left } = stage;
  let releases = withStayCompleted(stage, event);
  if (kind === 'rollback' && undoes === undefined) {
    releases = rolledBack(state, releases, release);
  }
  const undone = kind === 'automatic-rollback' ? stage.lastRollout?.release : undefined;
  if (undone !== undefined) releases = undoneByItself(releases, undone);
  return {
    ...left,
    releases:
      undoes === undefined
        ? marked({ ...left, releases }, release, { outcome: 'running' })
        : releases,
    rollout: {
      id: rolloutId,
      release,
      kind,
      revision: event.definitionRevision ?? state.revision,
      generation,
      startedAt: at,
      deadlineAt,
      targets: batches.flat(),
      batches,
      batch: 0,
      outcomes: emptyMap(),
      pauses: [],
      ...(undoes === undefined ? {} : { undoes }),
      ...(override === undefined ? {} : { override }),
    },
  };
}

function undoneByItself(
  releases: StageState['releases'],
  commit: CommitId,
): StageState['releases'] {
  const before = get(releases, commit);
  return before === undefined
    ? releases
    : withEntry(releases, commit, { ...before, automaticallyRolledBack: true });
}

/** What is newer than the release that a person went back to has not succeeded here any more. */
function rolledBack(
  state: Existing,
  releases: StageState['releases'],
  target: CommitId,
): StageState['releases'] {
  const position = state.releases.find(({ commit }) => commit === target)?.position ?? 0;
  return state.releases
    .filter((release) => release.position >= position && release.commit !== target)
    .reduce((map, { commit }) => {
      const before = get(map, commit);
      if (before?.outcome !== 'succeeded') return map;
      return withEntry(map, commit, { ...before, outcome: 'rolled-back' });
    }, releases);
}

function endRollout(
  stage: StageState,
  outcome: EndedRollout['outcome'],
  message: string,
): StageState {
  const { rollout, ...rest } = stage;
  if (rollout === undefined) return stage;
  const { id, release, kind, undoes } = rollout;
  const { revision, startedAt, targets, batches, batch, outcomes } = rollout;
  const plan = { revision, startedAt, targets, batches, batch, outcomes };
  const ended = { id, release, kind, outcome, message, ...plan };
  return { ...rest, lastRollout: { ...ended, ...(undoes === undefined ? {} : { undoes }) } };
}

function withOutcome(
  stage: StageState,
  event: EventOf<'TargetSucceeded'> | EventOf<'TargetFailed'> | EventOf<'TargetSkipped'>,
  outcome: TargetOutcome,
): StageState {
  const { rollout } = stage;
  if (rollout?.id !== event.rolloutId) return stage;
  const outcomes = withEntry(rollout.outcomes, event.cluster, outcome);
  return { ...stage, rollout: { ...rollout, outcomes } };
}

function assigned(event: EventOf<'TargetAssigned'>): TargetState {
  const { cluster, clusterName, release, generation, path, definitionRevision, cause, at } = event;
  const { rolloutId, confirmedPruneGeneration, confirmedPruneDigest } = event;
  return {
    cluster,
    clusterName,
    release,
    generation,
    path,
    revision: definitionRevision,
    cause,
    assignedAt: at,
    ...(rolloutId === undefined ? {} : { rolloutId }),
    ...(confirmedPruneGeneration === undefined ? {} : { confirmedPruneGeneration }),
    ...(confirmedPruneDigest === undefined ? {} : { confirmedPruneDigest }),
  };
}

/** What was rolled back may come again: that is what a person says who resumes. */
function resumed(stage: StageState, automatic: boolean): StageState {
  const { hold: _, ...rest } = stage;
  if (automatic) return rest;
  const releases = [...entries(stage.releases)]
    .filter(([, { outcome }]) => outcome === 'rolled-back')
    .reduce((map, [commit]) => withoutEntry(map, commit), stage.releases);
  return { ...rest, releases };
}
