import type { Result } from '../result/index.ts';

export type Decider<State, Command, Event, Rejection> = {
  readonly initialState: State;
  readonly decide: (state: State, command: Command) => Result<Event[], Rejection>;
  readonly evolve: (state: State, event: Event) => State;
};

export type DeciderSpecification<State, Command, Event, Rejection> = (given: Event[]) => {
  when: (command: Command) => { result: Result<Event[], Rejection>; state: State };
};

/** `specify(decider)(given).when(command)` folds the events, decides, and folds the decision for `state`. */
export function specify<State, Command, Event, Rejection>(
  decider: Decider<State, Command, Event, Rejection>,
): DeciderSpecification<State, Command, Event, Rejection> {
  return (given) => ({
    when: (command) => {
      const before = given.reduce(decider.evolve, decider.initialState);
      const result = decider.decide(before, command);
      const state = result.ok ? result.value.reduce(decider.evolve, before) : before;
      return { result, state };
    },
  });
}
