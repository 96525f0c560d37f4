import { err, ok, type Result } from '@fairlead/shared/result';
import type { Clock, Instant } from '@fairlead/shared/time';
import type {
  Actor,
  DecisionLog,
  RecordedEvent,
  StreamGuard,
  VersionConflict,
} from '../decision-log/index.ts';
import type { DomainEvent } from '../domain/events.ts';
import { decisionRetriesMax, foldedStreamsMax } from '../limits.ts';
import { createFoldedStreams, type Folded } from './folded-streams.ts';
import { createStreamTurns } from './turns.ts';

export type Executed<State, Event extends DomainEvent = DomainEvent> = {
  /** What was decided now; empty when nothing had to change. */
  readonly events: readonly RecordedEvent<Event>[];
  /** A read model that has come to this position shows the outcome. */
  readonly position: number;
  readonly state: State;
};

export type Outcome<State, Rejection, Event extends DomainEvent = DomainEvent> = Result<
  Executed<State, Event>,
  Rejection | VersionConflict
>;

type StreamDecider<State, Command, Event extends DomainEvent, Rejection> = {
  readonly initialState: State;
  readonly decide: (state: State, command: Command) => Result<Event[], Rejection>;
  readonly evolve: (state: State, event: Event) => State;
  /** What else the command was made from. Absent: nothing. */
  readonly basisOf?: (command: Command) => Basis;
};

/** Streams that must not have moved, and the time up to which what was read of them holds. */
export type Basis = { readonly guards: readonly StreamGuard[]; readonly validUntil?: Instant };

/** A command that holds what was read of other streams is made anew for each try. */
export type MadeAnew<Command> = { readonly make: () => Promise<Command> };

/**
 * Fold, decide, append with the folded version as the expected one. Another writer that was first makes the whole run
 * again on the newer state, and a command that is made anew looks again at all that it was made from; after a bounded
 * number of tries the conflict is the answer.
 */
export function createExecutor<State, Command, Event extends DomainEvent, Rejection>(
  deps: { log: DecisionLog; clock: Clock },
  decider: StreamDecider<State, Command, Event, Rejection>,
) {
  const { log, clock } = deps;
  const { initialState, decide, evolve, basisOf = () => ({ guards: [] }) } = decider;
  const streams = createFoldedStreams<State, Event>({
    log,
    streamsMax: foldedStreamsMax,
    initialState,
    evolve,
  });

  const inTurn = createStreamTurns();

  const execute = async (
    stream: string,
    source: Command | MadeAnew<Command>,
    actor: Actor,
  ): Promise<Outcome<State, Rejection, Event>> => {
    for (let attempt = 0; ; attempt++) {
      const command = isMadeAnew(source) ? await source.make() : source;
      const folded = await streams.fold(stream);
      const decision = decide(folded.state, command);
      if (!decision.ok) return decision;
      if (decision.value.length === 0) return ok({ events: [], ...pick(folded) });
      const basis = basisOf(command);
      const at = clock.now();
      const appended = isOver(basis, at)
        ? outdated(basis)
        : await log.append({
            stream,
            expectedVersion: folded.version,
            events: decision.value,
            actor,
            at,
            guards: basis.guards,
          });
      if (appended.ok) {
        const events = appended.value as readonly RecordedEvent<Event>[];
        const state = events.reduce((before, { event }) => evolve(before, event), folded.state);
        const last = events.at(-1);
        const next = {
          state,
          version: last?.version ?? folded.version,
          position: last?.position ?? folded.position,
        };
        return ok({ events, ...pick(streams.keep(stream, next)) });
      }
      const isHopeless = appended.error.stream !== stream && !isMadeAnew(source);
      if (isHopeless || attempt >= decisionRetriesMax) return appended;
    }
  };
  const read = async (stream: string): Promise<State> => (await streams.fold(stream)).state;
  return {
    execute: (stream: string, command: Command | MadeAnew<Command>, actor: Actor) =>
      inTurn(stream, () => execute(stream, command, actor)),
    read,
    /** With the version that the state is of, for a guard. */
    fold: streams.fold,
  };
}

const isMadeAnew = <Command>(source: Command | MadeAnew<Command>): source is MadeAnew<Command> =>
  typeof source === 'object' && source !== null && 'make' in source;

const isOver = ({ validUntil }: Basis, at: Instant): boolean =>
  validUntil !== undefined && at >= validUntil;

/** Time alone has changed what the decision was made from, as another writer would have. */
const outdated = ({ guards: [guard] }: Basis): Result<never, VersionConflict> => {
  const { stream = '', version = 0 } = guard ?? {};
  const versions = { expectedVersion: version, actualVersion: version };
  return err({ code: 'version_conflict', stream, ...versions });
};

const pick = <State>({ state, position }: Folded<State>) => ({ state, position });
