import { describe, expect, test } from 'vitest';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  production,
  release,
  settledStory,
  stageOf,
  staging,
  twoStages,
} from './testing-story.ts';

describe('the way of a release', () => {
  test('a release goes to staging, and to production when staging has it healthy', () => {
    const story = createStory().cluster('stg', 'staging').cluster('prd', 'production').push(1);
    story.advance();
    expect(story.target(staging, 'stg')).toMatchObject({ release: commit(1), generation: 1 });
    expect(story.target(production, 'prd')).toBeUndefined();
    story.settle(staging);
    expect(story.target(production, 'prd')).toMatchObject({ release: commit(1), generation: 2 });
    story.settle(production);
    expect(story.stage(production).current?.release).toBe(commit(1));
    expect(story.types(production)).toEqual([
      'ReleaseAdmitted',
      'RolloutStarted',
      'TargetAssigned',
      'TargetSucceeded',
      'RolloutSucceeded',
      'StageHealthChanged',
    ]);
    expect(story.advance()).toEqual([]);
  });

  test('GATE-15: an admission carries what each gate said, and all of them passed', () => {
    const story = settledStory();
    const [, admitted] = story.eventsOf('ReleaseAdmitted');
    expect(admitted?.gates.map(({ gate, passed }) => [gate, passed])).toEqual([
      ['order', true],
      ['health', true],
      ['soak', true],
      ['manual', true],
      ['hold', true],
    ]);
    expect(admitted?.gates[0]?.evidence).toEqual({ staging: 'succeeded' });
  });

  test('FLT-14: only a later report about exactly the assignment is evidence', () => {
    const story = createStory().cluster('stg', 'staging').cluster('prd', 'production').push(1);
    story.advance();
    for (const stale of [
      { generation: 0 },
      { commit: commit(9) },
      { receivedAt: story.now - 1 },
      { phase: 'waiting' as const },
      { health: 'progressing' as const },
    ]) {
      story.report(staging, 'stg', stale);
      expect(story.advance()).toEqual([]);
    }
    story.report(staging, 'stg', { phase: 'prune-held' });
    expect(story.advance().map(({ type }) => type)).toContain('RolloutSucceeded');
  });

  test('a stage comes after two stages only when both have the release', () => {
    const story = createStory(
      definitionOf(
        stageOf('staging'),
        stageOf('canary'),
        stageOf('production', { after: [staging, 'canary' as never] }),
      ),
    );
    story.cluster('stg', 'staging').cluster('can', 'canary').cluster('prd', 'production').push(1);
    story.rollOut(staging);
    expect(story.target(production, 'prd')).toBeUndefined();
    story.settle('canary' as never);
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  test('a stage without clusters awaits them and never succeeds emptily', () => {
    const story = createStory().cluster('prd', 'production').push(1);
    expect(story.advance()).toEqual([]);
    story.cluster('new', 'staging', { status: 'pending' });
    expect(story.advance()).toEqual([]);
    story.cluster('new', 'staging');
    expect(story.advance().map(({ type }) => type)).toContain('RolloutStarted');
  });
});

describe('large fleets', () => {
  const fleetOf = (count: number) => {
    const story = createStory().push(1);
    for (let index = 0; index < count; index++) {
      const id = `cluster-${index}-`.padEnd(26, '0');
      story.cluster(id, 'staging', { name: id.padEnd(63, 'x') as never });
    }
    return story;
  };

  test('5,000 targets are assigned in appends of at most 1,000 events of at most 256 KiB', () => {
    const story = fleetOf(5_000);
    for (let events = story.advance(); events.length > 0; events = story.advance()) {
      expect(events.length).toBeLessThanOrEqual(1_000);
      for (const event of events) {
        expect(JSON.stringify(event).length).toBeLessThanOrEqual(256 * 1024);
      }
    }
    expect(story.stage(staging).targets.size).toBe(5_000);
    story.settle(staging);
    while (story.advance().length > 0);
    expect(story.eventsOf('RolloutSucceeded')[0]?.targetsSucceeded).toBe(5_000);
  }, 60_000);

  test('more than a stage takes is no rollout', () => {
    expect(fleetOf(5_001).advance()).toEqual([]);
  });
});

describe('order of releases', () => {
  test('SRC-01: discovered as c3, c1, c2, the candidate is c3 and stays c3', () => {
    const story = createStory().cluster('stg', 'staging').push(3).rollOut(staging);
    story.push(1, 2);
    expect(story.advance().map(({ type }) => type)).toEqual([
      'ReleaseSuperseded',
      'ReleaseSuperseded',
    ]);
    expect(story.stage(staging).current?.release).toBe(commit(3));
  });

  test('Q-01, Q-08: a newer release supersedes those that wait, and they never count as deployed', () => {
    const story = settledStory().push(2, 3, 4).rollOut(staging);
    expect(story.eventsOf('ReleaseSuperseded').map((event) => [event.release, event.by])).toEqual([
      [commit(2), commit(4)],
      [commit(3), commit(4)],
    ]);
    expect(story.stage(staging).current?.release).toBe(commit(4));
  });

  test('Q-01: a running rollout is not superseded; the newest waits for its end', () => {
    const story = settledStory().push(2);
    story.advance();
    story.push(3);
    expect(story.advance()).toEqual([]);
    story.settle(staging);
    expect(story.eventsOf('RolloutSucceeded').at(-1)?.release).toBe(commit(2));
    expect(story.stage(staging).rollout?.release).toBe(commit(3));
    expect(story.target(production, 'prd')?.release).toBe(commit(2));
  });

  test('SRC-03: what a force-push dropped is no candidate, and the old commit is one again', () => {
    const story = settledStory().push(2).rollOut(staging).settle(production);
    story.branch(release(1)).rollOut(staging);
    expect(story.stage(staging).current?.release).toBe(commit(1));
    story.settle(production);
    expect(story.stage(production).current?.release).toBe(commit(1));
    expect(story.refusalOf(story.promote(staging, commit(2)))).toBe('release_orphaned');
    story.branch(release(1), release(2)).rollOut(staging);
    expect(story.stage(staging).current?.release).toBe(commit(2));
  });

  test('SRC-03: a dropped release that only waited gives its place back', () => {
    const story = settledStory();
    story.execute({ type: 'hold-stage', stage: staging, reason: 'exam week' });
    story.push(2).push(3).advance();
    expect(story.outcome(staging, commit(2))).toBe('superseded');
    story.branch(release(1), release(2));
    story.execute({ type: 'resume-stage', stage: staging, reason: 'over' });
    story.advance();
    expect(story.stage(staging).rollout?.release).toBe(commit(2));
  });
});

describe('failure', () => {
  test('Q-03, Q-07: a failed release is tried once, stops before production, and does not block its fix', () => {
    const story = settledStory().push(2);
    story.advance();
    story.report(staging, 'stg', { phase: 'failed', health: 'degraded', message: 'bad image' });
    const failure = story.advance();
    expect(failure.map(({ type }) => type)).toEqual(['TargetFailed', 'RolloutFailed']);
    expect(story.eventsOf('RolloutFailed')[0]?.failure).toEqual({
      code: 'target_failed',
      message: 'stg: bad image',
    });
    expect(story.pass(60 * minuteMs).advance()).toEqual([]);
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
    story.push(3).rollOut(staging);
    expect(story.stage(staging).current?.release).toBe(commit(3));
    expect(story.target(production, 'prd')?.release).toBe(commit(3));
  });

  test('a target that has failed for good ends the rollout long before the deadline', () => {
    const story = createStory().cluster('a', 'staging').cluster('b', 'staging').push(1);
    story.advance();
    story.report(staging, 'a', { phase: 'failed', message: 'no such folder' });
    expect(story.advance().at(-1)).toMatchObject({ type: 'RolloutFailed' });
    story.push(2).advance();
    expect(story.stage(staging).rollout?.release).toBe(commit(2));
  });

  test('a failure that may pass keeps the rollout going', () => {
    const story = createStory().cluster('a', 'staging').push(1);
    story.advance();
    story.report(staging, 'a', { phase: 'failed', terminal: false });
    expect(story.advance()).toEqual([]);
  });

  test('FLT-01, FLT-15: at exactly the deadline it fails and names the clusters and what they said', () => {
    const story = createStory()
      .cluster('a', 'staging')
      .cluster('b', 'staging', { status: 'offline', lastSeenAt: 5_000 })
      .cluster('c', 'staging')
      .push(1);
    story.advance();
    story.report(staging, 'a');
    story.report(staging, 'c', { phase: 'waiting', health: 'progressing', message: '0/2 ready' });
    expect(story.pass(10 * minuteMs - 1).advance()).toHaveLength(1);
    story.pass(1).advance();
    expect(story.eventsOf('RolloutFailed')[0]?.failure).toEqual({
      code: 'progress_deadline_exceeded',
      message:
        '1 of 3 targets became healthy; b is offline since 1970-01-01T00:00:05.000Z and has not ' +
        'reported on it yet; c said waiting, progressing: 0/2 ready',
    });
    expect(story.outcome(staging, commit(1))).toBe('failed');
  });

  test('RB-09: proof that arrives with the deadline is still proof', () => {
    const story = createStory().cluster('a', 'staging').push(1);
    story.advance();
    story.pass(10 * minuteMs);
    story.report(staging, 'a');
    expect(story.advance().map(({ type }) => type)).toContain('RolloutSucceeded');
  });

  test('RB-10: force tries a failed release again, as another rollout', () => {
    const story = createStory().cluster('a', 'staging').push(1);
    story.advance();
    story.pass(10 * minuteMs).advance();
    expect(story.refusalOf(story.promote(staging, commit(1)))).toBe('release_not_eligible');
    story.execute(story.promote(staging, undefined, true));
    story.rollOut(staging);
    expect(story.outcome(staging, commit(1))).toBe('succeeded');
    const ids = story.eventsOf('RolloutStarted').map(({ rolloutId }) => rolloutId);
    expect(new Set(ids).size).toBe(2);
  });

  test('FLT-16: progressing after success is no failure and does not break the stay', () => {
    const story = settledStory();
    story.report(staging, 'stg', { phase: 'waiting', health: 'progressing' });
    expect(story.advance()).toEqual([]);
  });
});

describe('soak', () => {
  const soaking = () => {
    const story = createStory(twoStages({ soakMs: 30 * minuteMs }));
    story.cluster('stg', 'staging').cluster('stg2', 'staging').cluster('prd', 'production');
    return story.push(1).rollOut(staging);
  };
  const admitted = (story: ReturnType<typeof soaking>) =>
    story.target(production, 'prd') !== undefined;

  test('SOAK-03: the time starts when all targets are confirmed, and ends at exactly its length', () => {
    const story = createStory(twoStages({ soakMs: 30 * minuteMs }));
    story.cluster('stg', 'staging').cluster('stg2', 'staging').cluster('prd', 'production').push(1);
    story.advance();
    story.report(staging, 'stg');
    story.advance();
    story.pass(5 * minuteMs);
    story.report(staging, 'stg2');
    story.advance();
    expect(story.pass(30 * minuteMs - 1).advance()).toEqual([]);
    story.pass(1).advance();
    expect(admitted(story)).toBe(true);
  });

  test('SOAK-04: unhealthy in between starts the time over', () => {
    const story = soaking().pass(20 * minuteMs);
    story.report(staging, 'stg', { health: 'degraded', message: 'crash' });
    story.advance();
    story.pass(minuteMs).settle(staging);
    story.pass(29 * minuteMs).advance();
    expect(admitted(story)).toBe(false);
    story.pass(minuteMs).advance();
    expect(admitted(story)).toBe(true);
  });

  test('SOAK-04: the time stands still while a cluster is offline, and goes on after', () => {
    const story = soaking().pass(20 * minuteMs);
    story.cluster('stg2', 'staging', { status: 'offline' }).advance();
    story.pass(60 * minuteMs).advance();
    expect(admitted(story)).toBe(false);
    story.cluster('stg2', 'staging').advance();
    story.pass(10 * minuteMs - 1).advance();
    expect(admitted(story)).toBe(false);
    story.pass(1).advance();
    expect(admitted(story)).toBe(true);
  });

  test('SOAK-05: two stays of 20 minutes are not one of 30', () => {
    const story = soaking()
      .pass(20 * minuteMs)
      .push(2)
      .rollOut(staging);
    story.execute(story.rollback(staging));
    story
      .settle(staging)
      .pass(20 * minuteMs)
      .advance();
    expect(story.stage(staging).stay?.release).toBe(commit(1));
    expect(admitted(story)).toBe(false);
    story.pass(10 * minuteMs).advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  test('SOAK-01 latest: a newer release takes the place and its own time starts', () => {
    const story = soaking()
      .pass(20 * minuteMs)
      .push(2)
      .rollOut(staging);
    story.pass(29 * minuteMs).advance();
    expect(admitted(story)).toBe(false);
    story.pass(minuteMs).advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(2));
  });

  test('what is good for production is admitted there before a newer release displaces it', () => {
    const story = soaking()
      .pass(30 * minuteMs)
      .push(2);
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
    expect(story.target(staging, 'stg')?.release).toBe(commit(2));
  });

  test('SOAK-07: a shorter time counts from the next look', () => {
    const story = soaking().pass(10 * minuteMs);
    story.execute({ type: 'define-pipeline', definition: twoStages({ soakMs: 10 * minuteMs }) });
    story.advance();
    expect(admitted(story)).toBe(true);
  });

  test('FLT-05: a cluster that joins late neither delays nor breaks the soak', () => {
    const story = soaking()
      .pass(20 * minuteMs)
      .cluster('late', 'staging');
    story.advance();
    story.pass(10 * minuteMs).advance();
    expect(admitted(story)).toBe(true);
  });
});

describe('the fleet changes', () => {
  test('FLT-05: a late cluster gets the last release that succeeded, not the one that is rolling out', () => {
    const story = settledStory().push(2);
    story.advance();
    story.cluster('late', 'staging').advance();
    expect(story.target(staging, 'late')).toMatchObject({ release: commit(1), cause: 'late-join' });
    story.report(staging, 'stg');
    story.advance();
    expect(story.eventsOf('RolloutSucceeded').at(-1)).toMatchObject({ targetsTotal: 1 });
    expect(story.target(staging, 'late')).toMatchObject({ release: commit(2), cause: 'late-join' });
  });

  test('FLT-06: without a succeeded release a late cluster waits', () => {
    const story = createStory().cluster('stg', 'staging').push(1);
    story.advance();
    story.cluster('late', 'staging');
    expect(story.advance()).toEqual([]);
  });

  test('FLT-04: a cluster that joins after a failure gets the settled release', () => {
    const story = settledStory().push(2);
    story.advance();
    story.pass(10 * minuteMs).advance();
    story.cluster('late', 'staging').advance();
    expect(story.target(staging, 'late')?.release).toBe(commit(1));
    expect(story.target(staging, 'stg')?.release).toBe(commit(2));
  });

  test('F10, FLT-07: a cluster that matches no more leaves without a deletion, with a newer generation', () => {
    const story = settledStory();
    const before = story.state.generation;
    story.cluster('prd', 'somewhere-else').advance();
    expect(story.eventsOf('TargetWithdrawn')).toMatchObject([
      {
        type: 'TargetWithdrawn',
        disposition: 'orphan',
        cause: 'unmatched',
        generation: before + 1,
      },
    ]);
    expect(story.advance()).toEqual([]);
  });

  test.each(['removed', 'revoked'])(
    'F02, FLT-07: a cluster that is %s leaves the denominator',
    (how) => {
      const story = createStory().cluster('a', 'staging').cluster('b', 'staging').push(1);
      story.advance();
      story.report(staging, 'a');
      if (how === 'removed') story.removeCluster('b');
      else story.cluster('b', 'staging', { status: 'revoked' });
      story.advance();
      expect(story.eventsOf('TargetWithdrawn')[0]).toMatchObject({
        cluster: 'b',
        disposition: 'orphan',
        cause: 'cluster-removed',
      });
      expect(story.eventsOf('RolloutSucceeded')[0]).toMatchObject({
        targetsSucceeded: 1,
        targetsTotal: 1,
      });
    },
  );

  test('a rollout whose last target left has failed, not succeeded', () => {
    const story = createStory().cluster('a', 'staging').push(1);
    story.advance();
    story.removeCluster('a').advance();
    expect(story.eventsOf('RolloutFailed')[0]?.failure.code).toBe('no_targets');
  });

  test('FLT-07: moved from staging to production it gets only what production admitted', () => {
    const story = settledStory().push(2).rollOut(staging);
    story.cluster('stg', 'production').advance();
    expect(story.target(staging, 'stg')).toBeUndefined();
    expect(story.target(production, 'stg')?.release).toBe(commit(1));
  });
});

describe('the definition changes', () => {
  const renamed = () =>
    definitionOf(
      stageOf('staging', { path: 'apps/other' }),
      stageOf('production', { after: [staging] }),
    );

  test('settled targets are assigned again when what they run changed, and only those', () => {
    const story = settledStory();
    story.execute({ type: 'define-pipeline', definition: renamed() });
    const events = story.advance();
    expect(events.filter(({ type }) => type === 'TargetAssigned')).toMatchObject([
      { stage: 'staging', path: 'apps/other', cause: 'definition-changed', generation: 3 },
    ]);
  });

  test('CFG-02: a running rollout keeps the definition that it started with', () => {
    const story = settledStory().push(2);
    story.advance();
    story.execute({ type: 'define-pipeline', definition: renamed() });
    expect(story.advance()).toEqual([]);
    expect(story.target(staging, 'stg')).toMatchObject({ revision: 1, path: 'apps/staging' });
    story.settle(staging);
    expect(story.target(staging, 'stg')).toMatchObject({ revision: 2, path: 'apps/other' });
  });

  test('the same definition again is no event, and another repository is refused', () => {
    const story = settledStory();
    expect(story.execute({ type: 'define-pipeline', definition: twoStages() })).toEqual([]);
    const definition = { ...twoStages(), repository: 'other' as never };
    expect(story.refusalOf({ type: 'define-pipeline', definition })).toBe('repository_changed');
  });

  test('a stage that is gone lets its targets go and ends its rollout', () => {
    const story = settledStory().push(2);
    story.advance();
    story.execute({ type: 'define-pipeline', definition: definitionOf(stageOf('production')) });
    const types = story.advance().map(({ type }) => type);
    expect(types.slice(0, 2)).toEqual(['RolloutAborted', 'TargetWithdrawn']);
    expect(story.eventsOf('TargetWithdrawn')[0]).toMatchObject({ cause: 'stage-removed' });
  });

  test('F02: a removed pipeline leaves its workloads, and comes back with newer generations', () => {
    const story = settledStory();
    story.execute({ type: 'remove-pipeline' });
    const events = story.advance();
    expect(events.map((event) => 'disposition' in event && event.disposition)).toEqual([
      'orphan',
      'orphan',
    ]);
    expect(story.advance()).toEqual([]);
    expect(story.refusalOf({ type: 'remove-pipeline' })).toBe('pipeline_already_removed');
    story.execute({ type: 'define-pipeline', definition: twoStages() });
    story.push(1).advance();
    expect(story.target(staging, 'stg')?.generation).toBe(5);
  });

  test('a path without a value for a cluster starts no rollout and says which label is missing', () => {
    const story = createStory(
      definitionOf(stageOf('staging', { path: 'apps/${cluster.labels.region}' })),
    );
    story.cluster('a', 'staging').push(1);
    expect(story.advance()).toEqual([]);
    story.cluster('a', 'staging', { labels: { environment: 'staging', region: 'eu' } }).advance();
    expect(story.target(staging, 'a')?.path).toBe('apps/eu');
  });
});
