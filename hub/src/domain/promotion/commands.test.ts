import { describe, expect, test } from 'vitest';
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

describe('promotion by hand', () => {
  const manual = () => settledStoryBefore(twoStages({ promote: 'manual' }));
  const settledStoryBefore = (definition: ReturnType<typeof twoStages>) =>
    createStory(definition)
      .cluster('stg', 'staging')
      .cluster('prd', 'production')
      .push(1)
      .rollOut(staging);

  test('a stage promoted by hand waits for a person, who need not name the release', () => {
    const story = manual();
    expect(story.target(production, 'prd')).toBeUndefined();
    story.execute(story.promote(production));
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
    expect(story.eventsOf('RolloutStarted').at(-1)?.kind).toBe('promotion');
  });

  test('GATE-01, GATE-08: what was asked for one release admits no other', () => {
    const story = manual();
    story.execute({ type: 'hold-stage', stage: production, reason: 'x' });
    story.execute(story.promote(production, commit(1)));
    story.push(2).rollOut(staging);
    story.execute({ type: 'resume-stage', stage: production, reason: 'y' });
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
    story.settle(production).advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  test('promoting does not pass a gate: the soak goes on', () => {
    const story = settledStoryBefore(twoStages({ promote: 'manual', soakMs: 30 * minuteMs }));
    story.execute(story.promote(production));
    story.advance();
    expect(story.target(production, 'prd')).toBeUndefined();
    story.pass(30 * minuteMs).advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  test('Q-04: of two requests the later one wins and the earlier one is superseded on record', () => {
    const story = manual();
    story.execute({ type: 'hold-stage', stage: production, reason: 'x' });
    story.execute(story.promote(production, commit(1)));
    story.push(2).rollOut(staging);
    const events = story.execute(story.promote(production, commit(2)));
    expect(events).toMatchObject([
      { type: 'ReleaseSuperseded', release: commit(1), by: commit(2) },
      { type: 'PromotionRequested', release: commit(2) },
    ]);
  });

  test('refusals name the reason', () => {
    const story = settledStory().push(2);
    expect(story.refusalOf(story.promote(production, commit(7)))).toBe('release_not_found');
    expect(story.refusalOf(story.promote(production, commit(2)))).toBe('release_not_eligible');
    expect(story.refusalOf(story.promote(production))).toBe('nothing_to_promote');
    expect(story.refusalOf(story.promote('test' as never))).toBe('stage_not_found');
    story.advance();
    expect(story.refusalOf(story.promote(staging, commit(2)))).toBe('rollout_in_progress');
    expect(story.refusalOf(story.promote(staging, commit(1)))).toBe('release_not_eligible');
  });

  test('Q-06: what is current is refused, and force assigns it again with a new generation', () => {
    const story = settledStory();
    expect(story.refusalOf(story.promote(production, commit(1)))).toBe('already_current');
    story.execute(story.promote(production, commit(1), true));
    story.advance();
    expect(story.target(production, 'prd')).toMatchObject({ release: commit(1), generation: 3 });
    expect(story.eventsOf('RolloutStarted').at(-1)?.kind).toBe('forced');
    story.settle(production);
    expect(story.advance()).toEqual([]);
  });

  test('nothing is done to a pipeline that nobody defined', () => {
    const story = createStory();
    story.execute({ type: 'remove-pipeline' });
    expect(story.refusalOf(story.promote(staging))).toBe('pipeline_not_defined');
  });
});

describe('hold and resume', () => {
  test('a held stage takes nothing until it is resumed, and staging goes on', () => {
    const story = settledStory();
    story.execute({ type: 'hold-stage', stage: production, reason: 'fair' });
    story.push(2).rollOut(staging);
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
    expect(story.refusalOf({ type: 'hold-stage', stage: production, reason: '' })).toBe(
      'stage_already_held',
    );
    story.execute({ type: 'resume-stage', stage: production, reason: 'over' });
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(2));
    expect(story.refusalOf({ type: 'resume-stage', stage: production, reason: '' })).toBe(
      'stage_not_held',
    );
  });
});

describe('rollback', () => {
  const twice = () => settledStory().push(2).rollOut(staging).settle(production);

  test('RB-01, RB-02: it goes back to the last success and stays there until somebody resumes', () => {
    const story = twice();
    story.execute(story.rollback(production));
    expect(story.target(production, 'prd')).toMatchObject({ release: commit(1) });
    expect(story.eventsOf('StageHeld')).toMatchObject([{ stage: production, automatic: true }]);
    story.settle(production);
    expect(story.stage(production).current?.release).toBe(commit(1));
    story.push(3).rollOut(staging);
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
    story.execute({ type: 'resume-stage', stage: production, reason: 'fixed' });
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(3));
  });

  test('RB-02: promoting a newer release by name ends the hold of a rollback', () => {
    const story = twice();
    story.execute(story.rollback(production));
    story.settle(production).push(3).rollOut(staging);
    story.execute(story.promote(production, commit(3)));
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(3));
    expect(story.stage(production).hold).toBeUndefined();
  });

  test('RB-07: it ends a running rollout first', () => {
    const story = settledStory().push(2);
    story.advance();
    const events = story.execute(story.rollback(staging));
    expect(events.map(({ type }) => type)).toEqual([
      'RolloutAborted',
      'StageHeld',
      'RolloutStarted',
      'TargetAssigned',
    ]);
    story.settle(staging);
    expect(story.stage(staging).current?.release).toBe(commit(1));
    expect(story.outcome(staging, commit(2))).toBe('aborted');
  });

  test('GATE-09: what staging rolled back does not reach production', () => {
    const story = settledStory(twoStages({ soakMs: minuteMs }));
    story.pass(minuteMs).advance();
    story.settle(production).push(2).rollOut(staging).pass(minuteMs);
    story.execute(story.rollback(staging));
    story
      .settle(staging)
      .pass(60 * minuteMs)
      .advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  test('RB-03: a second rollback does not go forward again to what was rolled back', () => {
    const story = twice();
    story.execute(story.rollback(production));
    story.settle(production);
    expect(story.refusalOf(story.rollback(production))).toBe('no_release_to_roll_back_to');
  });

  test('after a failure it goes back to the last success', () => {
    const story = settledStory().push(2);
    story.advance();
    story.pass(10 * minuteMs).advance();
    story.execute(story.rollback(staging));
    expect(story.target(staging, 'stg')?.release).toBe(commit(1));
  });

  test('a release may be named, also one that the branch dropped, if it succeeded here', () => {
    const story = twice().push(3).rollOut(staging).settle(production);
    story.execute({
      type: 'record-branch',
      at: story.now,
      head: commit(3),
      releases: [],
      onBranch: [commit(2), commit(3)],
    });
    expect(story.refusalOf(story.rollback(production, commit(9)))).toBe('release_not_found');
    expect(story.refusalOf(story.rollback(production, commit(3)))).toBe('already_current');
    story.execute(story.rollback(production, commit(1)));
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
    expect(story.outcome(production, commit(2))).toBe('rolled-back');
  });
});

describe('abort', () => {
  test('RB-08: it ends the rollout, leaves the targets as they are, and does not come back', () => {
    const story = settledStory().push(2);
    story.advance();
    story.execute({ type: 'abort-rollout', stage: staging, reason: 'stop' });
    expect(story.advance()).toEqual([]);
    expect(story.target(staging, 'stg')?.release).toBe(commit(2));
    expect(story.refusalOf({ type: 'abort-rollout', stage: staging, reason: '' })).toBe(
      'no_rollout_to_abort',
    );
    story.execute(story.promote(staging, commit(2)));
    story.rollOut(staging);
    expect(story.stage(staging).current?.release).toBe(commit(2));
  });

  test('RB-09: after the success there is nothing to abort, after the abort no success', () => {
    const story = settledStory().push(2);
    story.advance();
    story.execute({ type: 'abort-rollout', stage: staging, reason: 'stop' });
    story.settle(staging);
    expect(story.eventsOf('RolloutSucceeded').some((event) => event.release === commit(2))).toBe(
      false,
    );
  });
});

describe('a held prune', () => {
  const held = () => {
    const story = createStory().cluster('stg', 'staging').push(1);
    story.advance();
    story.report(staging, 'stg', { phase: 'prune-held', health: 'progressing' });
    return story;
  };
  const confirm = (story: Story, generation: number, digest = 'digest') =>
    ({
      type: 'confirm-prune',
      stage: staging,
      cluster: 'stg' as never,
      clusterName: 'stg' as never,
      generation,
      digest,
      snapshot: story.snapshot(),
    }) as const;

  test('a confirmation is a new generation that names the held one and its objects, inside the same rollout', () => {
    const story = held();
    expect(story.execute(confirm(story, 1))).toMatchObject([{ confirmedPruneObjects: 12 }]);
    expect(story.target(staging, 'stg')).toMatchObject({
      generation: 2,
      confirmedPruneGeneration: 1,
      confirmedPruneDigest: 'digest',
      cause: 'prune-confirmed',
    });
    expect(story.advance()).toEqual([]);
    story.settle(staging);
    expect(story.stage(staging).current?.release).toBe(commit(1));
  });

  test('only the generation that the target has can be confirmed', () => {
    const story = held();
    expect(story.refusalOf(confirm(story, 7))).toBe('no_prune_to_confirm');
    story.execute(confirm(story, 1));
    expect(story.refusalOf(confirm(story, 1))).toBe('no_prune_to_confirm');
  });

  test('only what the target holds now can be confirmed', () => {
    const story = held();
    expect(story.refusalOf(confirm(story, 1, 'an older set'))).toBe('prune_has_changed');
    story.report(staging, 'stg');
    expect(story.refusalOf(confirm(story, 1))).toBe('no_prune_to_confirm');
  });
});
