import type { DecisionLog } from '../decision-log/index.ts';
import type { DomainEvent } from '../domain/events.ts';

/** A stream folded up to `version`; `position` is that of its last event in the log, 0 for an empty stream. */
export type Folded<State> = {
  readonly state: State;
  readonly version: number;
  readonly position: number;
};

/**
 * Folds streams of the log and keeps the newest result of each, so that a fold reads only what was appended since. At
 * most `streamsMax` are kept; the least recently used goes first.
 */
export function createFoldedStreams<State, Event extends DomainEvent>(options: {
  log: DecisionLog;
  streamsMax: number;
  initialState: State;
  evolve: (state: State, event: Event) => State;
}) {
  const { log, streamsMax, initialState, evolve } = options;
  const kept = new Map<string, Folded<State>>();
  const keep = (stream: string, folded: Folded<State>): Folded<State> => {
    kept.delete(stream);
    kept.set(stream, folded);
    const oldest = kept.size > streamsMax ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    return folded;
  };

  return {
    /** The stream as it is in the log now. */
    fold: async (stream: string): Promise<Folded<State>> => {
      let { state, version, position } = kept.get(stream) ?? {
        state: initialState,
        version: 0,
        position: 0,
      };
      for await (const recorded of log.readStream(stream, version + 1)) {
        state = evolve(state, recorded.event as Event);
        version = recorded.version;
        position = recorded.position;
      }
      // A fold that ran at the same time may have come further.
      const newest = kept.get(stream);
      if (newest !== undefined && newest.version > version) return newest;
      return keep(stream, { state, version, position });
    },
    keep,
  };
}
