import type { CommitId, StageName } from '@fairlead/shared/ids';
import { unreachable } from '@fairlead/shared/result';
import type { PipelineEvent } from './events.ts';
import { emptyMap, entries, get, withEntry, withoutEntry } from './persistent-map.ts';
import {
  type ActivePipeline,
  type EndedRollout,
  emptyStage,
  type PipelineHistory,
  type PipelineState,
  type RemovedPipeline,
  type StageRelease,
  type StageState,
  type TargetOutcome,
  type TargetState,
} from './state.ts';
import { completedStay, nextStay } from './stay.ts';

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
      return { ...state, releases };
    }
    case 'ReleasesOrphaned':
      return restoreSuperseded(markOrphaned(state, event.commits, true), event.commits);
    case 'ReleasesRestored':
      return markOrphaned(state, event.commits, false);
    default:
      return evolveInStage(state, event);
  }
}

function define(state: PipelineState, event: EventOf<'PipelineDefined'>): ActivePipeline {
  const { revision, definition } = event;
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
    case 'PromotionRequested':
      return { ...stage, request: { release: event.release, force: event.force } };
    case 'ReleaseAdmitted': {
      const { request: _, ...rest } = stage;
      return rest;
    }
    case 'RolloutStarted':
      return startRollout(state, stage, event);
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
    case 'TargetFailed':
      return withOutcome(stage, event, { outcome: 'failed', message: event.message });
    case 'RolloutSucceeded': {
      const { release, rolloutId } = event;
      const current = { release, rolloutId };
      return {
        ...endRollout(stage, 'succeeded', ''),
        current,
        history: [...stage.history, current].slice(-historyMax),
        stay: { release, message: '', healthyMs: 0 },
        releases: marked(stage, release, { outcome: 'succeeded' }),
      };
    }
    case 'RolloutFailed':
      return {
        ...endRollout(stage, 'failed', event.failure.message),
        releases: marked(stage, event.release, { outcome: 'failed', failure: event.failure }),
      };
    case 'RolloutAborted':
      return {
        ...endRollout(stage, 'aborted', event.reason),
        releases: marked(stage, event.release, { outcome: 'aborted' }),
      };
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
      return resumed(stage);
    default:
      return unreachable(event);
  }
}

function withdraw(stage: StageState, event: EventOf<'TargetWithdrawn'>): StageState {
  const { cluster, clusterName, generation, disposition, cause, at } = event;
  // An expired order is remembered with its time, so that people see why nothing was deleted.
  const orderedAt = cause === 'deletion-expired' ? get(stage.withdrawn, cluster)?.orderedAt : at;
  const isOrder = cause === 'deletion-expired' || disposition === 'delete';
  const targets = withoutEntry(stage.targets, cluster);
  const withdrawn = withEntry(stage.withdrawn, cluster, {
    cluster,
    clusterName,
    generation,
    disposition,
    ...(isOrder && orderedAt !== undefined ? { orderedAt } : {}),
  });
  const { rollout } = stage;
  if (rollout === undefined) return { ...stage, targets, withdrawn };
  const left = rollout.targets.filter((target) => target.cluster !== cluster);
  return { ...stage, targets, withdrawn, rollout: { ...rollout, targets: left } };
}

/** Fields that an event does not name start over, but evidence of earlier stays is kept. */
function marked(
  stage: StageState,
  commit: CommitId,
  change: Pick<StageRelease, 'outcome' | 'failure' | 'supersededBy'>,
): StageState['releases'] {
  const { soakedMs = 0, leftHealthy = false } = get(stage.releases, commit) ?? {};
  return withEntry(stage.releases, commit, { soakedMs, leftHealthy, ...change });
}

function startRollout(
  state: Existing,
  stage: StageState,
  event: EventOf<'RolloutStarted'>,
): StageState {
  const { rolloutId, release, kind, generation, deadlineAt, batches } = event;
  const { stay, ...left } = stage;
  let { releases } = left;
  if (stay !== undefined) {
    const before = get(releases, stay.release);
    if (before) releases = withEntry(releases, stay.release, completedStay(before, stay, event.at));
  }
  if (kind === 'rollback') releases = rolledBack(state, releases, release);
  return {
    ...left,
    releases: marked({ ...left, releases }, release, { outcome: 'running' }),
    rollout: {
      id: rolloutId,
      release,
      kind,
      revision: state.revision,
      generation,
      deadlineAt,
      targets: batches.flat(),
      outcomes: emptyMap(),
    },
  };
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
  const { id, release, kind, targets } = rollout;
  return { ...rest, lastRollout: { id, release, kind, outcome, message, targets } };
}

function withOutcome(
  stage: StageState,
  event: EventOf<'TargetSucceeded'> | EventOf<'TargetFailed'>,
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

/** What was rolled back may come again: that is what resuming says. */
function resumed(stage: StageState): StageState {
  const { hold: _, ...rest } = stage;
  const releases = [...entries(stage.releases)]
    .filter(([, { outcome }]) => outcome === 'rolled-back')
    .reduce((map, [commit]) => withoutEntry(map, commit), stage.releases);
  return { ...rest, releases };
}
