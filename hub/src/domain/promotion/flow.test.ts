import type { CommitId } from '@fairlead/shared/ids';
import { describe, expect, it } from 'vitest';
import type { Release } from './events.ts';
import { evolvePipeline } from './evolve.ts';
import { explain, nextWakeAt } from './explain.ts';
import { initialPipelineState } from './state.ts';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  production,
  release,
  type StageChange,
  type Story,
  settledStory,
  stageOf,
  staging,
  twoStages,
} from './testing-story.ts';

const canary = 'canary' as typeof staging;
const approval = 'cleared' as typeof staging;
const soak = 30 * minuteMs;

const summaryOf = (story: Story, stage = production, named?: CommitId): string =>
  explain(story.anyState, stage, story.snapshot(), named)?.summary ?? 'nothing';
const runs = (story: Story, stage: typeof staging, cluster: string) =>
  story.target(stage, cluster)?.release;
const placed = (story: Story) =>
  story.cluster('stg', 'staging').cluster('can', 'canary').cluster('prd', 'production');
const control = (name: string, change: StageChange = {}) => {
  const { clusters: _, ...stage } = stageOf(name, { path: '', ...change });
  return stage;
};
const waiting = (mode: 'latest' | 'finish-current' | 'latest-after', change: StageChange = {}) =>
  twoStages({
    soakMs: soak,
    supersede: { mode, soaks: mode === 'latest-after' ? 2 : 0, interrupt: false },
    ...change,
  });
/** Staging has c1 healthy, and production waits for it to soak. */
const soaking = (definition = waiting('finish-current')) =>
  placed(createStory(definition)).push(1).rollOut(staging);

describe('stages before', () => {
  const either = (change: StageChange = {}) =>
    definitionOf(
      stageOf('staging'),
      stageOf('canary'),
      stageOf('production', { after: [staging, canary], afterMode: 'any', ...change }),
    );

  it('any: one of the stages before is enough, for order, health and soak', () => {
    const story = placed(createStory(either({ soakMs: soak }))).push(1);
    story.advance();
    expect(summaryOf(story)).toContain('No release has succeeded in staging or canary yet');
    story.report(canary, 'can');
    story.advance();
    story.pass(soak - 1).advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    story.pass(1).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
    expect(story.outcome(staging, commit(1))).toBe('failed');
  });

  it('SOAK-06 any: soaked in one and healthy in the other is neither', () => {
    const story = placed(createStory(either({ soakMs: soak }))).push(1);
    story.rollOut(staging).pass(20 * minuteMs);
    story.settle(canary);
    story.pass(10 * minuteMs);
    story.report(staging, 'stg', { health: 'degraded' });
    story.advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    story.pass(20 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
  });

  it('SOAK-06 all: each of two stages before must have it soaked', () => {
    const both = definitionOf(
      stageOf('staging'),
      stageOf('canary'),
      stageOf('production', { after: [staging, canary], soakMs: soak }),
    );
    const story = placed(createStory(both)).push(1).rollOut(staging);
    story.pass(5 * minuteMs).settle(canary);
    story.pass(25 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    story.pass(5 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
  });

  it('SOAK-06: through a control stage, soak and health are those of the real stage behind it', () => {
    const story = placed(
      createStory(
        definitionOf(
          stageOf('staging'),
          control('cleared', { after: [staging] }),
          stageOf('production', { after: [approval], soakMs: soak }),
        ),
      ),
    )
      .push(1)
      .rollOut(staging);
    expect(story.eventsOf('StagePassed')).toMatchObject([
      { stage: approval, release: commit(1), reason: 'control' },
    ]);
    expect(summaryOf(story)).toContain('was healthy in staging for 0ms of 30m');
    story.pass(soak).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
    expect(story.advance()).toEqual([]);
  });

  it('a control stage passes a release by its gates alone, and tells what it waits for', () => {
    const story = placed(
      createStory(
        definitionOf(
          stageOf('staging'),
          control('cleared', { after: [staging], soakMs: soak, promote: 'manual' }),
          stageOf('production', { after: [approval] }),
        ),
      ),
    )
      .push(1)
      .rollOut(staging)
      .pass(soak);
    story.advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    expect(summaryOf(story, approval)).toBe(
      'c1000000 waits: cleared is promoted by hand: promote c1000000 to clear it.',
    );
    story.execute(story.promote(approval));
    story.advance();
    expect(summaryOf(story, approval)).toContain('c1000000, the newest release that may come here');
    expect(runs(story, production, 'prd')).toBe(commit(1));
    expect(story.refusalOf(story.promote(approval))).toBe('nothing_to_promote');
  });

  it('a stage that becomes a control stage after a failed rollout passes each release once', () => {
    const story = createStory(definitionOf(stageOf('staging')))
      .cluster('stg', 'staging')
      .push(1);
    story.advance();
    story.report(staging, 'stg', { phase: 'failed', health: 'degraded' });
    story.advance();
    expect(story.outcome(staging, commit(1))).toBe('failed');
    story.execute({ type: 'define-pipeline', definition: definitionOf(control('staging')) });
    story.advance();
    story.push(2).advance();
    expect(story.eventsOf('StagePassed')).toMatchObject([{ release: commit(2) }]);
    expect(story.advance()).toEqual([]);
  });

  const inserted = (backfill: boolean) =>
    definitionOf(
      stageOf('staging'),
      stageOf('canary', { after: [staging], backfill }),
      stageOf('production', { after: [canary] }),
    );

  it('CFG-02: a stage put in between must be passed by what comes, and what runs after it stays', () => {
    const story = settledStory().cluster('can', 'canary');
    story.execute({ type: 'define-pipeline', definition: inserted(false) });
    story.advance();
    expect(story.refusalOf(story.promote(production, commit(1), true))).toBe(
      'release_not_eligible',
    );
    expect(runs(story, canary, 'can')).toBe(commit(1));
    expect(runs(story, production, 'prd')).toBe(commit(1));
    expect(story.eventsOf('StagePassed')).toEqual([]);
  });

  it('CFG-02: with backfill, what succeeded after it counts as passed, once, and nothing newer does', () => {
    const story = settledStory();
    story.execute({ type: 'define-pipeline', definition: inserted(true) });
    story.push(2).rollOut(staging);
    expect(story.eventsOf('StagePassed')).toMatchObject([
      { stage: canary, release: commit(1), reason: 'backfill' },
    ]);
    expect(story.stage(canary).current).toBeUndefined();
    story.execute(story.promote(production, commit(1), true));
    story.advance();
    expect(story.eventsOf('RolloutStarted').at(-1)).toMatchObject({
      stage: production,
      release: commit(1),
    });
    story.settle(production);
    expect(runs(story, production, 'prd')).toBe(commit(1));
    story.cluster('can', 'canary').rollOut(canary);
    expect(runs(story, production, 'prd')).toBe(commit(2));
    expect(story.eventsOf('StagePassed')).toHaveLength(1);
  });
});

describe('releases that change nothing in a stage', () => {
  const concerning = (number: number, ...unconcerned: string[]): Release => ({
    ...release(number),
    unconcerned: { revision: 1, stages: unconcerned as never },
  });
  const definition = (change: StageChange = {}) =>
    definitionOf(
      stageOf('staging'),
      stageOf('production', {
        after: [staging],
        concernedBy: ['apps/production/**'],
        ...change,
      }),
    );
  const started = (change?: StageChange) => {
    const story = createStory(definition(change));
    placed(story).branch(release(1)).rollOut(staging).settle(production);
    return story;
  };
  const rolledOut = (story: Story) =>
    story
      .eventsOf('RolloutStarted')
      .filter(({ stage }) => stage === production)
      .map(({ release: of }) => of);

  it('SRC-09: it passes at once where what runs is healthy, and the targets keep their assignment', () => {
    const story = started();
    story.branch(release(1), concerning(2, 'production')).rollOut(staging);
    expect(story.eventsOf('StagePassed')).toMatchObject([
      { stage: production, release: commit(2), reason: 'unconcerned', sameAs: commit(1) },
    ]);
    expect(story.stage(production).current).toEqual({ release: commit(2), runs: commit(1) });
    expect(story.target(production, 'prd')).toMatchObject({ release: commit(1), generation: 2 });
    expect(summaryOf(story)).toContain('c2000000, the newest release that may come here');
    expect(story.advance()).toEqual([]);
  });

  it.each([
    ['unhealthy', { health: 'degraded', message: 'web crashes' }, 'it is unhealthy: prd said'],
    ['unknown', { health: 'unknown' }, 'it is unknown: prd said'],
  ] as const)(
    'SRC-09: while what runs is %s it waits, says so, and passes afterwards',
    (_, report, words) => {
      const story = started();
      story.report(production, 'prd', report);
      story.branch(release(1), concerning(2, 'production')).rollOut(staging);
      expect(story.eventsOf('StagePassed')).toEqual([]);
      expect(summaryOf(story)).toContain('c2000000 changes nothing in production and passes when');
      expect(summaryOf(story)).toContain(words);
      story.settle(production);
      expect(story.eventsOf('StagePassed')).toHaveLength(1);
      expect(rolledOut(story)).toEqual([commit(1)]);
    },
  );

  it('SRC-09: a change that waits in between is not looked past: it rolls out with the newer one', () => {
    const story = started();
    story.execute({ type: 'hold-stage', stage: production, reason: 'audit' });
    story.branch(release(1), concerning(2)).rollOut(staging);
    story.branch(release(1), concerning(2), concerning(3, 'production')).rollOut(staging);
    story.execute({ type: 'resume-stage', stage: production, reason: 'over' });
    story.advance();
    expect(rolledOut(story)).toEqual([commit(1), commit(3)]);
    expect(story.eventsOf('StagePassed')).toEqual([]);
  });

  it('SRC-09: nothing passes past a release that failed here', () => {
    const story = started();
    story.branch(release(1), concerning(2)).rollOut(staging);
    story.report(production, 'prd', { phase: 'failed', message: 'bad' });
    story.advance();
    story.branch(release(1), concerning(2), concerning(3, 'production')).rollOut(staging);
    expect(rolledOut(story)).toEqual([commit(1), commit(2), commit(3)]);
  });

  it('SRC-09: what was found out for other files counts no more', () => {
    const story = started();
    story.execute({
      type: 'define-pipeline',
      definition: definition({ concernedBy: ['apps/**'] }),
    });
    story.branch(release(1), concerning(2, 'production')).rollOut(staging);
    expect(rolledOut(story)).toEqual([commit(1), commit(2)]);
  });

  it('SRC-09: its gates count as for any other, and force assigns it', () => {
    const story = started({ promote: 'manual' });
    story.execute(story.promote(production));
    story.rollOut(production);
    story.branch(release(1), concerning(2, 'production')).rollOut(staging);
    expect(story.eventsOf('StagePassed')).toEqual([]);
    story.execute(story.promote(production, commit(2)));
    story.advance();
    expect(story.eventsOf('StagePassed')).toHaveLength(1);
    story.execute(story.promote(production, commit(2), true));
    story.rollOut(production);
    expect(runs(story, production, 'prd')).toBe(commit(2));
    expect(story.stage(production).current?.runs).toBeUndefined();
  });

  it('SRC-09: who joins late gets what the others run, and a rollback goes to other content', () => {
    const story = started();
    const second = [release(1), concerning(2)];
    story
      .branch(...second)
      .rollOut(staging)
      .settle(production);
    story.branch(...second, concerning(3, 'production')).rollOut(staging);
    story.cluster('late', 'production').advance();
    expect(runs(story, production, 'late')).toBe(commit(2));
    story.execute(story.rollback(production));
    story.settle(production);
    expect(runs(story, production, 'prd')).toBe(commit(1));
    expect(runs(story, production, 'late')).toBe(commit(1));
    story.execute({ type: 'resume-stage', stage: production, reason: 'again' });
    story.rollOut(production);
    expect(runs(story, production, 'prd')).toBe(commit(3));
  });

  it('SRC-09: the soak goes on under the new name, because the content is the same', () => {
    const both = definitionOf(
      stageOf('staging', { concernedBy: ['apps/staging/**'] }),
      stageOf('production', { after: [staging], soakMs: soak }),
    );
    const story = placed(createStory(both));
    story
      .branch(release(1))
      .rollOut(staging)
      .pass(20 * minuteMs);
    story.branch(release(1), concerning(2, 'staging')).advance();
    story.pass(10 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBe(commit(2));
  });
});

describe('soak', () => {
  const by = (gates: StageChange['gates']) =>
    placed(createStory(twoStages({ soakMs: soak, gates: { soakMs: soak, ...gates } })))
      .push(1)
      .rollOut(staging)
      .pass(20 * minuteMs);
  const interrupted = (story: Story, health: 'degraded' | 'unknown') => {
    story.report(staging, 'stg', { health });
    story.advance();
    story.pass(60 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    story
      .settle(staging)
      .pass(10 * minuteMs)
      .advance();
    return runs(story, production, 'prd') !== undefined;
  };

  it.each([
    ['degraded', { soakUnhealthy: 'reset' }, false],
    ['degraded', { soakUnhealthy: 'pause' }, true],
    ['unknown', { soakUnknown: 'pause' }, true],
    ['unknown', { soakUnknown: 'reset' }, false],
    ['degraded', { soakUnhealthy: 'pause', soakUnknown: 'reset' }, true],
    ['unknown', { soakUnhealthy: 'reset', soakUnknown: 'pause' }, true],
  ] as const)('SOAK-04: %s with %o goes on from where it was: %s', (health, gates, goesOn) => {
    const story = by(gates);
    expect(interrupted(story, health)).toBe(goesOn);
    story.pass(20 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
  });

  it('SOAK-04: the policy is of the stage that waits, also of two that wait for one stay', () => {
    const story = placed(
      createStory(
        definitionOf(
          stageOf('staging'),
          stageOf('canary', { after: [staging], gates: { soakMs: soak, soakUnhealthy: 'pause' } }),
          stageOf('production', { after: [staging], gates: { soakMs: soak } }),
        ),
      ),
    )
      .push(1)
      .rollOut(staging)
      .pass(20 * minuteMs);
    story.report(staging, 'stg', { health: 'degraded' });
    story.advance();
    story
      .settle(staging)
      .pass(10 * minuteMs)
      .advance();
    expect(runs(story, canary, 'can')).toBe(commit(1));
    expect(runs(story, production, 'prd')).toBeUndefined();
  });

  it('SOAK-03: the admission tells when the release entered and when all of it was healthy', () => {
    const story = placed(createStory(twoStages({ soakMs: soak }))).push(1);
    story.advance();
    const enteredAt = story.now;
    story.pass(5 * minuteMs).settle(staging);
    const healthyAt = story.now;
    story.pass(soak).advance();
    const gates = story.eventsOf('ReleaseAdmitted').at(-1)?.gates;
    expect(gates?.find(({ gate }) => gate === 'soak')?.evidence).toEqual({
      soakMs: soak,
      'staging.soakedMs': soak,
      'staging.enteredAt': enteredAt,
      'staging.healthyAt': healthyAt,
    });
  });

  it('SOAK-05: the longest stay counts, never the sum of two', () => {
    const story = soaking(waiting('latest')).pass(20 * minuteMs);
    story.push(2).rollOut(staging);
    story.execute(story.rollback(staging));
    story
      .settle(staging)
      .pass(20 * minuteMs)
      .advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    story.pass(10 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
  });

  it('SOAK-07: a longer or shorter soak counts from the next look, and the log tells of the change', () => {
    const story = soaking(twoStages({ soakMs: soak })).pass(20 * minuteMs);
    story.execute({ type: 'define-pipeline', definition: twoStages({ soakMs: 2 * soak }) });
    story.pass(20 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    story.execute({ type: 'define-pipeline', definition: twoStages({ soakMs: 40 * minuteMs }) });
    expect(story.eventsOf('PipelineDefined').map(({ revision }) => revision)).toEqual([1, 2, 3]);
    story.advance();
    expect(story.eventsOf('ReleaseAdmitted').at(-1)).toMatchObject({
      stage: production,
      definitionRevision: 3,
    });
  });

  it('SOAK-07: a shorter soak lets nothing by while the stage takes nothing', () => {
    const story = soaking(twoStages({ soakMs: soak })).pass(20 * minuteMs);
    story.execute({ type: 'hold-stage', stage: production, reason: 'frozen' });
    story.execute({ type: 'define-pipeline', definition: twoStages({ soakMs: 10 * minuteMs }) });
    story.advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    story.execute({ type: 'resume-stage', stage: production, reason: 'over' });
    story.advance();
    expect(story.eventsOf('ReleaseAdmitted').at(-1)?.at).toBe(story.now);
  });

  it('SOAK-08: time is watched time: an hour that the hub clock makes up adds nothing', () => {
    const story = placed(createStory(twoStages({ soakMs: soak })));
    story.surround({ watchedMs: 5_000_000 });
    story.push(1).rollOut(staging);
    story.pass(60 * minuteMs).surround({ watchedMs: 5_010_000 });
    story.advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    expect(summaryOf(story)).toContain('was healthy in staging for 10s of 30m');
    story.pass(-90 * minuteMs).surround({ watchedMs: 5_000_000 + soak });
    story.advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
  });

  it('SOAK-09, SRC-01: dates of commits change nothing of what is decided', () => {
    const told = (committedAt: (number: number) => number) => {
      const story = placed(createStory(twoStages({ soakMs: soak })));
      const branch: Release[] = [];
      for (const number of [1, 2, 3]) {
        branch.push({ ...release(number), committedAt: committedAt(number) });
        story
          .branch(...branch)
          .rollOut(staging)
          .pass(20 * minuteMs)
          .advance();
      }
      story.pass(soak).rollOut(production);
      return story.events.filter(({ type }) => type !== 'ReleasesDiscovered');
    };
    const backdated = told((number) => -number * 365 * 24 * 60 * minuteMs);
    expect(backdated).toEqual(told((number) => number * 1_000));
    expect(backdated).toEqual(told(() => 9_000_000_000_000));
  });
});

describe('what waits for a stage', () => {
  /** A release every five minutes for six hours; staging takes a minute to settle, production two. */
  const flood = (story: Story, count = 72) => {
    for (let number = 2; number <= count; number++) {
      story.push(number);
      for (let minute = 0; minute < 5; minute++) {
        story.advance();
        story.pass(minuteMs).settle(staging).settle(production);
      }
    }
    return story
      .eventsOf('RolloutSucceeded')
      .filter(({ stage }) => stage === production)
      .map(({ at = 0 }) => at);
  };

  it('SOAK-01 latest: the newer takes the place and the time starts over', () => {
    const story = soaking(waiting('latest'))
      .pass(20 * minuteMs)
      .push(2)
      .rollOut(staging);
    expect(runs(story, staging, 'stg')).toBe(commit(2));
    story.pass(20 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    expect(story.types()).not.toContain('ReleasePinned');
  });

  it('SOAK-01 finish-current: the newer waits before staging until the first has soaked', () => {
    const story = soaking()
      .pass(18 * minuteMs)
      .push(2)
      .rollOut(staging);
    expect(runs(story, staging, 'stg')).toBe(commit(1));
    expect(summaryOf(story, staging)).toBe(
      'c2000000 waits: production still needs c1000000 in staging for 12m.',
    );
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + 12 * minuteMs);
    story.pass(12 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
    expect(runs(story, staging, 'stg')).toBe(commit(2));
    expect(story.stage(production).pinned).toBeUndefined();
  });

  it('SOAK-01 latest-after: newer ones take the place until the guard, and then what waits stays', () => {
    const story = soaking(waiting('latest-after'));
    expect(story.stage(production).waiting).toMatchObject({ release: commit(1) });
    for (const number of [2, 3]) {
      story
        .pass(20 * minuteMs)
        .push(number)
        .rollOut(staging);
      expect(runs(story, staging, 'stg')).toBe(commit(number));
    }
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + 20 * minuteMs);
    story.pass(20 * minuteMs).advance();
    expect(story.stage(production).pinned).toBe(commit(3));
    story.push(4).advance();
    expect(runs(story, staging, 'stg')).toBe(commit(3));
    story.pass(10 * minuteMs).advance();
    expect(runs(story, production, 'prd')).toBe(commit(3));
  });

  it('a soak that is complete is kept: staging is free although production waits for a person', () => {
    const story = soaking(waiting('finish-current', { promote: 'manual' })).pass(soak);
    story.push(2).rollOut(staging);
    expect(runs(story, staging, 'stg')).toBe(commit(2));
    expect(story.stage(production).pinned).toBe(commit(1));
    expect(summaryOf(story, production, commit(2))).toContain(
      'c1000000 keeps its place in production (supersede: finish-current)',
    );
    story.execute(story.promote(production));
    story.advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
  });

  it.each([
    ['finish-current', true],
    ['latest-after', true],
    ['latest', false],
  ] as const)(
    'SOAK-02: releases faster than soak for hours, %s: production gets some: %s',
    (mode, some) => {
      const at = flood(soaking(waiting(mode)));
      expect(at.length > 0).toBe(some);
      const guard = mode === 'latest-after' ? 2 * soak : 0;
      const intervals = at.slice(1).map((time, index) => time - (at[index] ?? 0));
      // Rollouts of staging and of production, and one look of the loop for each.
      for (const interval of intervals)
        expect(interval).toBeLessThanOrEqual(guard + soak + 6 * minuteMs);
      if (some) expect(at.length).toBeGreaterThanOrEqual(mode === 'latest-after' ? 3 : 9);
    },
  );

  it('Q-05: besides the newest only one waits, and whatever is dropped is an event with the newer one', () => {
    const story = soaking(waiting('finish-current', { promote: 'manual' })).pass(soak);
    for (const number of [2, 3, 4, 5]) story.push(number).rollOut(staging);
    expect(
      story.eventsOf('ReleaseSuperseded').filter(({ stage }) => stage === production),
    ).toMatchObject([
      { release: commit(2), by: commit(3) },
      { release: commit(3), by: commit(4) },
      { release: commit(4), by: commit(5) },
    ]);
    expect(story.stage(production).pinned).toBe(commit(1));
  });

  it('Q-03: unhealthy where it soaks, it gives its place up and its fix comes at once', () => {
    const story = soaking()
      .pass(5 * minuteMs)
      .push(2);
    expect(story.stage(production).pinned).toBe(commit(1));
    story.report(staging, 'stg', { health: 'degraded', message: 'web crashes' });
    story.advance();
    expect(story.eventsOf('ReleaseUnpinned')).toMatchObject([
      { release: commit(1), reason: expect.stringContaining('staging is unhealthy with it: stg') },
    ]);
    expect(runs(story, staging, 'stg')).toBe(commit(2));
    story.settle(staging);
    expect(story.stage(production).pinned).toBe(commit(2));
  });

  it('Q-03: healthy again it gets its place again, if nothing newer came', () => {
    const story = soaking();
    story.report(staging, 'stg', { health: 'degraded' });
    story.advance();
    expect(story.stage(production).pinned).toBeUndefined();
    story.settle(staging);
    expect(story.stage(production).pinned).toBe(commit(1));
    expect(story.advance()).toEqual([]);
  });

  it('Q-03: what failed in production, or was dropped from the branch, keeps no place', () => {
    const story = soaking().pass(soak);
    story.advance();
    story.report(production, 'prd', { phase: 'failed', message: 'bad' });
    story.advance();
    expect(story.stage(production).pinned).toBeUndefined();
    story.push(2).rollOut(staging).pass(soak).rollOut(production);
    expect(runs(story, production, 'prd')).toBe(commit(2));

    const dropped = soaking();
    dropped.branch(release(2)).advance();
    expect(dropped.eventsOf('ReleaseUnpinned')).toMatchObject([
      { reason: 'the branch does not contain c1000000 any more' },
    ]);
    expect(runs(dropped, staging, 'stg')).toBe(commit(2));
  });

  it('FLT-07: a soak goes on with those who joined late when all that the rollout had have left the stage', () => {
    const story = soaking().cluster('late', 'staging');
    story.advance();
    story.report(staging, 'late');
    story.cluster('stg', 'elsewhere').push(2).advance();
    expect(story.target(staging, 'stg')).toBeUndefined();
    expect(story.stage(staging).stay).toMatchObject({ release: commit(1), health: 'healthy' });
    story.pass(soak).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
  });

  it('SOAK-02: a release whose request for approvals expired keeps no place, so that the next one is asked for', () => {
    const approvals = {
      required: 1,
      from: [],
      including: [],
      excludeAuthor: false,
      excludeRequester: false,
      expiresAfterMs: 10 * minuteMs,
      strict: false,
      recheckVoters: false,
    };
    const definition = waiting('finish-current', { soakMs: 0, gates: { approvals } });
    const story = placed(createStory(definition)).push(1).rollOut(staging);
    expect(story.stage(production).pinned).toBe(commit(1));
    story.push(2).rollOut(staging);
    expect(story.stage(production).pinned).toBe(commit(1));
    story.pass(10 * minuteMs).advance();
    expect(story.eventsOf('ReleaseUnpinned')).toMatchObject([
      { release: commit(1), reason: 'its request for approvals expired' },
    ]);
    expect(story.stage(production).pinned).toBe(commit(2));
    expect(story.eventsOf('ApprovalRequested').at(-1)).toMatchObject({ release: commit(2) });
    expect(story.advance()).toEqual([]);
  });

  it('SRC-05: a reverted release keeps no place and is not selected again, and its revert goes the normal way', () => {
    const story = placed(createStory(waiting('finish-current')));
    const first = release(1);
    const bad = release(2);
    story.branch(first).rollOut(staging).pass(soak).rollOut(production);
    story.branch(first, bad).rollOut(staging);
    expect(story.stage(production).pinned).toBe(commit(2));
    const undo = { ...release(3), reverts: commit(2) };
    story.branch(first, bad, undo).rollOut(staging);
    expect(story.eventsOf('ReleaseUnpinned')).toMatchObject([
      { release: commit(2), reason: 'c3000000 reverts it' },
    ]);
    story.pass(soak - 1).advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
    story.pass(1).advance();
    expect(runs(story, production, 'prd')).toBe(commit(3));
  });

  it('SRC-05: while its revert is on the way a reverted release waits for a person, and comes back when that is reverted', () => {
    const story = placed(createStory(twoStages({ soakMs: soak })));
    const branch: Release[] = [release(1), release(2)];
    story.branch(release(1)).rollOut(staging).pass(soak).rollOut(production);
    story.branch(...branch).rollOut(staging);
    story.execute({ type: 'hold-stage', stage: staging, reason: 'look' });
    branch.push({ ...release(3), reverts: commit(2) });
    story
      .branch(...branch)
      .pass(2 * soak)
      .advance();
    expect(runs(story, production, 'prd')).toBe(commit(1));
    expect(summaryOf(story)).toContain('It runs c1000000, the newest release');
    branch.push({ ...release(4), reverts: commit(3) });
    story.branch(...branch).advance();
    expect(runs(story, production, 'prd')).toBe(commit(2));
  });

  it('Q-01: with interrupt a newer release whose gates are open ends a running rollout, once', () => {
    const policy = { mode: 'latest', soaks: 0, interrupt: true } as const;
    const story = placed(createStory(definitionOf(stageOf('staging', { supersede: policy })))).push(
      1,
    );
    story.advance();
    story.push(2).advance();
    expect(story.types(staging).slice(-4)).toEqual([
      'RolloutAborted',
      'ReleaseAdmitted',
      'RolloutStarted',
      'TargetAssigned',
    ]);
    expect(story.eventsOf('RolloutAborted')[0]).toMatchObject({
      release: commit(1),
      reason: 'superseded by c2000000',
    });
    expect(story.advance()).toEqual([]);
    story.settle(staging);
    expect(story.stage(staging).current?.release).toBe(commit(2));
  });

  it('Q-01: a rollback, or what a person has paused, is never interrupted', () => {
    const policy = { mode: 'latest', soaks: 0, interrupt: true } as const;
    const story = placed(createStory(definitionOf(stageOf('staging', { supersede: policy }))));
    story.push(1).rollOut(staging).push(2).rollOut(staging);
    story.push(3).advance();
    story.execute({ type: 'pause-rollout', stage: staging, reason: 'look', at: story.now });
    story.push(4).advance();
    expect(story.stage(staging).rollout?.release).toBe(commit(3));
    story.execute(story.rollback(staging, commit(1)));
    story.execute({ type: 'resume-stage', stage: staging, reason: 'go on' });
    story.push(5).advance();
    expect(story.stage(staging).rollout).toMatchObject({ release: commit(1), kind: 'rollback' });
    story.settle(staging);
    expect(story.stage(staging).rollout?.release).toBe(commit(5));
  });

  it('Q-02: unknown is no success: the newer waits for the end of the rollout, which is its deadline', () => {
    const story = placed(createStory(waiting('finish-current'))).push(1);
    story.advance();
    story.report(staging, 'stg', { health: 'unknown' });
    story
      .push(2)
      .pass(10 * minuteMs - 1)
      .advance();
    expect(story.stage(staging).rollout?.release).toBe(commit(1));
    expect(summaryOf(story, staging)).toContain('c2000000 waits for it to end');
    story.pass(1).advance();
    expect(story.outcome(staging, commit(1))).toBe('failed');
    expect(story.stage(staging).rollout?.release).toBe(commit(2));
  });

  it('Q-02: nor does the newer overtake one that is unknown while it soaks', () => {
    const story = soaking();
    story.cluster('stg', 'staging', { status: 'offline' }).advance();
    story
      .push(2)
      .pass(2 * soak)
      .advance();
    expect(runs(story, production, 'prd')).toBeUndefined();
    expect(runs(story, staging, 'stg')).toBe(commit(1));
    expect(summaryOf(story, staging)).toContain('for 30m of healthy time, which stands still now');
  });

  it('a person may bring a hotfix in before its turn by force', () => {
    const story = soaking().push(2);
    story.execute(story.promote(staging, commit(2)));
    story.advance();
    expect(runs(story, staging, 'stg')).toBe(commit(1));
    story.execute(story.promote(staging, commit(2), true));
    story.advance();
    expect(runs(story, staging, 'stg')).toBe(commit(2));
    expect(story.eventsOf('ReleaseUnpinned')[0]?.reason).toContain(
      'staging does not run it any more',
    );
  });

  const retrying = (limit: number) => {
    const story = placed(
      createStory(
        definitionOf(stageOf('staging', { rollout: { retries: { limit, backoffMs: minuteMs } } })),
      ),
    ).push(1);
    const failOnce = () => {
      story.report(staging, 'stg', { phase: 'failed', message: 'no image' });
      story.advance();
    };
    story.advance();
    failOnce();
    return { story, failOnce };
  };

  it('Q-07: a failed release is tried again after a pause that doubles, and then no more', () => {
    const { story, failOnce } = retrying(2);
    expect(summaryOf(story, staging)).toContain('is tried again at');
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + minuteMs);
    expect(story.pass(minuteMs - 1).advance()).toEqual([]);
    story.pass(1).advance();
    failOnce();
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + 2 * minuteMs);
    story.pass(2 * minuteMs).advance();
    failOnce();
    expect(story.pass(24 * 60 * minuteMs).advance()).toEqual([]);
    expect(summaryOf(story, staging)).toContain('failed here 3 times (stg: no image)');
    expect(nextWakeAt(story.anyState, story.snapshot())).toBeUndefined();
    expect(story.eventsOf('RolloutStarted')).toHaveLength(3);
  });

  it('Q-05: a wish for another release does not mark what keeps its place as superseded', () => {
    const story = soaking(waiting('finish-current', { promote: 'manual' })).pass(soak);
    story.execute({ type: 'hold-stage', stage: production, reason: 'a sale' });
    const first = story.stage(production).pinned;
    if (first === undefined) throw new Error('nothing keeps its place');
    story.execute(story.promote(production, first));
    story.push(2).rollOut(staging);
    story.execute(story.promote(production, commit(2)));
    expect(story.stage(production).request?.release).toBe(commit(2));
    expect(story.outcome(production, first)).not.toBe('superseded');
  });

  it('CFG-02: what passed a stage without clusters comes to the clusters that it gets later by a rollout', () => {
    const { clusters: _, ...control } = stageOf('production', { after: [staging], path: '' });
    const story = placed(createStory(definitionOf(stageOf('staging'), control)));
    story.push(1).rollOut(staging);
    expect(story.eventsOf('StagePassed')).toHaveLength(1);
    story.execute({ type: 'define-pipeline', definition: twoStages() });
    story.advance();
    expect(story.stage(production).rollout?.release).toBe(commit(1));
    expect(story.target(production, 'prd')).toMatchObject({ release: commit(1), cause: 'rollout' });
  });

  it('Q-07: a retry that is due never takes a stage back from what is newer', () => {
    const retries = { limit: 1, backoffMs: minuteMs };
    const story = placed(createStory(twoStages({ rollout: { retries } })))
      .push(1)
      .rollOut(staging);
    story.report(production, 'prd', { phase: 'failed', message: 'no image' });
    story.advance();
    story.push(2).rollOut(staging).rollOut(production);
    story.execute(story.promote(staging, commit(2), true));
    story.pass(minuteMs).advance();
    expect(story.stage(staging).rollout?.kind).toBe('forced');
    expect(story.target(production, 'prd')?.release).toBe(commit(2));
    expect(story.stage(production).rollout).toBeUndefined();
  });

  it('Q-07: a newer release, or a person, does not wait for the retry', () => {
    const { story } = retrying(1);
    story.push(2).advance();
    expect(story.stage(staging).rollout?.release).toBe(commit(2));
    const { story: other } = retrying(1);
    other.execute(other.promote(staging, commit(1), true));
    other.advance();
    expect(other.stage(staging).rollout).toMatchObject({ release: commit(1), kind: 'forced' });
  });
});

describe('commits that are no release by themselves', () => {
  const withReleases = (releases: Partial<Story['state']['definition']['releases']>) => {
    const definition = definitionOf(stageOf('staging'));
    return placed(
      createStory({ ...definition, releases: { ...definition.releases, ...releases } }),
    );
  };
  const quiet = () => withReleases({ quietPeriodMs: 10 * minuteMs });
  const found = (story: Story, ...releases: (Release & { mixed?: string })[]) =>
    story.branch(...releases);
  const made = (story: Story) =>
    story
      .eventsOf('ReleasesDiscovered')
      .flatMap(({ releases }) => releases.map((one) => one.commit));

  it('SRC-10: within the quiet period several commits are one release, made once', () => {
    const story = found(quiet(), release(1));
    story.advance();
    expect(summaryOf(story, staging)).toContain('c1000000 becomes a release at');
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + 10 * minuteMs);
    story.pass(6 * minuteMs);
    found(story, release(1), release(2)).advance();
    story.pass(6 * minuteMs).advance();
    expect(made(story)).toEqual([]);
    story.pass(4 * minuteMs).advance();
    expect(made(story)).toEqual([commit(2)]);
    expect(runs(story, staging, 'stg')).toBe(commit(2));
    expect(story.advance()).toEqual([]);
  });

  it('SRC-10, SRC-13: a restart and a repeated discovery change nothing', () => {
    const story = found(quiet(), release(1), release(2));
    found(story, release(1), release(2));
    expect(story.eventsOf('ReleaseAwaited')).toHaveLength(1);
    const again = story.events.reduce(evolvePipeline, initialPipelineState);
    expect(again).toEqual(story.anyState);
    story.pass(10 * minuteMs).advance();
    found(story, release(1), release(2));
    story.pass(20 * minuteMs).advance();
    expect(made(story)).toEqual([commit(2)]);
  });

  it('SRC-10: what a force-push drops within the period is never a release', () => {
    const story = found(quiet(), release(1));
    story.pass(10 * minuteMs).advance();
    found(story, release(1), release(2));
    story
      .branch(release(1))
      .pass(20 * minuteMs)
      .advance();
    expect(made(story)).toEqual([commit(1)]);
  });

  it('SRC-10: what an interrupted commit changes counts for the release that holds it', () => {
    const story = quiet();
    const concerned = (number: number, ...stages: string[]): Release => ({
      ...release(number),
      unconcerned: { revision: 1, stages: stages as never },
    });
    found(story, concerned(1, 'staging', 'production'), concerned(2, 'production'));
    story.pass(minuteMs);
    found(story, concerned(1), concerned(2), concerned(3, 'staging', 'production'));
    story.pass(10 * minuteMs).advance();
    expect(story.eventsOf('ReleasesDiscovered')[0]?.releases).toMatchObject([
      { commit: commit(3), unconcerned: { stages: ['production'] } },
    ]);
  });

  it('SRC-10: values that must agree: half of a change is no release, and the whole is one', () => {
    const story = withReleases({ mustMatch: [{ paths: ['a', 'b'], pattern: '(.*)' }] });
    const half = { ...release(2), mixed: 'a says 2, b says 1' };
    found(story, release(1), half).advance();
    expect(made(story)).toEqual([commit(1)]);
    story.pass(60 * minuteMs).settle(staging);
    expect(summaryOf(story, staging)).toContain(
      'c2000000 is no release, because its values do not agree: a says 2, b says 1',
    );
    found(story, release(1), half, release(3)).advance();
    expect(made(story)).toEqual([commit(1), commit(3)]);
    expect(story.state.awaited).toBeUndefined();
  });
});

it('PR-03: the same tree by another commit, as a squash or rebase makes it, is a new release with its own way', () => {
  const tree = 'a'.repeat(40);
  const story = placed(createStory());
  story
    .branch({ ...release(1), tree })
    .rollOut(staging)
    .settle(production);
  story.branch({ ...release(1, '7'), tree }).advance();
  const squashed = commit(1, '7');
  expect(story.outcome(production, squashed)).toBeUndefined();
  expect(story.refusalOf(story.promote(production, squashed))).toBe('release_not_eligible');
  story.settle(staging);
  expect(runs(story, production, 'prd')).toBe(squashed);
});
