import type { NewId } from '@fairlead/shared/ids';
import { describe, expect, test } from 'vitest';
import type { RolloutPolicy } from '../pipeline/definition.ts';
import { explain } from './explain.ts';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  type StageChange,
  type Story,
  settledStory,
  stageOf,
  staging,
} from './testing-story.ts';

const failed = { phase: 'failed', health: 'degraded', message: 'bad image' } as const;
const one = { kind: 'size', max: { count: 1 } } as const;

/** Clusters a to d run c1, and c2 is on its way. */
function fleet(rollout: Partial<RolloutPolicy>, change: StageChange = {}): Story {
  const story = createStory(definitionOf(stageOf('staging', { rollout, ...change })));
  for (const name of 'abcd') story.cluster(name, 'staging');
  story.push(1).advance();
  for (let round = 0; round < 4; round++) story.settle(staging, { healthySince: 0 });
  story.pass(minuteMs).push(2).advance();
  return story;
}
const runs = (story: Story) =>
  [...'abcd'].map((name) => story.target(staging, name)?.release.slice(1, 2) ?? '-').join('');
const reportAll = (story: Story, names: string, change: object = {}) => {
  for (const name of names) story.report(staging, name, change);
  return story.advance();
};
const declined = (story: Story) => story.eventsOf('AutomaticRollbackDeclined')[0]?.reason;
const abort = (story: Story) => ({
  type: 'abort-rollout' as const,
  stage: staging,
  reason: 'stop',
  rollback: { snapshot: story.snapshot(), newId: story.newIds()[0] as NewId },
});

describe('automatic rollback', () => {
  test.each([
    ['pause', '2221'],
    ['rollback-failed', '2121'],
    ['rollback-wave', '2111'],
    ['rollback', '1111'],
  ] as const)('FLT-08: onFailure %s leaves the targets with %s', (onFailure, left) => {
    const story = fleet({ onFailure, waves: [one, { kind: 'size', max: { count: 2 } }] });
    reportAll(story, 'a');
    expect(runs(story)).toBe('2221');
    reportAll(story, 'b', failed);
    expect(runs(story)).toBe(left);
    const started = story.eventsOf('RolloutStarted').at(-1);
    expect(started?.kind).toBe(onFailure === 'pause' ? 'promotion' : 'automatic-rollback');
  });

  test('the failed release is failed, the stage runs what it ran, and nothing is tried again', () => {
    const story = fleet({ onFailure: 'rollback' });
    reportAll(story, 'a', failed);
    const [, first] = story.eventsOf('RolloutStarted');
    expect(story.stage(staging).rollout).toMatchObject({
      kind: 'automatic-rollback',
      undoes: first?.rolloutId,
      release: commit(1),
    });
    reportAll(story, 'abcd');
    const { current, history, lastRollout, hold, stay } = story.stage(staging);
    expect(lastRollout).toMatchObject({ kind: 'automatic-rollback', outcome: 'succeeded' });
    expect(current?.release).toBe(commit(1));
    expect(history.map(({ release }) => release)).toEqual([commit(1)]);
    expect(stay).toMatchObject({ release: commit(1), health: 'healthy' });
    expect(hold).toBeUndefined();
    expect(story.outcome(staging, commit(2))).toBe('failed');
    expect(story.outcome(staging, commit(1))).toBe('succeeded');
    expect(story.pass(60 * minuteMs).advance()).toEqual([]);
    story.push(3).rollOut(staging);
    expect(story.stage(staging).current?.release).toBe(commit(3));
  });

  test('RB-05: each target returns to its own former release, and stays there', () => {
    const story = fleet({ onFailure: 'pause', waves: [one] });
    // c2 fails on a and is left there by policy; the others run c1.
    reportAll(story, 'a', failed);
    expect(runs(story)).toBe('2111');
    const definition = definitionOf(stageOf('staging', { rollout: { onFailure: 'rollback' } }));
    story.execute({ type: 'define-pipeline', definition });
    story.push(3).advance();
    expect(runs(story)).toBe('3333');
    reportAll(story, 'b', failed);
    expect(runs(story)).toBe('2111');
    reportAll(story, 'abcd');
    expect(story.advance()).toEqual([]);
    expect(runs(story)).toBe('2111');
    expect(story.stage(staging).current?.release).toBe(commit(1));
  });

  test('a policy that came after the failure undoes nothing', () => {
    const story = fleet({ onFailure: 'pause' });
    reportAll(story, 'a', failed);
    const definition = definitionOf(stageOf('staging', { rollout: { onFailure: 'rollback' } }));
    story.execute({ type: 'define-pipeline', definition });
    story.advance();
    expect(story.types()).not.toContain('AutomaticRollbackDeclined');
    expect(runs(story)).toBe('2222');
  });

  test('RB-03, property 9: the same release is undone by itself once, and a rollback never is', () => {
    const story = fleet({ onFailure: 'rollback' });
    reportAll(story, 'a', failed);
    reportAll(story, 'abcd');
    story.execute(story.promote(staging, commit(2), true));
    story.advance();
    reportAll(story, 'a', failed);
    expect(declined(story)).toContain('c2000000 was rolled back here by itself before');
    expect(runs(story)).toBe('2222');
    expect(explain(story.anyState, staging, story.snapshot())?.summary).toContain(
      'There was no automatic rollback, because c2000000 was rolled back here by itself before',
    );
    expect(story.advance()).toEqual([]);
  });

  test('RB-03: a rollback that fails is left to a person, and what it went back to is not failed', () => {
    const story = fleet({ onFailure: 'rollback' });
    reportAll(story, 'a', failed);
    reportAll(story, 'b', failed);
    expect(story.stage(staging).lastRollout).toMatchObject({
      kind: 'automatic-rollback',
      outcome: 'failed',
    });
    expect(story.outcome(staging, commit(1))).toBe('succeeded');
    expect(story.stage(staging).current?.release).toBe(commit(1));
    expect(story.advance()).toEqual([]);
  });

  test('RB-04: what runs its former release and became unhealthy too speaks against the release as the cause', () => {
    const story = fleet({ onFailure: 'rollback', waves: [one] });
    story.pass(1_000).report(staging, 'c', { health: 'degraded', message: 'no DNS' });
    reportAll(story, 'a', failed);
    expect(declined(story)).toBe(
      'what does not run c2000000 became unhealthy too: c said settled, degraded: no DNS',
    );
    expect(runs(story)).toBe('2111');
  });

  test('RB-04: what was unhealthy before the rollout began speaks for nothing', () => {
    const story = fleet({ onFailure: 'rollback', waves: [one] });
    story.report(staging, 'c', { health: 'degraded', receivedAt: story.now - 1 });
    reportAll(story, 'a', failed);
    expect(declined(story)).toBeUndefined();
    expect(runs(story)).toBe('1111');
  });

  test('RB-04: with most of the clusters offline nothing is undone', () => {
    const story = fleet({ onFailure: 'rollback' });
    for (const name of 'bcd') {
      story.report(staging, name, { phase: 'applying', health: 'progressing' });
      story.cluster(name, 'staging', { status: 'offline', lastSeenAt: story.now });
    }
    reportAll(story, 'a', failed);
    expect(declined(story)).toBe('3 of 4 clusters of the stage cannot be reached');
  });

  test('RB-04: targets that failed because nobody reached them are no reason to undo', () => {
    const story = fleet({ onFailure: 'rollback', offline: 'fail' });
    reportAll(story, 'bcd');
    story.report(staging, 'a', { phase: 'applying', health: 'progressing' });
    story.cluster('a', 'staging', { status: 'offline', lastSeenAt: story.now });
    story.pass(10 * minuteMs).advance();
    expect(declined(story)).toBe('every target that failed could not be reached');
  });

  test('a target without a former release has nothing to return to, and it is said', () => {
    const story = createStory(
      definitionOf(stageOf('staging', { rollout: { onFailure: 'rollback' } })),
    );
    story.cluster('a', 'staging').push(1).advance();
    reportAll(story, 'a', failed);
    expect(declined(story)).toBe('a had no other release before');
    expect(story.advance()).toEqual([]);
  });

  test('it comes after the last try, not between tries', () => {
    const story = fleet({ onFailure: 'rollback', retries: { limit: 1, backoffMs: minuteMs } });
    reportAll(story, 'a', failed);
    expect(runs(story)).toBe('2222');
    story.pass(minuteMs).advance();
    // Another try, by the hub itself or by a person.
    if (story.stage(staging).rollout === undefined) {
      story.execute(story.promote(staging, commit(2), true));
      story.advance();
    }
    reportAll(story, 'a', failed);
    expect(runs(story)).toBe('1111');
  });
});

describe('rollback by a person', () => {
  test('RB-01: it goes to the last release that was healthy to its end, not merely the one before', () => {
    const story = settledStory().push(2).rollOut(staging);
    story.report(staging, 'stg', { health: 'degraded', message: 'leaks' });
    story.advance();
    story.push(3).rollOut(staging);
    story.execute(story.rollback(staging));
    expect(story.target(staging, 'stg')?.release).toBe(commit(1));
  });

  test('RB-01: that a cluster could not be seen at its end says nothing against a release', () => {
    const story = settledStory().push(2).rollOut(staging);
    story.cluster('stg', 'staging', { status: 'offline' }).advance();
    expect(story.stage(staging).stay?.health).toBe('unknown');
    story.push(3).advance();
    story.cluster('stg', 'staging').settle(staging);
    story.execute(story.rollback(staging));
    expect(story.target(staging, 'stg')?.release).toBe(commit(2));
  });

  test('RB-01: where none was, the last success is better than none', () => {
    const story = settledStory();
    story.report(staging, 'stg', { health: 'degraded', message: 'leaks' });
    story.advance();
    story.push(2).rollOut(staging);
    story.execute(story.rollback(staging));
    expect(story.target(staging, 'stg')?.release).toBe(commit(1));
  });

  const heldUntilNewer = () => {
    const definition = definitionOf(
      stageOf('staging', { holdAfterRollback: 'until-newer-release' }),
    );
    const story = createStory(definition).cluster('stg', 'staging').push(1).rollOut(staging);
    story.push(2).rollOut(staging);
    story.execute(story.rollback(staging));
    return story.settle(staging);
  };

  test('RB-02: by policy a release newer than all that was rolled back ends the hold, on record', () => {
    const story = heldUntilNewer();
    expect(story.pass(minuteMs).advance()).toEqual([]);
    expect(story.target(staging, 'stg')?.release).toBe(commit(1));
    story.push(3).advance();
    expect(story.target(staging, 'stg')?.release).toBe(commit(3));
    expect(story.stage(staging).hold).toBeUndefined();
    expect(story.eventsOf('StageResumed')).toMatchObject([{ automatic: true }]);
  });

  test('RB-02, property 9: what was rolled back does not return when the newer one is dropped', () => {
    const story = heldUntilNewer().push(3);
    story.advance();
    story.settle(staging);
    const known = story.state.releases.filter(({ position }) => position < 3);
    story.execute({
      type: 'record-branch',
      head: commit(2),
      releases: [],
      at: story.now,
      onBranch: known.map(({ commit: id }) => id),
    });
    story.advance();
    expect(story.outcome(staging, commit(2))).toBe('rolled-back');
    expect(story.stage(staging).rollout?.release).not.toBe(commit(2));
  });

  test('RB-06: a release is its whole tree: the target gets its commit, its path and nothing of the newer one', () => {
    const story = settledStory().push(2).rollOut(staging);
    story.execute(story.rollback(staging));
    expect(story.target(staging, 'stg')).toMatchObject({
      release: commit(1),
      path: 'apps/staging',
    });
  });

  test('RB-10: a release that is promoted again after its rollback has another rollout', () => {
    const story = settledStory().push(2).rollOut(staging);
    story.execute(story.rollback(staging));
    story.settle(staging);
    story.execute(story.promote(staging, commit(2)));
    story.rollOut(staging);
    const ids = story
      .eventsOf('RolloutStarted')
      .filter(({ stage, release }) => stage === staging && release === commit(2))
      .map(({ rolloutId }) => rolloutId);
    expect(new Set(ids).size).toBe(2);
    expect(story.outcome(staging, commit(2))).toBe('succeeded');
  });
});

describe('abort', () => {
  test('RB-08: with a rollback, what was reached returns to its own and what was not stays', () => {
    const story = fleet({ waves: [{ kind: 'size', max: { count: 2 } }] });
    reportAll(story, 'a');
    const events = story.execute(abort(story));
    expect(events.map(({ type }) => type)).toEqual([
      'RolloutAborted',
      'RolloutStarted',
      'TargetAssigned',
      'TargetAssigned',
    ]);
    expect(runs(story)).toBe('1111');
    reportAll(story, 'ab');
    expect(story.stage(staging).lastRollout).toMatchObject({
      kind: 'rollback',
      outcome: 'succeeded',
    });
    expect(story.outcome(staging, commit(2))).toBe('aborted');
    expect(story.stage(staging).current?.release).toBe(commit(1));
    expect(story.advance()).toEqual([]);
  });

  test('RB-08: a second abort, and one of what only waits, is refused and touches no cluster', () => {
    const story = fleet({});
    story.execute({ type: 'abort-rollout', stage: staging, reason: 'stop' });
    const before = runs(story);
    expect(story.refusalOf(abort(story))).toBe('no_rollout_to_abort');
    story.execute({ type: 'hold-stage', stage: staging, reason: 'fair' });
    story.push(3).advance();
    expect(story.refusalOf(abort(story))).toBe('no_rollout_to_abort');
    expect(runs(story)).toBe(before);
  });

  test('RB-08: where nothing had another release before, a rollback is refused and the rollout goes on', () => {
    const story = createStory(definitionOf(stageOf('staging')))
      .cluster('a', 'staging')
      .push(1);
    story.advance();
    expect(story.refusalOf(abort(story))).toBe('no_release_to_roll_back_to');
    expect(story.stage(staging).rollout).toBeDefined();
  });

  test('RB-09: the success was first, so there is nothing to abort', () => {
    const story = fleet({});
    reportAll(story, 'abcd');
    expect(story.refusalOf(abort(story))).toBe('no_rollout_to_abort');
    expect(story.outcome(staging, commit(2))).toBe('succeeded');
  });

  test('RB-09: the abort was first, so the proof that comes after it ends nothing', () => {
    const story = fleet({});
    for (const name of 'abcd') story.report(staging, name);
    story.execute({ type: 'abort-rollout', stage: staging, reason: 'stop' });
    story.advance();
    expect(story.eventsOf('RolloutSucceeded')).toHaveLength(1);
    expect(story.outcome(staging, commit(2))).toBe('aborted');
  });

  test('RB-07: a rollback by a person ends an automatic one', () => {
    const story = fleet({ onFailure: 'rollback' });
    reportAll(story, 'a', failed);
    story.execute(story.rollback(staging, commit(1)));
    expect(story.stage(staging).rollout?.kind).toBe('rollback');
    reportAll(story, 'abcd');
    expect(story.stage(staging).current?.release).toBe(commit(1));
  });
});
