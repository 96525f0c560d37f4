import { expect, test } from 'vitest';
import { explain } from '../explain.ts';
import type { CommitStatus } from '../snapshot.ts';
import {
  commit,
  createStory,
  minuteMs,
  production,
  type Story,
  staging,
  twoStages,
} from '../testing-story.ts';

const waiting = (): Story => {
  const story = createStory(twoStages({ gates: { statuses: ['load-test', 'licences'] } }))
    .cluster('stg', 'staging')
    .cluster('prd', 'production');
  story.push(1).rollOut(staging).advance();
  return story;
};
const said = (
  name: string,
  state: CommitStatus['state'],
  of = 1,
  description = '',
): CommitStatus => ({
  commit: commit(of),
  name,
  state,
  description,
  receivedAt: 1_000_000,
});
const gate = (story: Story) =>
  explain(story.state, production, story.snapshot())?.gates.find((one) => one.gate === 'status');

test('GATE-11: what nobody has reported is pending, and the words say who clears it', () => {
  const story = waiting();
  expect(gate(story)).toMatchObject({
    passed: false,
    detail: expect.stringContaining('nobody has reported load-test'),
    evidence: { 'load-test': 'missing', licences: 'missing' },
  });
  expect(gate(story)?.detail).toContain(`report-status environments ${commit(1)} --name load-test`);
  story.surround({ statuses: [said('load-test', 'success')] }).advance();
  expect(story.target(production, 'prd')).toBeUndefined();
  expect(gate(story)?.detail).not.toContain('load-test');
});

test('GATE-11: the newest word counts until the admission, and not after it', () => {
  const story = waiting();
  const licences = said('licences', 'success');
  story.surround({ statuses: [said('load-test', 'failure', 1, 'p99 of 2 s'), licences] });
  story.pass(minuteMs).advance();
  expect(gate(story)?.detail).toContain('p99 of 2 s');
  expect(story.target(production, 'prd')).toBeUndefined();
  story.surround({ statuses: [said('load-test', 'success'), licences] }).advance();
  const admission = story.eventsOf('ReleaseAdmitted').at(-1);
  expect(admission?.gates.find((one) => one.gate === 'status')?.evidence).toMatchObject({
    'load-test': 'success',
    licences: 'success',
  });
  story.surround({ statuses: [said('load-test', 'failure'), licences] }).advance();
  story.settle(production);
  expect(story.outcome(production, commit(1))).toBe('succeeded');
});

test('GATE-11: a status of another commit is none of this one', () => {
  const story = waiting();
  story.surround({ statuses: [said('load-test', 'success', 2), said('licences', 'success', 2)] });
  story.advance();
  expect(story.target(production, 'prd')).toBeUndefined();
});
