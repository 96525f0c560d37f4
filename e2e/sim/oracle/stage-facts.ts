import type { PipelineEvent } from '../../../hub/src/domain/promotion/index.ts';
import { createApprovalFacts } from './approval-facts.ts';

export type StageEvent = Extract<PipelineEvent, { stage: unknown }>;
type Of<Type extends StageEvent['type']> = Extract<StageEvent, { type: Type }>;

export type RolloutFacts = {
  readonly id: string;
  readonly release: string;
  readonly kind: string;
  readonly undoes: string | undefined;
  readonly override: Of<'RolloutStarted'>['override'];
  readonly revision: number | undefined;
  readonly generation: number;
  /** What each planned cluster is to run. */
  readonly planned: Map<string, string>;
  readonly batches: string[][];
  batch: number;
  deadlineAt: number;
  pausedAt: number | undefined;
  readonly assigned: Set<string>;
  readonly succeeded: Set<string>;
  readonly failed: Set<string>;
  readonly skipped: Set<string>;
  /** Left the stage while the rollout ran. */
  readonly left: Set<string>;
};

export type TargetFacts = {
  readonly release: string;
  readonly generation: number;
  readonly at: number;
  readonly rolloutId: string | undefined;
};

export type StayFacts = {
  readonly release: string;
  readonly health: string | undefined;
  /** Healthy time before `since`. */
  readonly healthyMs: number;
  readonly since: number | undefined;
};

export type EndedFacts = {
  readonly id: string;
  readonly release: string;
  readonly outcome: string;
  readonly undoes: string | undefined;
  readonly revision: number | undefined;
  readonly kind: string;
  /** Those that stayed in the stage. */
  readonly targets: readonly string[];
  /** Those of them by which the stage's health is told. */
  readonly proven: readonly string[];
};

export type StageFacts = ReturnType<typeof createStageFacts>;

const isReturn = ({ kind, undoes }: { kind: string; undoes?: string | undefined }): boolean =>
  kind === 'automatic-rollback' || undoes !== undefined;

/** The history of one stage, as far as the rules of promotion speak about it. */
export function createStageFacts(positionOf: (commit: string) => number) {
  let running: RolloutFacts | undefined;
  let last: EndedFacts | undefined;
  let current: string | undefined;
  let hold: { automatic: boolean } | undefined;
  let request: Of<'PromotionRequested'> | undefined;
  let stay: StayFacts | undefined;
  let pinned: string | undefined;
  let withdrawalHeld: ReadonlySet<string> = new Set();
  const approvals = createApprovalFacts();
  const ended = new Map<string, string>();
  const succeeded = new Set<string>();
  const cameHere = new Set<string>();
  const superseded = new Map<string, string>();
  const targets = new Map<string, TargetFacts>();
  const generations = new Map<string, number>();
  const soaked = new Map<string, number>();
  const leftHealthy = new Map<string, boolean>();
  const entries = new Map<string, number>();
  const failures = new Map<string, number>();
  const undone = new Map<string, number>();

  const leave = (at: number) => {
    if (!stay) return;
    const healthy = stay.health === 'healthy';
    const best = Math.max(soaked.get(stay.release) ?? 0, stayedMs(stay, at));
    leftHealthy.set(stay.release, healthy);
    soaked.set(stay.release, healthy ? best : 0);
    stay = undefined;
  };

  const start = (event: Of<'RolloutStarted'>) => {
    const { release, kind, rolloutId: id, generation, deadlineAt, batches, undoes } = event;
    leave(event.watchedMs ?? event.at);
    if (kind === 'rollback' && undoes === undefined) {
      for (const commit of [...succeeded]) {
        if (positionOf(commit) >= positionOf(release)) succeeded.delete(commit);
      }
    }
    if (kind === 'automatic-rollback' && last) {
      undone.set(last.release, (undone.get(last.release) ?? 0) + 1);
    }
    if (!isReturn(event)) {
      succeeded.delete(release);
      superseded.delete(release);
      cameHere.add(release);
    }
    running = {
      id,
      release,
      kind,
      undoes,
      override: event.override,
      revision: event.definitionRevision,
      generation,
      deadlineAt,
      planned: new Map(batches.flat().map((one) => [one.cluster, one.release ?? release])),
      batches: batches.map((batch) => batch.map(({ cluster }) => cluster as string)),
      batch: 0,
      pausedAt: undefined,
      assigned: new Set(),
      succeeded: new Set(),
      failed: new Set(),
      skipped: new Set(),
      left: new Set(),
    };
  };

  const extend = (event: Of<'RolloutExtended'>) => {
    const batch = (event as { batch?: number }).batch ?? (running?.batches.length ?? 1) - 1;
    for (const { cluster, release } of event.targets) {
      running?.planned.set(cluster, release ?? running.release);
      running?.batches[batch]?.push(cluster);
    }
  };

  const end = (event: { rolloutId: string; release: string }, outcome: string) => {
    ended.set(event.rolloutId, outcome);
    const was = running;
    const stayed = [...(was?.planned.keys() ?? [])].filter((cluster) => !was?.left.has(cluster));
    last = {
      id: event.rolloutId,
      release: event.release,
      outcome,
      undoes: was?.undoes,
      revision: was?.revision,
      kind: was?.kind ?? '',
      targets: stayed,
      proven: stayed.filter((cluster) => was?.succeeded.has(cluster)),
    };
    running = undefined;
    const returned = was !== undefined && isReturn(was);
    if (outcome === 'failed' && !returned) {
      failures.set(event.release, (failures.get(event.release) ?? 0) + 1);
    }
    if (outcome !== 'succeeded') return;
    if (!returned) failures.delete(event.release);
    if (!returned) {
      current = event.release;
      succeeded.add(event.release);
    }
    stay = { release: event.release, health: undefined, healthyMs: 0, since: undefined };
  };

  const pass = (event: Of<'StagePassed'>) => {
    succeeded.add(event.release);
    superseded.delete(event.release);
    cameHere.add(event.release);
    request = undefined;
    pinned = undefined;
  };

  const changeHealth = (event: Of<'StageHealthChanged'>) => {
    if (stay?.release !== event.release) return;
    const { health } = event;
    const at = event.watchedMs ?? event.at;
    const kept =
      health === 'unhealthy' ? 0 : health === 'unknown' ? stayedMs(stay, at) : stay.healthyMs;
    const since = health === 'healthy' ? (stay.since ?? at) : undefined;
    stay = { release: stay.release, health, healthyMs: kept, since };
  };

  const assign = (event: Of<'TargetAssigned'>) => {
    const { cluster, release, generation, at, rolloutId } = event;
    targets.set(cluster, { release, generation, at, rolloutId });
    generations.set(cluster, generation);
    if (event.cause === 'rollout') running?.assigned.add(cluster);
  };

  return {
    approvals,
    running: () => running,
    last: () => last,
    current: () => current,
    hold: () => hold,
    request: () => request,
    stay: () => stay,
    pinned: () => pinned,
    withdrawalHeld: () => withdrawalHeld,
    endOf: (rolloutId: string) => ended.get(rolloutId),
    hasSucceeded: (commit: string) => succeeded.has(commit),
    supersededBy: (commit: string) => superseded.get(commit),
    targets: (): ReadonlyMap<string, TargetFacts> => targets,
    generationOf: (cluster: string) => generations.get(cluster) ?? 0,
    leftHealthy: (commit: string) => leftHealthy.get(commit) === true,
    failuresOf: (commit: string) => failures.get(commit) ?? 0,
    undoneOf: (commit: string) => undone.get(commit) ?? 0,
    /** By watched time, or by hub time on records that know no other. */
    soakedMs: (commit: string, at: number) =>
      Math.max(soaked.get(commit) ?? 0, stay?.release === commit ? stayedMs(stay, at) : 0),
    /** How often a release came here by itself since anybody did something about it. */
    entries: (commit: string) => entries.get(commit) ?? 0,
    branchChanged: (orphaned: readonly string[]) => {
      entries.clear();
      for (const [commit, by] of superseded) if (orphaned.includes(by)) superseded.delete(commit);
    },
    take: (event: StageEvent) => {
      approvals.take(event);
      switch (event.type) {
        case 'PromotionRequested':
          request = event;
          // Who takes a stage elsewhere by force may well see it come back by itself.
          if (event.force) entries.clear();
          else entries.delete(event.release);
          superseded.delete(event.release);
          return;
        case 'ReleasePinned':
          pinned = event.release;
          return;
        case 'ReleaseUnpinned':
          pinned = undefined;
          return;
        case 'ReleaseAdmitted':
          if (request?.release !== event.release) {
            entries.set(event.release, (entries.get(event.release) ?? 0) + 1);
          } else failures.delete(event.release);
          request = undefined;
          pinned = undefined;
          return;
        case 'StagePassed':
          return pass(event);
        case 'RolloutStarted':
          return start(event);
        case 'BatchStarted':
          if (running) {
            running.batch = event.batch;
            running.deadlineAt = event.deadlineAt;
          }
          return;
        case 'RolloutPaused':
          if (running) running.pausedAt = event.at;
          return;
        case 'RolloutContinued':
          if (running) {
            running.deadlineAt += Math.max(0, event.at - (running.pausedAt ?? event.at));
            running.pausedAt = undefined;
          }
          return;
        case 'RolloutExtended':
          return extend(event);
        case 'TargetAssigned':
          return assign(event);
        case 'TargetWithdrawn':
          targets.delete(event.cluster);
          generations.set(event.cluster, event.generation);
          running?.left.add(event.cluster);
          return;
        case 'TargetSucceeded':
          running?.succeeded.add(event.cluster);
          return;
        case 'TargetFailed':
          running?.failed.add(event.cluster);
          return;
        case 'TargetSkipped':
          running?.skipped.add(event.cluster);
          return;
        case 'RolloutSucceeded':
          return end(event, 'succeeded');
        case 'RolloutFailed':
          return end(event, 'failed');
        case 'RolloutAborted':
          return end(event, 'aborted');
        case 'ReleaseSuperseded':
          if (request?.release === event.release) request = undefined;
          if (!cameHere.has(event.release)) superseded.set(event.release, event.by);
          return;
        case 'StageHealthChanged':
          return changeHealth(event);
        case 'StageHeld':
          hold = { automatic: event.automatic };
          return;
        case 'StageResumed':
          hold = undefined;
          entries.clear();
          return;
        case 'WithdrawalHeld':
          withdrawalHeld = new Set(event.targets.map(({ cluster }) => cluster));
          return;
        case 'WithdrawalConfirmed':
        case 'WithdrawalReleased':
          withdrawalHeld = new Set();
          return;
        default:
          return;
      }
    },
  };
}

/** A clock that was set back takes nothing away. */
const stayedMs = ({ healthyMs, since }: StayFacts, at: number): number =>
  healthyMs + (since === undefined ? 0 : Math.max(0, at - since));
