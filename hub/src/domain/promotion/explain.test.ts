import { describe, expect, test } from 'vitest';
import { explain, nextWakeAt } from './explain.ts';
import {
  commit,
  createStory,
  minuteMs,
  production,
  type Story,
  settledStory,
  staging,
  twoStages,
} from './testing-story.ts';

const explained = (story: Story, stage = production, named?: ReturnType<typeof commit>) => {
  const explanation = explain(story.anyState, stage, story.snapshot(), named);
  if (explanation === undefined) throw new Error('nothing was explained');
  return explanation;
};
const soakingStory = (soakMs = 30 * minuteMs) =>
  createStory(twoStages({ soakMs }))
    .cluster('stg', 'staging')
    .cluster('prd', 'production')
    .push(1)
    .rollOut(staging);

describe('explain', () => {
  test('says how long a soak still takes and when it ends', () => {
    const story = soakingStory().pass(10 * minuteMs);
    expect(explained(story)).toMatchObject({
      summary:
        'c1000000 waits: c1000000 was healthy in staging for 10m of 30m, expected at ' +
        `${new Date(story.now + 20 * minuteMs).toISOString()}.`,
      nextChangeAt: story.now + 20 * minuteMs,
      candidate: { commit: commit(1) },
    });
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + 20 * minuteMs);
  });

  test('names the unhealthy cluster and what it said', () => {
    const story = soakingStory();
    story.report(staging, 'stg', { health: 'degraded', message: 'web crashes' });
    story.advance();
    const { summary, nextChangeAt } = explained(story);
    expect(summary).toContain(
      'staging is unhealthy with c1000000: stg said settled, degraded: web',
    );
    expect(nextChangeAt).toBeUndefined();
  });

  test('names the hold and how to clear it', () => {
    const story = soakingStory(0);
    const other = createStory(twoStages({ promote: 'manual' }))
      .cluster('stg', 'staging')
      .cluster('prd', 'production')
      .push(1)
      .rollOut(staging);
    other.execute({ type: 'hold-stage', stage: production, reason: 'audit' });
    expect(explained(other).summary).toBe(
      'c1000000 waits: production is promoted by hand: promote c1000000 to clear it. ' +
        'The stage is held (audit): resume production to clear it.',
    );
    expect(explained(story).rollout).toMatchObject({ release: commit(1), succeeded: 0, total: 1 });
  });

  test('says what a running rollout waits for, cluster by cluster', () => {
    const story = createStory()
      .cluster('a', 'staging')
      .cluster('b', 'staging', { status: 'offline', lastSeenAt: 5_000 })
      .cluster('new', 'staging', { status: 'pending' })
      .push(1);
    story.advance();
    story.report(staging, 'a');
    story.advance();
    const { summary, targets, nextChangeAt } = explained(story, staging);
    expect(summary).toBe(
      'c1000000 is rolling out: 1 of 2 targets are healthy, and it fails at ' +
        `${new Date(story.now + 10 * minuteMs).toISOString()} unless all are.`,
    );
    expect(targets.map(({ clusterName, blocker }) => [clusterName, blocker])).toEqual([
      ['a', undefined],
      ['b', 'b is offline since 1970-01-01T00:00:05.000Z and has not reported on it yet.'],
      ['new', 'new has not enrolled yet: apply its install manifest.'],
    ]);
    expect(nextChangeAt).toBe(story.now + 10 * minuteMs);
  });

  test.each([
    ['no release', () => createStory().cluster('stg', 'staging'), staging, 'has no release yet'],
    ['no success before', () => createStory().push(1), production, 'succeeded in staging yet'],
    ['no clusters', () => createStory().push(1), staging, 'Awaiting clusters: none'],
    ['all done', () => settledStory(), staging, 'It runs c1000000, the newest release'],
  ])('says when a stage has nothing to take: %s', (_, make, stage, words) => {
    expect(explained(make(), stage).summary).toContain(words);
  });

  test('says that a failed release is not tried again, and what clears it', () => {
    const story = settledStory().push(2);
    story.advance();
    story.report(staging, 'stg', { phase: 'failed', message: 'bad' });
    story.advance();
    expect(explained(story, staging).summary).toContain('c2000000 failed here (stg: bad)');
    expect(explained(story, staging).summary).toContain('promote it with force');
  });

  test('answers about a release that is asked for', () => {
    const story = settledStory().push(2);
    expect(explained(story, production, commit(2)).summary).toBe(
      'c2000000 waits: c2000000 has not succeeded in staging. ' +
        'staging does not run c2000000 and was not healthy with it at the end.',
    );
  });

  test('has no answer for a stage that is not there', () => {
    const story = settledStory();
    expect(explain(story.anyState, 'test' as never, story.snapshot())).toBeUndefined();
  });
});
