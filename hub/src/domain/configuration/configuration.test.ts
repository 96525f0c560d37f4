import { expect, test } from 'vitest';
import {
  type ConfigurationCommand,
  type ConfigurationState,
  decideConfiguration,
  evolveConfiguration,
  initialConfigurationState,
  isManaged,
  type ResourceName,
} from './index.ts';

const pipeline = (name: string): ResourceName => ({ kind: 'Pipeline', name });
const applied = (
  commit: string,
  resources: string[],
  change: { source?: string; removed?: string[] } = {},
): ConfigurationCommand => ({
  type: 'record-applied',
  commit,
  source: change.source ?? 'here',
  resources: resources.map(pipeline),
  removed: (change.removed ?? []).map(pipeline),
});
const refused = (commit: string, ...messages: string[]): ConfigurationCommand => ({
  type: 'record-refused',
  commit,
  faults: messages.map((message) => ({ path: 'x.yaml', message })),
});

const eventsOf = (state: ConfigurationState, command: ConfigurationCommand) => {
  const decision = decideConfiguration(state, command);
  if (!decision.ok) throw new Error(decision.error.detail);
  return decision.value;
};
const after = (...commands: ConfigurationCommand[]): ConfigurationState =>
  commands.reduce(
    (state, command) => eventsOf(state, command).reduce(evolveConfiguration, state),
    initialConfigurationState,
  );

test('the same answer to the same commit is recorded once', () => {
  expect(eventsOf(after(applied('c1', ['a'])), applied('c1', ['a']))).toEqual([]);
  expect(eventsOf(after(refused('c1', 'bad')), refused('c1', 'bad'))).toEqual([]);
  expect(eventsOf(after(refused('c1', 'bad')), refused('c1', 'worse'))).toHaveLength(1);
  expect(
    eventsOf(after(applied('c1', ['a'])), applied('c1', ['a'], { source: 'there' })),
  ).toHaveLength(1);
});

test('a refusal keeps what was applied, and ends with the next commit that is', () => {
  const state = after(applied('c1', ['a']), refused('c2', 'bad'));
  expect(state).toMatchObject({ applied: { commit: 'c1' }, refused: { commit: 'c2' } });
  expect(isManaged(state, pipeline('a'))).toBe(true);
  expect(after(applied('c1', ['a']), refused('c2', 'bad'), applied('c3', ['a'])).refused).toBe(
    undefined,
  );
  // Back on the commit before the bad one.
  expect(after(applied('c1', ['a']), refused('c2', 'bad'), applied('c1', ['a'])).refused).toBe(
    undefined,
  );
});

test('what is named no more is absent until it is named again or removed, and is not managed', () => {
  const state = after(applied('c1', ['a', 'b']), applied('c2', ['a']), applied('c3', ['a']));
  expect(state.absent).toEqual([pipeline('b')]);
  expect(isManaged(state, pipeline('b'))).toBe(false);
  const next = (command: ConfigurationCommand) =>
    eventsOf(state, command).reduce(evolveConfiguration, state).absent;
  expect(next(applied('c4', ['a', 'b']))).toEqual([]);
  expect(next(applied('c4', ['a'], { removed: ['b'] }))).toEqual([]);
});

test('only what is managed can be overridden, until the next commit', () => {
  const override = (name: string): ConfigurationCommand => ({
    type: 'record-override',
    ...pipeline(name),
    reason: 'an incident',
  });
  const state = after(applied('c1', ['a']), override('a'), override('a'));
  expect(state.overridden).toEqual([{ ...pipeline('a'), reason: 'an incident' }]);
  expect(decideConfiguration(state, override('b'))).toMatchObject({
    error: { code: 'resource_not_managed' },
  });
  expect(after(applied('c1', ['a']), override('a'), applied('c2', ['a'])).overridden).toEqual([]);
});

test('a refusal records a bounded number of faults, and how many there are', () => {
  const many = Array.from({ length: 60 }, (_, index) => `${index} ${'x'.repeat(1_000)}`);
  const [event] = eventsOf(initialConfigurationState, refused('c1', ...many));
  expect(event).toMatchObject({ faultsTotal: 60 });
  expect(JSON.stringify(event).length).toBeLessThan(64 * 1024);
});

test('a failure to read is recorded when it begins, changes or ends', () => {
  const failing = after({ type: 'record-unreadable', message: 'no answer' });
  expect(failing.failure).toBe('no answer');
  expect(eventsOf(failing, { type: 'record-unreadable', message: 'no answer' })).toEqual([]);
  expect(eventsOf(failing, { type: 'record-readable' })).toEqual([
    { type: 'ConfigurationReadable' },
  ]);
  expect(eventsOf(initialConfigurationState, { type: 'record-readable' })).toEqual([]);
});
