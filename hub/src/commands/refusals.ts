import type { Logger } from '@fairlead/shared/log';
import type { Clock, Instant } from '@fairlead/shared/time';
import type { Actor, DecisionLog } from '../decision-log/index.ts';
import { type RefusalEvent, streams } from '../domain/events.ts';
import {
  decisionRetriesMax,
  refusalCoalesceMs,
  refusalDetailCharactersMax,
  refusalsRecordedMax,
} from '../limits.ts';
import { createStreamTurns } from './turns.ts';

export type Refusal = Omit<RefusalEvent, 'type'>;

/**
 * Records refused commands, each (actor, subject, command, code) at most once a minute and a bounded number in all, so
 * that nobody can fill the log by asking for what is not allowed.
 */
export function createRefusalRecorder(deps: { log: DecisionLog; clock: Clock; logger?: Logger }) {
  const { log, clock, logger } = deps;
  const recordedAt = new Map<string, Instant>();
  const inTurn = createStreamTurns();

  const isNew = (key: string): boolean => {
    const now = clock.now();
    // In order of insertion, so the first young one ends the search.
    for (const [old, at] of recordedAt) {
      if (now - at < refusalCoalesceMs && at <= now) break;
      recordedAt.delete(old);
    }
    if (recordedAt.has(key)) return false;
    if (recordedAt.size >= refusalsRecordedMax) {
      logger?.warn({ key }, 'a refusal is not recorded: too many different ones in one minute');
      return false;
    }
    recordedAt.set(key, now);
    return true;
  };

  const append = async (event: RefusalEvent, actor: Actor): Promise<boolean> => {
    let expectedVersion = (await log.lastOfStream(streams.refusals))?.version ?? 0;
    for (let attempt = 0; attempt <= decisionRetriesMax; attempt++) {
      const appended = await log.append({
        stream: streams.refusals,
        expectedVersion,
        events: [event],
        actor,
        at: clock.now(),
      });
      if (appended.ok) return true;
      // Nothing depends on what the stream says, so the writer that was first is followed at once.
      expectedVersion = appended.error.actualVersion;
    }
    return false;
  };

  return async (refusal: Refusal, actor: Actor): Promise<void> => {
    const { command, subject, code } = refusal;
    const key = JSON.stringify([actor.kind, actor.name, subject, command, code]);
    if (!isNew(key)) return;
    const detail = refusal.detail.slice(0, refusalDetailCharactersMax);
    const event: RefusalEvent = { type: 'CommandRefused', command, subject, code, detail };
    if (await inTurn(streams.refusals, () => append(event, actor))) return;
    recordedAt.delete(key);
    logger?.warn({ subject, command, code }, 'a refusal could not be recorded');
  };
}
