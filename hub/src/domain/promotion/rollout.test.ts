import type { ClusterId, ClusterName, NewId } from '@fairlead/shared/ids';
import { describe, expect, test } from 'vitest';
import type { RolloutPolicy, WaveRule } from '../pipeline/definition.ts';
import { agentFault } from './agent-version.ts';
import { decidePipeline } from './decide.ts';
import type { PipelineEvent } from './events.ts';
import { evolvePipeline } from './evolve.ts';
import { explain, nextWakeAt } from './explain.ts';
import { get, values } from './persistent-map.ts';
import { snapshotOf, type TargetReport } from './snapshot.ts';
import { initialPipelineState, type PipelineState, stageState } from './state.ts';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  production,
  type StageChange,
  type Story,
  stageOf,
  staging,
} from './testing-story.ts';

const one: WaveRule = { kind: 'size', max: { count: 1 } };

/** One stage with clusters a, b, c … that all run c1, and c2 on its way. */
function fleet(rollout: Partial<RolloutPolicy>, names = 'abcd', change: StageChange = {}): Story {
  const story = createStory(definitionOf(stageOf('staging', { rollout, ...change })));
  for (const name of names) story.cluster(name, 'staging');
  story.push(1).advance();
  for (let round = 0; round < names.length; round++) story.settle(staging, { healthySince: 0 });
  expect(story.stage(staging).current?.release).toBe(commit(1));
  story.push(2).advance();
  return story;
}

const runs = (story: Story, names = 'abcd') =>
  [...names].map((name) => story.target(staging, name)?.release.slice(1, 2) ?? '-').join('');
const outcomes = (story: Story, names = 'abcd') => {
  const { rollout, lastRollout } = story.stage(staging);
  const map = (rollout ?? lastRollout)?.outcomes;
  return [...names].map((name) => map && get(map, name as ClusterId)?.outcome);
};
const reportAll = (story: Story, names: string, change: Partial<TargetReport> = {}) => {
  for (const name of names) story.report(staging, name, change);
  return story.advance();
};
const blocker = (story: Story, cluster: string) =>
  explain(story.anyState, staging, story.snapshot())?.targets.find(
    (target) => target.cluster === cluster,
  )?.blocker;
const summary = (story: Story) => explain(story.anyState, staging, story.snapshot())?.summary;
const failed = { phase: 'failed', health: 'degraded', message: 'bad image' } as const;
const offline = { status: 'offline', lastSeenAt: 5_000 } as const;

describe('batches', () => {
  test('each wave starts when every target of the one before has succeeded', () => {
    const story = fleet({ waves: [one, { kind: 'size', max: { percent: 50 } }] });
    expect(runs(story)).toBe('2111');
    reportAll(story, 'a');
    expect(runs(story)).toBe('2221');
    reportAll(story, 'b');
    expect(runs(story)).toBe('2221');
    reportAll(story, 'c');
    expect(runs(story)).toBe('2222');
    reportAll(story, 'd');
    expect(story.eventsOf('RolloutSucceeded').at(-1)).toMatchObject({ targetsSucceeded: 4 });
    const { rolloutId } = story.eventsOf('RolloutStarted').at(-1) ?? {};
    const started = story.eventsOf('BatchStarted').filter((event) => event.rolloutId === rolloutId);
    expect(started.map(({ batch }) => batch)).toEqual([1, 2]);
  });

  test('what each target ran before is in the plan', () => {
    const story = fleet({});
    const [plan] = story.eventsOf('RolloutStarted').at(-1)?.batches ?? [];
    expect(plan?.map(({ previous }) => previous)).toEqual([1, 1, 1, 1].map((n) => commit(n)));
  });

  test("a batch's deadline counts from its start", () => {
    const story = fleet({ waves: [one] });
    story.pass(9 * minuteMs);
    reportAll(story, 'a');
    expect(story.stage(staging).rollout?.deadlineAt).toBe(story.now + 10 * minuteMs);
    expect(story.pass(10 * minuteMs - 1).advance()).toEqual([]);
    story.pass(1).advance();
    expect(story.eventsOf('RolloutFailed')[0]?.failure.code).toBe('progress_deadline_exceeded');
  });

  test('maxConcurrent limits the targets under way, and each has its own time', () => {
    const story = fleet({ maxConcurrent: { count: 2 } });
    expect(runs(story)).toBe('2211');
    expect(blocker(story, 'c')).toBe('c waits for one of the 2 targets under way (maxConcurrent).');
    story.pass(6 * minuteMs);
    reportAll(story, 'a');
    expect(runs(story)).toBe('2221');
    reportAll(story, 'b');
    // The batch began ten minutes ago, c and d only four.
    expect(story.pass(4 * minuteMs).advance()).toEqual([]);
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + 6 * minuteMs);
    story.pass(6 * minuteMs).advance();
    expect(outcomes(story)).toEqual(['succeeded', 'succeeded', 'failed', 'failed']);
  });

  test('a percentage of concurrency is rounded down and never nothing', () => {
    expect(runs(fleet({ maxConcurrent: { percent: 10 } }))).toBe('2111');
    expect(runs(fleet({ maxConcurrent: { percent: 74 } }))).toBe('2211');
  });

  test('a paused rollout assigns nothing more, and its deadline moves by as long as the pause was', () => {
    const story = fleet({ waves: [one] });
    const pause = { stage: staging, reason: 'look', at: story.now } as const;
    story.execute({ type: 'pause-rollout', ...pause });
    reportAll(story, 'a');
    expect(runs(story)).toBe('2111');
    expect(summary(story)).toContain('It is paused (look): `fairlead continue checkout/staging`');
    expect(story.pass(60 * minuteMs).advance()).toEqual([]);
    expect(nextWakeAt(story.anyState, story.snapshot())).toBeUndefined();
    story.execute({ type: 'continue-rollout', stage: staging, reason: 'ok', at: story.now });
    story.advance();
    expect(runs(story)).toBe('2222');
  });

  test('a pause in the middle of a batch gives every target its time back', () => {
    const story = fleet({});
    story.pass(4 * minuteMs);
    story.execute({ type: 'pause-rollout', stage: staging, reason: 'look', at: story.now });
    story.pass(30 * minuteMs).advance();
    story.execute({ type: 'continue-rollout', stage: staging, reason: 'ok', at: story.now });
    expect(story.pass(6 * minuteMs - 1).advance()).toEqual([]);
    story.pass(1).advance();
    expect(story.eventsOf('RolloutFailed')).toHaveLength(1);
  });

  test('a pause gives its time back to a target that was assigned late, too', () => {
    const story = fleet({ maxConcurrent: { count: 1 } }, 'ab');
    story.pass(6 * minuteMs);
    reportAll(story, 'a');
    story.pass(minuteMs);
    story.execute({ type: 'pause-rollout', stage: staging, reason: 'look', at: story.now });
    story.pass(30 * minuteMs).advance();
    story.execute({ type: 'continue-rollout', stage: staging, reason: 'ok', at: story.now });
    // Of its ten minutes one had passed before the pause.
    expect(story.pass(9 * minuteMs - 1).advance()).toEqual([]);
    story.pass(1).advance();
    expect(outcomes(story, 'ab')).toEqual(['succeeded', 'failed']);
  });

  test('explain says which wave a target waits for', () => {
    const story = fleet({ waves: [one, one] });
    expect(blocker(story, 'b')).toBe('b waits for wave 2 of 3.');
    expect(summary(story)).toContain('c2000000 is rolling out in wave 1 of 3: 0 of 4 targets');
  });

  test('FLT-10: a stage whose waves do not fit its clusters starts no rollout and says why', () => {
    const waves: WaveRule[] = [{ kind: 'labels', matchLabels: { environment: 'staging' } }, one];
    const story = createStory(
      definitionOf(stageOf('staging', { rollout: { waves: [...waves, ...waves] } })),
    );
    story.cluster('a', 'staging').push(1);
    expect(story.advance()).toEqual([]);
    expect(summary(story)).toContain('waves 1 and 3 both name a: change the waves or the labels');
  });

  test('a target that leaves before its wave is no target any more, and is owed nothing', () => {
    const story = createStory(definitionOf(stageOf('staging', { rollout: { waves: [one] } })));
    story.cluster('a', 'staging').cluster('b', 'staging').push(1);
    story.advance();
    story.cluster('b', 'elsewhere').advance();
    expect(story.stage(staging).withdrawn.size).toBe(0);
    reportAll(story, 'a');
    expect(story.eventsOf('RolloutSucceeded')[0]).toMatchObject({ targetsTotal: 1 });
  });

  test('a target that was told something newer meanwhile gets a generation above it', () => {
    const story = fleet({ waves: [one] });
    story.report(staging, 'b', { phase: 'prune-held', health: 'healthy' });
    story.execute({
      type: 'confirm-prune',
      stage: staging,
      cluster: 'b' as never,
      clusterName: 'b' as never,
      generation: 1,
      digest: 'digest',
      snapshot: story.snapshot(),
    });
    const { generation = 0 } = story.target(staging, 'b') ?? {};
    expect(generation).toBeGreaterThan(story.stage(staging).rollout?.generation ?? 0);
    reportAll(story, 'a');
    expect(story.target(staging, 'b')).toMatchObject({ release: commit(2) });
    expect(story.target(staging, 'b')?.generation).toBeGreaterThan(generation);
  });
});

describe('gates are asked again', () => {
  const stages = (change: StageChange = {}) =>
    definitionOf(
      stageOf('staging'),
      stageOf('production', { after: [staging], rollout: { waves: [one] }, ...change }),
    );
  const inFirstWave = () => {
    const story = createStory(stages()).cluster('stg', 'staging');
    story.cluster('p', 'production').cluster('q', 'production').push(1).rollOut(staging);
    return story;
  };

  test('GATE-13: a gate that came since the admission holds the next batch, and explain says so', () => {
    const story = inFirstWave();
    story.execute({ type: 'define-pipeline', definition: stages({ soakMs: 30 * minuteMs }) });
    story.report(production, 'p');
    story.advance();
    expect(story.target(production, 'q')).toBeUndefined();
    expect(explain(story.anyState, production, story.snapshot())?.summary).toContain(
      'The next wave waits: c1000000 was healthy in staging for 0ms of 30m',
    );
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + 30 * minuteMs);
    story.pass(30 * minuteMs).advance();
    expect(story.target(production, 'q')?.release).toBe(commit(1));
    const [batch] = story.eventsOf('BatchStarted');
    expect(batch).toMatchObject({ batch: 1, definitionRevision: 2 });
    expect(batch?.gates).toMatchObject([{ gate: 'soak', passed: true }]);
  });

  test('GATE-13: another revision that asks the same of a release asks nothing again', () => {
    const story = inFirstWave();
    story.execute({ type: 'define-pipeline', definition: stages({ path: 'apps/elsewhere' }) });
    story.report(production, 'p');
    story.advance();
    const asked = story.eventsOf('BatchStarted')[0]?.gates.map(({ gate }) => gate) ?? [];
    expect(asked.filter((gate) => gate !== 'window' && gate !== 'freeze')).toEqual([]);
    // The plan of the running rollout is the one of its own revision.
    expect(story.target(production, 'q')).toMatchObject({ path: 'apps/production', revision: 1 });
  });
});

describe('how long a target must be healthy', () => {
  const minHealthyMs = 2 * minuteMs;

  test('FLT-13: it succeeds when every report was healthy for so long, and not before', () => {
    const story = fleet({ minHealthyMs });
    const healthySince = story.now;
    expect(reportAll(story, 'abcd', { healthySince })).toEqual([]);
    expect(nextWakeAt(story.anyState, story.snapshot())).toBe(story.now + minHealthyMs);
    story.pass(30_000);
    expect(blocker(story, 'a')).toBe('a is healthy for 30s of 2m.');
    expect(story.pass(minHealthyMs - 30_001).advance()).toEqual([]);
    story.pass(1).advance();
    expect(story.eventsOf('RolloutSucceeded')).toHaveLength(2);
  });

  test('FLT-13: a break that lies between two looks starts the time over', () => {
    const story = fleet({ minHealthyMs });
    reportAll(story, 'abcd', { healthySince: story.now });
    story.pass(minHealthyMs);
    reportAll(story, 'a', { healthySince: story.now - 1_000, healthBreaks: 1 });
    expect(outcomes(story)).toEqual([undefined, 'succeeded', 'succeeded', 'succeeded']);
    story.pass(minHealthyMs - 1_000).advance();
    expect(story.eventsOf('RolloutSucceeded')).toHaveLength(2);
  });

  test('FLT-01, FLT-13: time in which nobody hears of the cluster proves nothing', () => {
    const story = fleet({ minHealthyMs }, 'ab');
    reportAll(story, 'ab', { healthySince: story.now });
    story.cluster('a', 'staging', { status: 'offline', lastSeenAt: story.now });
    story.pass(minHealthyMs).advance();
    expect(outcomes(story, 'ab')).toEqual([undefined, 'succeeded']);
  });

  test('FLT-13: after the success a flap is an alert, and the target stays succeeded', () => {
    const story = fleet({});
    reportAll(story, 'abcd');
    const before = story.events.length;
    reportAll(story, 'a', { health: 'degraded', message: 'crash' });
    expect(story.events.slice(before)).toMatchObject([
      {
        type: 'StageHealthChanged',
        health: 'unhealthy',
        message: 'a said settled, degraded: crash',
      },
    ]);
    expect(story.outcome(staging, commit(2))).toBe('succeeded');
  });

  test('FLT-13: a target that comes and goes writes no storm of decisions', () => {
    const story = fleet({});
    reportAll(story, 'abcd');
    const before = story.events.length;
    for (let flap = 1; flap <= 100; flap++) {
      reportAll(story.pass(1_000), 'a', { health: 'degraded', healthBreaks: flap });
      story.pass(1_000);
      reportAll(story, 'a', { healthySince: story.now, healthBreaks: flap });
    }
    expect(story.events.length - before).toBeLessThan(15);
    story.pass(minuteMs).advance();
    expect(story.stage(staging).stay?.health).toBe('healthy');
  });

  test('FLT-14, property 5: a healthy report of an older generation, or from before, is no evidence', () => {
    const story = fleet({}, 'ab');
    const { generation = 0, assignedAt = 0 } = story.target(staging, 'a') ?? {};
    reportAll(story, 'a', { generation: generation - 1 });
    reportAll(story, 'a', { commit: commit(1) });
    reportAll(story, 'a', { receivedAt: assignedAt - 1 });
    expect(outcomes(story, 'ab')).toEqual([undefined, undefined]);
    reportAll(story, 'a');
    expect(outcomes(story, 'ab')).toEqual(['succeeded', undefined]);
  });

  test('FLT-15: progressing for ever ends at the deadline as a failure', () => {
    const story = fleet({}, 'ab');
    reportAll(story, 'a');
    reportAll(story, 'b', { phase: 'waiting', health: 'progressing' });
    story.pass(10 * minuteMs).advance();
    expect(story.eventsOf('TargetFailed')).toMatchObject([{ cluster: 'b', cause: 'deadline' }]);
  });

  test.each([
    ['progressing', undefined],
    ['healthy', 'succeeded'],
    ['failed', 'failed'],
  ] as const)('FLT-15: what is suspended counts as %s by policy', (suspended, outcome) => {
    const story = fleet({ suspended }, 'ab');
    reportAll(story, 'a', { health: 'suspended' });
    expect(outcomes(story, 'ab')[0]).toBe(outcome);
  });
});

describe('failures', () => {
  test('FLT-08: more failures than are borne end the rollout, fewer do not', () => {
    const story = fleet({ maxFailures: { count: 1 }, waves: [one] });
    reportAll(story, 'a', failed);
    expect(runs(story)).toBe('2222');
    reportAll(story, 'b', failed);
    expect(story.eventsOf('RolloutFailed').at(-1)?.failure).toEqual({
      code: 'too_many_failures',
      message: '2 of 4 targets failed, and 1 may: a: bad image; b: bad image',
    });
  });

  test('FLT-09: a percentage of failures is rounded down', () => {
    const story = fleet({ maxFailures: { percent: 49 } });
    reportAll(story, 'a', failed);
    expect(story.stage(staging).rollout).toBeDefined();
    reportAll(story, 'b', failed);
    expect(story.stage(staging).lastRollout?.outcome).toBe('failed');
    const strict = fleet({ maxFailures: { percent: 24 } });
    reportAll(strict, 'a', failed);
    expect(strict.eventsOf('RolloutFailed').at(-1)?.failure.code).toBe('target_failed');
  });

  test('FLT-26: it succeeds without those that failed within the budget, and says so', () => {
    const story = fleet({ maxFailures: { count: 1 } });
    reportAll(story, 'a', failed);
    reportAll(story, 'bcd');
    expect(story.eventsOf('RolloutSucceeded').at(-1)).toMatchObject({
      targetsSucceeded: 3,
      targetsTotal: 4,
      without: [{ cluster: 'a', clusterName: 'a', why: 'failed' }],
    });
    // The stage is healthy with those that it succeeded with.
    expect(story.stage(staging).stay?.health).toBe('healthy');
  });

  test('nothing but failures within the budget is no success', () => {
    const story = fleet({ maxFailures: { count: 9 } }, 'ab');
    reportAll(story, 'ab', failed);
    expect(story.eventsOf('RolloutFailed').at(-1)?.failure.code).toBe('too_many_failures');
  });
});

describe('clusters that cannot be reached', () => {
  test('FLT-01 wait: at the deadline it is blocked with the names, and not failed', () => {
    const story = createStory(definitionOf(stageOf('staging')));
    story.cluster('a', 'staging').cluster('b', 'staging', offline).push(1);
    story.advance();
    story.report(staging, 'a');
    story.pass(20 * minuteMs).advance();
    expect(story.stage(staging).rollout).toBeDefined();
    expect(summary(story)).toContain('Blocked: offline b. It goes on when they return');
    expect(nextWakeAt(story.anyState, story.snapshot())).toBeUndefined();
    // It returns, and has the whole time from then on.
    story.cluster('b', 'staging', { statusSince: story.now }).advance();
    expect(story.pass(10 * minuteMs - 1).advance()).toEqual([]);
    story.report(staging, 'b');
    story.advance();
    expect(story.eventsOf('RolloutSucceeded')[0]).toMatchObject({ targetsSucceeded: 2 });
  });

  test('FLT-01 wait: the open targets that can be reached fail at the deadline all the same', () => {
    const story = fleet({ maxFailures: { count: 1 } }, 'ab');
    story
      .cluster('a', 'staging', offline)
      .pass(10 * minuteMs)
      .advance();
    expect(outcomes(story, 'ab')).toEqual([undefined, 'failed']);
  });

  test('FLT-01 skip-and-catch-up: what is offline at the start is assigned and skipped at once', () => {
    const story = createStory(
      definitionOf(stageOf('staging', { rollout: { offline: 'skip-and-catch-up' } })),
    );
    story.cluster('a', 'staging').cluster('b', 'staging', offline).push(1);
    story.advance();
    expect(outcomes(story, 'ab')).toEqual([undefined, 'skipped']);
    expect(blocker(story, 'b')).toContain('b was skipped (b is offline since');
    story.report(staging, 'a');
    story.advance();
    expect(story.eventsOf('RolloutSucceeded')[0]).toMatchObject({
      targetsSucceeded: 1,
      without: [{ cluster: 'b', why: 'skipped' }],
    });
    expect(story.target(staging, 'b')?.release).toBe(commit(1));
  });

  test('FLT-02 skip-and-catch-up: what goes offline in the middle is skipped at the deadline only', () => {
    const story = fleet({ offline: 'skip-and-catch-up' }, 'ab');
    reportAll(story, 'a');
    story.cluster('b', 'staging', { status: 'offline', lastSeenAt: story.now + 1 });
    expect(story.pass(10 * minuteMs - 1).advance()).toEqual([]);
    story.pass(1).advance();
    expect(outcomes(story, 'ab')).toEqual(['succeeded', 'skipped']);
  });

  test('FLT-01 skip-and-catch-up: when all are skipped it is no success', () => {
    const story = createStory(
      definitionOf(stageOf('staging', { rollout: { offline: 'skip-and-catch-up' } })),
    );
    story.cluster('a', 'staging', offline).cluster('b', 'staging', offline).push(1);
    story.advance();
    expect(story.eventsOf('RolloutFailed')[0]?.failure.code).toBe('all_targets_skipped');
    expect(story.outcome(staging, commit(1))).toBe('failed');
  });

  test('FLT-02 fail: it counts against the failures only at the deadline', () => {
    const story = fleet({ offline: 'fail' }, 'ab');
    reportAll(story, 'a');
    story.cluster('b', 'staging', { status: 'offline', lastSeenAt: story.now + 1 });
    expect(story.pass(10 * minuteMs - 1).advance()).toEqual([]);
    story.pass(1).advance();
    expect(story.eventsOf('TargetFailed')).toMatchObject([{ cluster: 'b', cause: 'offline' }]);
    expect(story.eventsOf('RolloutFailed')).toHaveLength(1);
  });

  test('FLT-03: after two releases it gets exactly the newest, and none that it never had counts as applied', () => {
    const story = fleet({ offline: 'skip-and-catch-up' }, 'ab');
    reportAll(story, 'ab');
    story.cluster('b', 'staging', { ...offline, lastSeenAt: story.now });
    for (const number of [3, 4]) {
      story.pass(minuteMs).push(number).advance();
      reportAll(story, 'a');
    }
    expect(story.target(staging, 'b')?.release).toBe(commit(4));
    story.cluster('b', 'staging').report(staging, 'b');
    story.advance();
    const applied = story.eventsOf('TargetSucceeded').filter(({ cluster }) => cluster === 'b');
    expect(applied.map(({ evidence }) => evidence.commit)).toEqual([commit(1), commit(2)]);
  });

  test('FLT-04: an assignment that never reached it is taken back when the rollout is aborted', () => {
    const story = fleet({}, 'ab');
    story.cluster('b', 'staging', { ...offline, lastSeenAt: story.now });
    story.report(staging, 'a', { phase: 'applying', health: 'progressing' });
    story.execute({ type: 'abort-rollout', stage: staging, reason: 'stop' });
    story.advance();
    expect(story.target(staging, 'a')).toMatchObject({ release: commit(2) });
    expect(story.target(staging, 'b')).toMatchObject({ release: commit(1), cause: 'not-reached' });
    expect(story.advance()).toEqual([]);
  });

  test('FLT-04: after a rollback it returns to what the stage settled on', () => {
    const story = fleet({ offline: 'skip-and-catch-up' }, 'ab');
    story.cluster('b', 'staging', { ...offline, lastSeenAt: 5_000 });
    reportAll(story, 'a');
    story.pass(10 * minuteMs).advance();
    story.execute(story.rollback(staging));
    reportAll(story, 'a');
    expect(story.target(staging, 'b')?.release).toBe(commit(1));
  });
});

describe('agents that are too old', () => {
  test('FLT-23: the rollout is blocked for it with the reason, never failed, and goes on once it is updated', () => {
    const story = createStory(definitionOf(stageOf('staging')));
    story.cluster('a', 'staging', { agentVersion: '0.1.0' });
    story.cluster('b', 'staging', { agentVersion: '0.0.9' }).push(1);
    story.advance();
    reportAll(story, 'a');
    expect(story.target(staging, 'b')).toBeUndefined();
    story.pass(60 * minuteMs).advance();
    expect(story.stage(staging).rollout).toBeDefined();
    const why = 'b has an agent of version 0.0.9, and this hub needs 0.1.0: update it.';
    expect(blocker(story, 'b')).toBe(why);
    expect(summary(story)).toContain(`Blocked: ${why}`);
    story.cluster('b', 'staging', { agentVersion: '0.2.0' }).advance();
    reportAll(story, 'b');
    expect(story.eventsOf('RolloutSucceeded')[0]).toMatchObject({ targetsSucceeded: 2 });
  });

  test.each([
    ['0.0.9', true],
    ['v0.0.10-rc.1', true],
    ['0.1.0', false],
    ['1.0.0', false],
    ['development', false],
    [undefined, false],
  ])('FLT-23: version %s is too old: %s', (agentVersion, old) => {
    const cluster = { name: 'a' as never, ...(agentVersion ? { agentVersion } : {}) };
    expect(agentFault(cluster) !== undefined).toBe(old);
  });
});

describe('clusters that join late', () => {
  test('FLT-05 current: it gets the last success, and the counts of the rollout stay', () => {
    const story = fleet({ waves: [one] });
    story.cluster('e', 'staging').advance();
    expect(runs(story, 'abcde')).toBe('21111');
    expect(story.stage(staging).rollout?.targets).toHaveLength(4);
  });

  test('FLT-05 append: it takes part in the last batch, once', () => {
    const story = fleet({ waves: [one], lateJoin: 'append' });
    story.cluster('e', 'staging').advance();
    expect(story.eventsOf('RolloutExtended')).toMatchObject([{ targets: [{ cluster: 'e' }] }]);
    expect(story.advance()).toEqual([]);
    reportAll(story, 'a');
    expect(runs(story, 'abcde')).toBe('22222');
    reportAll(story, 'bcde');
    expect(story.eventsOf('RolloutSucceeded').at(-1)).toMatchObject({ targetsTotal: 5 });
  });

  test('FLT-05 append: one that left and returned has to prove itself again', () => {
    const story = fleet({ lateJoin: 'append', minHealthyMs: 0 });
    reportAll(story, 'a');
    story.cluster('a', 'elsewhere').advance();
    story.cluster('a', 'staging').advance();
    expect(outcomes(story)[0]).toBeUndefined();
    reportAll(story, 'bcd');
    expect(story.stage(staging).rollout).toBeDefined();
    reportAll(story, 'a');
    expect(story.eventsOf('RolloutSucceeded').at(-1)).toMatchObject({ targetsSucceeded: 4 });
  });

  test('FLT-06: in a stage without a success it waits, and says what for', () => {
    const story = createStory(definitionOf(stageOf('staging')));
    story.cluster('a', 'staging').push(1).advance();
    story.cluster('late', 'staging');
    expect(story.advance()).toEqual([]);
    expect(blocker(story, 'late')).toBe("late awaits the stage's first release.");
  });
});

/** The state of a hub that was started again after exactly these events. */
const restarted = (events: readonly PipelineEvent[]): PipelineState =>
  events.reduce(evolvePipeline, initialPipelineState);

/** From these events on, agents do what they are told, c2 fails in b, and the hub looks until nothing more is decided. */
function driveToTheEnd(before: readonly PipelineEvent[], from: number): PipelineEvent[] {
  const events = [...before];
  const clusters = [...'abcd'].map((name) => ({
    id: name as ClusterId,
    name: name as ClusterName,
    labels: { environment: 'staging' },
    status: 'connected' as const,
  }));
  for (let round = 1, idle = 0; idle < 2 && round < 50; round++) {
    const at = from + round * minuteMs;
    const state = restarted(events);
    if (state.status !== 'active') throw new Error('the pipeline is not there');
    const reports = [...values(stageState(state, staging).targets)].map((target): TargetReport => {
      const isBad = target.release === commit(2) && target.cluster === 'b';
      return {
        stage: staging,
        cluster: target.cluster,
        agentEpoch: 'epoch',
        sequence: round,
        generation: target.generation,
        commit: target.release,
        phase: isBad ? 'failed' : 'settled',
        health: isBad ? 'degraded' : 'healthy',
        message: isBad ? 'bad image' : '',
        terminal: isBad,
        receivedAt: at,
        objectsTotal: 1,
        pruneHeldObjects: 0,
        pruneHeldDigest: '',
      };
    });
    const newIds = [1, 2, 3].map((number) => `after${round}x${number}` as NewId);
    const snapshot = snapshotOf({ at, clusters, reports });
    const decision = decidePipeline(state, { type: 'advance', snapshot, newIds });
    if (!decision.ok) throw new Error(decision.error.detail);
    idle = decision.value.length === 0 ? idle + 1 : 0;
    events.push(...decision.value);
  }
  return events;
}

describe('crashes', () => {
  test('FLT-21: started again after any event, a hub comes to the same end, and no generation is given twice', () => {
    const story = fleet({ waves: [one], maxConcurrent: { count: 1 }, onFailure: 'rollback' });
    const begun = story.events.findIndex(
      (event) => event.type === 'ReleasesDiscovered' && event.releases[0]?.position === 2,
    );
    const whole = driveToTheEnd(story.events, story.now);
    expect(whole.map(({ type }) => type)).toContain('RolloutFailed');
    for (let cut = begun + 1; cut <= whole.length; cut++) {
      const events = driveToTheEnd(whole.slice(0, cut), story.now + 60 * minuteMs);
      const state = restarted(events);
      if (state.status !== 'active') throw new Error('the pipeline is not there');
      const inStage = stageState(state, staging);
      expect([...values(inStage.targets)].map(({ release }) => release)).toEqual(
        [1, 1, 1, 1].map((number) => commit(number)),
      );
      expect(inStage.current?.release).toBe(commit(1));
      expect(inStage.lastRollout).toMatchObject({
        kind: 'automatic-rollback',
        outcome: 'succeeded',
      });
      expect(get(inStage.releases, commit(2))?.outcome).toBe('failed');
      const told = events.flatMap((event) =>
        event.type === 'TargetAssigned' ? [`${event.cluster}/${event.generation}`] : [],
      );
      expect(new Set(told).size).toBe(told.length);
    }
  });
});
