import { expect, test } from 'vitest';
import { retainedReleases } from './retention.ts';
import {
  commit,
  definitionOf,
  type Story,
  settledStory,
  stageOf,
  staging,
} from './testing-story.ts';

const retained = (story: Story) =>
  [1, 2, 3, 4, 5, 6].filter((number) => retainedReleases(story.state).has(commit(number)));
test('RB-13: what runs, what a rollback could go back to, and what may still come is retained', () => {
  const story = settledStory();
  // 2 and 3 never ran: they were superseded while staging was held.
  story.execute({ type: 'hold-stage', stage: staging, reason: 'fair' });
  for (const number of [2, 3, 4]) story.push(number).advance();
  story.execute({ type: 'resume-stage', stage: staging, reason: 'over' });
  story.rollOut(staging);
  for (const stage of story.state.definition.stages) story.settle(stage.name);
  expect(story.stage(staging).current?.release).toBe(commit(4));
  expect(retained(story)).toEqual([1, 4]);
  story.push(5).push(6);
  expect(retained(story)).toEqual([1, 4, 5, 6]);
});

test('RB-13: while a stage has had nothing yet, everything may still come to it', () => {
  const story = settledStory(definitionOf(stageOf('staging'), stageOf('edge')));
  story.push(2).push(3).rollOut(staging);
  expect(retained(story)).toEqual([1, 2, 3]);
});

test('RB-13: what was asked for by name is retained', () => {
  const story = settledStory();
  story.execute({ type: 'hold-stage', stage: staging, reason: 'fair' });
  for (const number of [2, 3, 4]) story.push(number).advance();
  story.execute(story.promote(staging, commit(2), true));
  expect(retained(story)).toContain(2);
});

test('RB-13: what a failed rollout left in a cluster, and what it would return to, is retained', () => {
  const story = settledStory().push(2);
  story.advance();
  story.report(staging, 'stg', { phase: 'failed', message: 'bad' });
  story.advance();
  story.push(3).rollOut(staging);
  const [plan] = story.eventsOf('RolloutStarted').at(-1)?.batches ?? [];
  expect(plan).toBeDefined();
  expect(retained(story)).toEqual([1, 2, 3]);
});
