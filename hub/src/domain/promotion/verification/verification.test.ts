import type { NewId, RunId } from '@fairlead/shared/ids';
import { describe, expect, it, test } from 'vitest';
import type { GatePolicy, VerificationRule } from '../../pipeline/definition.ts';
import type { PipelineCommand } from '../commands.ts';
import { explain, nextWakeAt } from '../explain.ts';
import type { ClusterSnapshot } from '../snapshot.ts';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  production,
  type Story,
  stageOf,
  staging,
  twoStages,
} from '../testing-story.ts';

const rule = (change: Partial<VerificationRule> = {}): VerificationRule => ({
  name: 'smoke',
  job: 'apps/verify/smoke.yaml',
  timeoutMs: 10 * minuteMs,
  in: [],
  clusters: 'one',
  ...change,
});
const gated = (change: Partial<VerificationRule> = {}) =>
  twoStages({ gates: { verifications: [rule(change)] } });
const able: Partial<ClusterSnapshot> = { features: ['verifications'] };

/** Staging runs c1 in two clusters, and everything of it is healthy. */
function storyWith(definition = gated(), change: Partial<ClusterSnapshot> = able): Story {
  const story = createStory(definition)
    .cluster('stg-b', 'staging', change)
    .cluster('stg-a', 'staging', change)
    .cluster('prd', 'production', able);
  return story.push(1).rollOut(staging);
}
const runs = (story: Story) => story.eventsOf('VerificationStarted');
const gateOf = (story: Story, stage = production) =>
  explain(story.state, stage, story.snapshot())?.gates.find(({ gate }) => gate === 'verification');

type Word = 'passed' | 'failed' | 'inconclusive';
function result(story: Story, outcome: Word, change: object = {}): Story {
  const run = runs(story).at(-1);
  if (!run) throw new Error('there is no run');
  const { runId, cluster } = run;
  const word = { runId, cluster, outcome, message: 'said so', receivedAt: story.now, ...change };
  story.surround({ verifications: [word] }).advance();
  return story;
}
const verify = (story: Story, change: Partial<PipelineCommand> = {}): PipelineCommand => ({
  type: 'verify',
  stage: production,
  by: { subject: 'ada', groups: [], emails: [], permissions: [] },
  snapshot: story.snapshot(),
  newIds: story.newIds(),
  ...(change as object),
});

describe('a verification', () => {
  it('starts when the release has succeeded before and is healthy there, in the first connected target', () => {
    const story = createStory(gated())
      .cluster('stg-b', 'staging', able)
      .cluster('stg-a', 'staging', able)
      .cluster('prd', 'production', able);
    story.push(1).advance();
    expect(runs(story)).toEqual([]);
    story.settle(staging);
    expect(runs(story)).toMatchObject([
      {
        stage: production,
        release: commit(1),
        name: 'smoke',
        inStage: staging,
        clusterName: 'stg-a',
        job: 'apps/verify/smoke.yaml',
        timeoutMs: 10 * minuteMs,
        at: story.now,
        deadlineAt: story.now + 12 * minuteMs,
      },
    ]);
    expect(story.advance()).toEqual([]);
    expect(nextWakeAt(story.state, story.snapshot())).toBe(story.now + 12 * minuteMs);
  });

  it('lets the release in when it has passed, and the admission carries the run', () => {
    const story = storyWith();
    expect(story.target(production, 'prd')).toBeUndefined();
    result(story, 'passed');
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
    const [admitted] = story.eventsOf('ReleaseAdmitted').slice(-1);
    const { runId } = runs(story)[0] as { runId: RunId };
    expect(admitted?.gates.find(({ gate }) => gate === 'verification')).toEqual({
      gate: 'verification',
      passed: true,
      detail: 'Verified with c1000000: smoke in stg-a.',
      evidence: { 'smoke@stg-a': `${runId} passed` },
    });
  });

  test.each<[Word, string]>([
    ['failed', 'smoke has failed with c1000000 in stg-a: said so.'],
    ['inconclusive', 'smoke was inconclusive with c1000000 in stg-a: said so.'],
  ])('that %s blocks, and says what clears it', (outcome, words) => {
    const story = result(storyWith(), outcome);
    expect(story.target(production, 'prd')).toBeUndefined();
    expect(gateOf(story)?.detail).toBe(
      `${words} A newer release clears it, or \`fairlead verify checkout/production --name smoke\` runs it again.`,
    );
    story.pass(60 * minuteMs);
    expect(story.advance()).toEqual([]);
    expect(runs(story)).toHaveLength(1);
    story.push(2).rollOut(staging);
    expect(runs(story)).toHaveLength(2);
  });

  it('GATE-10: without a result by its deadline it is inconclusive, which is no pass', () => {
    const story = storyWith().pass(12 * minuteMs - 1);
    expect(story.advance()).toEqual([]);
    story.pass(1).advance();
    expect(story.eventsOf('VerificationEnded')).toMatchObject([
      { outcome: 'inconclusive', message: 'stg-a gave no result within 12m' },
    ]);
    expect(story.target(production, 'prd')).toBeUndefined();
  });

  it('GATE-10: the agent that died with it is named', () => {
    const story = storyWith();
    story.cluster('stg-a', 'staging', { ...able, status: 'offline' });
    story.pass(12 * minuteMs).advance();
    expect(story.eventsOf('VerificationEnded')[0]?.message).toBe(
      'stg-a gave no result within 12m; the cluster is offline',
    );
  });

  test.each<[string, object]>([
    ['of another run', { runId: 'anotherrun' }],
    ['from another cluster', { cluster: 'stg-b' }],
    ['after the deadline', { receivedAt: 1_000_000 + 12 * minuteMs + 1 }],
  ])('GATE-10: a result %s changes nothing', (_, change) => {
    const story = result(storyWith(), 'passed', change);
    expect(story.eventsOf('VerificationEnded')).toEqual([]);
    story.pass(13 * minuteMs).advance();
    expect(story.eventsOf('VerificationEnded')).toMatchObject([{ outcome: 'inconclusive' }]);
    expect(story.target(production, 'prd')).toBeUndefined();
  });

  it('GATE-10: a result that comes twice ends its run once', () => {
    const story = result(storyWith(), 'failed');
    result(story, 'passed');
    expect(story.eventsOf('VerificationEnded')).toMatchObject([{ outcome: 'failed' }]);
    expect(story.target(production, 'prd')).toBeUndefined();
  });

  it('runs in every target where the rule asks for all, and waits for each', () => {
    const story = storyWith(gated({ clusters: 'all' }));
    const started = runs(story);
    expect(started.map(({ clusterName }) => clusterName)).toEqual(['stg-a', 'stg-b']);
    const word = (index: number, outcome: Word) => {
      const { runId, cluster } = started[index] as (typeof started)[0];
      return { runId, cluster, outcome, message: '', receivedAt: story.now };
    };
    story.surround({ verifications: [word(0, 'passed')] }).advance();
    expect(story.target(production, 'prd')).toBeUndefined();
    story.surround({ verifications: [word(1, 'passed')] }).advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  it('FLT-23: an agent that is too old blocks with a reason and fails nothing', () => {
    const story = storyWith(gated(), { features: [] });
    expect(runs(story)).toEqual([]);
    expect(gateOf(story)).toMatchObject({
      passed: false,
      detail:
        'smoke cannot start with c1000000: the agent of stg-a is too old for verifications: upgrade it; ' +
        'the agent of stg-b is too old for verifications: upgrade it.',
    });
    expect(story.outcome(production, commit(1))).toBeUndefined();
    // One upgraded agent is enough.
    story.cluster('stg-b', 'staging', able).advance();
    expect(runs(story).map(({ clusterName }) => clusterName)).toEqual(['stg-b']);
  });

  it('FLT-23: of an agent that has not been heard nothing is believed', () => {
    const story = storyWith(gated(), {});
    expect(gateOf(story)?.detail).toContain('the agent of stg-a has not said yet what it can do');
    expect(runs(story)).toEqual([]);
  });

  it('in the stage itself it looks before anything is assigned there', () => {
    const story = storyWith(gated({ in: [production] }));
    expect(runs(story)).toMatchObject([{ inStage: production, clusterName: 'prd' }]);
    result(story, 'passed');
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  it('behind a control stage it runs where the release really is', () => {
    const control = stageOf('control', { after: [staging] });
    const { clusters: _, ...withoutClusters } = control;
    const story = storyWith(
      definitionOf(
        stageOf('staging'),
        withoutClusters,
        stageOf('production', {
          after: ['control' as never],
          gates: { verifications: [rule()] },
        }),
      ),
    );
    expect(runs(story)).toMatchObject([{ inStage: staging, clusterName: 'stg-a' }]);
  });

  it('GATE-13: under a changed rule it is to be run anew, and an unchanged one stays passed', () => {
    const story = storyWith();
    story.execute({ type: 'define-pipeline', definition: gated({ job: 'other.yaml' }) });
    result(story, 'passed');
    expect(story.target(production, 'prd')).toBeUndefined();
    expect(runs(story).map(({ job }) => job)).toEqual(['apps/verify/smoke.yaml', 'other.yaml']);
    story.execute({
      type: 'define-pipeline',
      definition: { ...gated({ job: 'other.yaml' }), exclude: ['**/*.md'] },
    });
    result(story, 'passed');
    expect(runs(story)).toHaveLength(2);
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });
});

describe('another run', () => {
  it('is asked for by a person, and the newest counts', () => {
    const story = result(storyWith(), 'failed');
    story.execute(verify(story, { name: 'smoke' } as never));
    expect(runs(story)).toMatchObject([{}, { by: 'ada', clusterName: 'stg-a' }]);
    expect(runs(story)[1]?.runId).not.toBe(runs(story)[0]?.runId);
    expect(gateOf(story)?.detail).toMatch(
      /^smoke runs with c1000000 in stg-a for 0ms of at most 12m/,
    );
    result(story, 'passed');
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  it('is refused in words where there is nothing to run', () => {
    const story = storyWith();
    expect(story.refusalOf(verify(story))).toBe('verification_running');
    result(story, 'failed');
    expect(story.refusalOf(verify(story, { name: 'load' } as never))).toBe('no_verification');
    expect(story.refusalOf(verify(story, { stage: staging }))).toBe('no_verification');
    expect(story.refusalOf(verify(story, { release: commit(9) } as never))).toBe(
      'release_not_found',
    );
    story.cluster('stg-a', 'staging', { status: 'offline', ...able });
    story.cluster('stg-b', 'staging', { status: 'offline', ...able });
    story.advance();
    expect(story.refusalOf(verify(story))).toBe('release_not_eligible');
  });

  it('GATE-09: a success that is revoked stops what has not started, and is told for what has', () => {
    const last = 'global' as typeof production;
    const gates: Partial<GatePolicy> = { verifications: [rule()] };
    const story = storyWith(
      definitionOf(
        stageOf('staging'),
        stageOf('production', { after: [staging], gates }),
        stageOf('global', { after: [production], soakMs: 30 * minuteMs }),
      ),
    ).cluster('glb', 'global', able);
    result(story, 'passed').settle(production);
    expect(story.stage(production).current?.release).toBe(commit(1));

    story.execute(verify(story, { release: commit(1) } as never));
    story.pass(40 * minuteMs);
    expect(gateOf(story, last)?.detail).toBe('smoke of production runs again in stg-a.');
    result(story, 'failed', { receivedAt: story.now - 35 * minuteMs });
    expect(story.eventsOf('VerificationEnded')).toMatchObject([
      { outcome: 'passed' },
      { outcome: 'failed', revokes: true },
    ]);
    // Its soak is long over, and still nothing starts.
    expect(story.target(last, 'glb')).toBeUndefined();
    expect(gateOf(story, last)).toMatchObject({
      passed: false,
      detail:
        'smoke of production is failed in stg-a by its newest run: said so. Run it again, or let a newer release come.',
    });
    // What runs is left to people.
    expect(story.stage(production).current?.release).toBe(commit(1));

    story.execute(verify(story, { release: commit(1) } as never));
    result(story, 'passed');
    expect(story.target(last, 'glb')?.release).toBe(commit(1));
  });
});

test('GATE-09: a revoked success stops the batches that have not started', () => {
  const story = createStory(
    twoStages({
      gates: { verifications: [rule()] },
      rollout: {
        waves: [
          { kind: 'size', max: { count: 1 } },
          { kind: 'size', max: { percent: 100 } },
        ],
      },
    }),
  )
    .cluster('stg', 'staging', able)
    .cluster('prd-a', 'production', able)
    .cluster('prd-b', 'production', able);
  story.push(1).rollOut(staging);
  result(story, 'passed');
  expect(story.target(production, 'prd-a')?.release).toBe(commit(1));
  story.execute(verify(story, { release: commit(1) } as never));
  story.settle(production);
  expect(story.target(production, 'prd-b')).toBeUndefined();
  result(story, 'failed');
  expect(story.eventsOf('VerificationEnded').at(-1)?.revokes).toBe(true);
  expect(story.target(production, 'prd-b')).toBeUndefined();
  story.execute(verify(story, { release: commit(1) } as never));
  result(story, 'passed');
  expect(story.target(production, 'prd-b')?.release).toBe(commit(1));
});

test('GATE-13: a rule that changes while a rollout is on its way is asked of it before its next batch', () => {
  const waves = {
    waves: [
      { kind: 'size', max: { count: 1 } },
      { kind: 'size', max: { percent: 100 } },
    ],
  } as const;
  const definition = (job: string) =>
    twoStages({ gates: { verifications: [rule({ job })] }, rollout: waves });
  const story = createStory(definition('first.yaml'))
    .cluster('stg', 'staging', able)
    .cluster('prd-a', 'production', able)
    .cluster('prd-b', 'production', able);
  story.push(1).rollOut(staging);
  result(story, 'passed');
  story.execute({ type: 'define-pipeline', definition: definition('second.yaml') });
  story.settle(production);
  expect(runs(story).map(({ job }) => job)).toEqual(['first.yaml', 'second.yaml']);
  expect(story.target(production, 'prd-b')).toBeUndefined();
  result(story, 'passed');
  expect(story.target(production, 'prd-b')?.release).toBe(commit(1));
});

test('ids are given to one run only, and what they do not suffice for waits for the next look', () => {
  const names = ['a', 'b', 'c'];
  const verifications = names.map((name) => rule({ name }));
  const story = createStory(twoStages({ gates: { verifications } }))
    .cluster('stg', 'staging', able)
    .cluster('prd', 'production', able);
  story.push(1).advance();
  story.report(staging, 'stg');
  const newIds = ['onlyone00', 'another00'] as NewId[];
  story.execute({ type: 'advance', snapshot: story.snapshot(), newIds });
  expect(runs(story).map(({ runId, name }) => [runId, name])).toEqual([
    ['onlyone00', 'a'],
    ['another00', 'b'],
  ]);
  story.execute({ type: 'advance', snapshot: story.snapshot(), newIds });
  expect(runs(story)).toHaveLength(2);
  story.advance();
  expect(new Set(runs(story).map(({ runId }) => runId)).size).toBe(3);
});
