import { type NewId, type PipelineName, parseNewId } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import { expectOk } from '@fairlead/shared/result';
import type { Clock, Instant, Random } from '@fairlead/shared/time';
import type { CommandHandler } from '../commands/index.ts';
import type { Actor } from '../decision-log/index.ts';
import { nextWakeAt, type Snapshot, takenId } from '../domain/promotion/index.ts';
import {
  advanceNewIdsMax,
  advanceSettledEventsMax,
  promotionLooksTogetherMax,
  promotionSweepMs,
  promotionSweepStepMs,
  waitingRolloutStartsPerSecondMax,
} from '../limits.ts';
import { createReactor } from './reactor.ts';
import type { SnapshotOf } from './snapshot.ts';
import { createStartLimit } from './start-limit.ts';

const actor: Actor = { kind: 'hub', name: 'promotion' };

export type PromotionReactorOptions = {
  readonly commands: CommandHandler;
  readonly pipelineNames: () => readonly PipelineName[];
  readonly snapshotOf: SnapshotOf;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

/** Positions of the decision log, both inside. */
type LogSpan = { readonly first: number; readonly last: number };

const isWithin = (inner: LogSpan | undefined, outer: LogSpan | undefined): boolean =>
  inner !== undefined &&
  outer !== undefined &&
  inner.first >= outer.first &&
  inner.last <= outer.last;

export type PromotionReactor = {
  /**
   * Something that these pipelines look at has changed; without names, something that all of them look at; with an empty
   * list, no more than time. Where a span of the log is given, the change is no more than the pipeline's events within it:
   * the reactor's own are no news to it.
   */
  readonly wake: (pipelines?: Iterable<string>, spans?: ReadonlyMap<string, LogSpan>) => void;
  readonly stopped: Promise<void>;
};

/**
 * Moves every pipeline as far as its state, the fleet and the reports allow. The decision itself is the core's, on one
 * snapshot; which pipelines were named in a wake is only a hint, and a slow sweep looks at those that no wake names.
 */
export function createPromotionReactor(options: PromotionReactorOptions): PromotionReactor {
  const { commands, pipelineNames, snapshotOf, clock, random, signal, logger } = options;
  const changed = new Set<string>();
  const dueAt = new Map<PipelineName, Instant>();
  /** What a look appended that left nothing more to decide. */
  const own = new Map<string, LogSpan>();
  const lookedAt = new Map<PipelineName, Instant>();
  /** Something changed that every pipeline looks at. */
  let isAllDue = true;
  let sweptAt = 0;
  let names: ReadonlySet<string> = new Set();
  const unusedIds: (readonly NewId[])[] = [];

  const newIds = () =>
    Array.from({ length: advanceNewIdsMax }, () =>
      expectOk(parseNewId(random.nextId()), 'a new rollout id'),
    );

  /** Pipelines that time, a sweep or the end of a freeze has brought here, and not news of their own; and their turn. */
  const waiting = new Map<PipelineName, Instant>();
  const startLimit = createStartLimit(waitingRolloutStartsPerSecondMax, clock.now());

  /** As many as may start now: what waited with others for one moment starts one after the other. */
  const allowedIds = (pipeline: PipelineName, newIds: readonly NewId[]): readonly NewId[] => {
    const turnAt = waiting.get(pipeline);
    if (turnAt === undefined) return newIds;
    const now = clock.now();
    return newIds.slice(0, turnAt > now ? 0 : startLimit.left(now));
  };

  /** When it may start what it was not allowed to start now; nothing when that was not the reason to stop. */
  const nextTurn = (pipeline: PipelineName, allowed: number, started: number) => {
    const turnAt = waiting.get(pipeline);
    if (turnAt === undefined) return undefined;
    startLimit.take(started);
    if (started < allowed) {
      waiting.delete(pipeline);
      return undefined;
    }
    const now = clock.now();
    const next = turnAt > now ? turnAt : startLimit.turnAt(now);
    waiting.set(pipeline, next);
    return next;
  };

  const advance = async (pipeline: PipelineName): Promise<void> => {
    lookedAt.set(pipeline, clock.now());
    let snapshot: Snapshot | undefined;
    // Most looks begin nothing, and then the ids offered were given to none.
    const offered = unusedIds.pop() ?? newIds();
    const allowed = allowedIds(pipeline, offered);
    const result = await commands.pipeline(
      pipeline,
      {
        type: 'advance',
        make: async () => {
          snapshot = await snapshotOf(pipeline, clock.now());
          return { type: 'advance', snapshot, newIds: allowed };
        },
      },
      actor,
    );
    const events = result.ok ? result.value.events : [];
    const gaveAway = events.some(({ event }) => takenId(event) !== undefined);
    if (!gaveAway) unusedIds.push(offered);
    dueAt.delete(pipeline);
    own.delete(pipeline);
    if (!result.ok) {
      waiting.delete(pipeline);
      names = new Set(pipelineNames());
      if (!names.has(pipeline)) return;
      logger.warn({ pipeline, rejection: result.error }, 'a pipeline could not be advanced');
      return;
    }
    const [first, last] = [events[0]?.position, events.at(-1)?.position];
    const wasFree = allowed.length === offered.length && !gaveAway;
    // A look goes on until nothing is left, but for what an append has no room for or needs an id for.
    if (first && last && wasFree && events.length <= advanceSettledEventsMax) {
      own.set(pipeline, { first, last });
    }
    const next = snapshot && nextWakeAt(result.value.state, snapshot);
    const started = events.filter(({ event }) => event.type === 'RolloutStarted').length;
    const due = Math.min(next ?? Infinity, nextTurn(pipeline, allowed.length, started) ?? Infinity);
    if (due !== Infinity) dueAt.set(pipeline, due);
  };

  const takeDue = (): PipelineName[] => {
    const now = clock.now();
    const sweep = hasPassed(promotionSweepStepMs, sweptAt, now);
    // Names change rarely and reports often, so they are listed for a sweep or a name that is new.
    const isNews = [...changed].some((name) => !names.has(name));
    if (isAllDue || sweep || isNews) names = new Set(pipelineNames());
    const byTime = new Set<string>(isAllDue ? names : []);
    if (sweep) for (const name of unseen(now)) byTime.add(name);
    for (const [name, at] of dueAt) if (at <= now) byTime.add(name);
    for (const name of byTime as Set<PipelineName>) {
      if (!changed.has(name) && !waiting.has(name)) waiting.set(name, 0);
    }
    const due = new Set([...changed, ...byTime]);
    changed.clear();
    isAllDue = false;
    return [...due].filter((name): name is PipelineName => names.has(name));
  };

  /** Those that no look was at for long. */
  const unseen = (now: Instant): PipelineName[] => {
    sweptAt = now;
    for (const name of lookedAt.keys()) if (!names.has(name)) lookedAt.delete(name);
    return ([...names] as PipelineName[]).filter((name) =>
      hasPassed(promotionSweepMs, lookedAt.get(name) ?? 0, now),
    );
  };

  const reactor = createReactor({
    name: 'promotion',
    signal,
    logger,
    run: async () => {
      const failures: unknown[] = [];
      for (const together of roundsOf(takeDue(), (name) => waiting.has(name))) {
        if (signal.aborted) break;
        const looks = await Promise.allSettled(together.map(advance));
        for (const [index, look] of looks.entries()) {
          const pipeline = together[index];
          if (look.status === 'fulfilled' || pipeline === undefined) continue;
          // One pipeline must not hold up the others.
          changed.add(pipeline);
          failures.push(look.reason);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (failures.length > 0) throw new AggregateError(failures, 'pipelines were not advanced');
      const sweepAt = sweptAt + promotionSweepStepMs;
      return Math.max(1, Math.min(sweepAt, ...dueAt.values()) - clock.now());
    },
  });
  return {
    wake: (pipelines, spans) => {
      if (pipelines === undefined) isAllDue = true;
      const named = [...(pipelines ?? [])];
      let isNews = named.length === 0;
      for (const pipeline of named) {
        if (isWithin(spans?.get(pipeline), own.get(pipeline))) continue;
        changed.add(pipeline);
        isNews = true;
      }
      if (isNews) reactor.wake();
    },
    stopped: reactor.stopped,
  };
}

/** Since then; also when then is still to come, by a clock that was set back. */
const hasPassed = (durationMs: number, since: Instant, now: Instant): boolean =>
  now - since >= durationMs || now < since;

/** A few at a time; those that share a limit of starts one by one, so that each sees what the one before has taken. */
function* roundsOf(
  pipelines: readonly PipelineName[],
  isLimited: (pipeline: PipelineName) => boolean,
): Generator<PipelineName[]> {
  const limited = pipelines.filter(isLimited);
  const free = pipelines.filter((name) => !isLimited(name));
  for (let start = 0; start < free.length; start += promotionLooksTogetherMax) {
    yield free.slice(start, start + promotionLooksTogetherMax);
  }
  for (const name of limited) yield [name];
}
