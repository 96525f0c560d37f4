import { describe, expect, it, test } from 'vitest';
import type { MetricRule } from '../../pipeline/definition.ts';
import { explain, nextWakeAt } from '../explain.ts';
import {
  commit,
  createStory,
  minuteMs,
  production,
  type Story,
  staging,
  twoStages,
} from '../testing-story.ts';
import { judgeSamples } from './judge.ts';

const rule = (change: Partial<MetricRule> = {}): MetricRule => ({
  name: 'error-rate',
  source: { kind: 'prometheus', url: 'http://prometheus:9090', query: 'q' },
  condition: { kind: 'fail-if', operator: '>', threshold: 0.01 },
  intervalMs: minuteMs,
  forMs: 5 * minuteMs,
  failureLimit: 0,
  noData: 'inconclusive',
  ...change,
});

/** `.` a sample without a number; texts are numbers. */
const samplesOf = (text: string) =>
  text
    .split(' ')
    .filter((word) => word !== '')
    .map((word, index) => ({
      runId: 'run' as never,
      at: index * minuteMs,
      ...(word === '.' ? { message: 'no data' } : { value: Number(word), message: '' }),
    }));
const judged = (of: MetricRule, text: string, waitedMs = 5 * minuteMs) =>
  judgeSamples(of, samplesOf(text), waitedMs).end?.outcome ?? 'goes on';

describe('what samples say', () => {
  // rule | samples | outcome
  test.each<[Partial<MetricRule>, string, string]>([
    [{}, '0 0 0 0', 'goes on'],
    [{}, '0 0 0 0 0', 'passed'],
    [{}, '0 0 0.02', 'failed'],
    [{}, '0 0.01 0.01 0 0', 'passed'],
    [{ failureLimit: 1 }, '0.5 0 0 0 0', 'passed'],
    [{ failureLimit: 1 }, '0.5 0 0.5', 'failed'],
    // GATE-12: no data, NaN, one sample.
    [{}, '', 'goes on'],
    [{}, '. . . . .', 'inconclusive'],
    [{}, '0 0 0 0 .', 'inconclusive'],
    [{ failureLimit: 1 }, '0 0 0 0 .', 'passed'],
    [{ failureLimit: 1 }, '0.5 0 0 0 .', 'inconclusive'],
    [{}, '0 0 0 0 NaN', 'inconclusive'],
    [{}, '0 0 0 0 Infinity', 'inconclusive'],
    [{ noData: 'pass' }, '. . . . .', 'passed'],
    [{ noData: 'fail' }, '.', 'failed'],
    [{ noData: 'fail', failureLimit: 1 }, '. 0 0 0 0', 'passed'],
    [{ forMs: 1 }, '0', 'passed'],
    [{ forMs: 0 }, '0', 'passed'],
    [{ forMs: 0 }, '', 'inconclusive'],
    [{ condition: { kind: 'pass-if', operator: '>=', threshold: 2 } }, '2 2 3 4 5', 'passed'],
    [{ condition: { kind: 'pass-if', operator: '>=', threshold: 2 } }, '2 1', 'failed'],
    [{ condition: { kind: 'pass-if', operator: '==', threshold: 1 } }, '1 1 1 1 1', 'passed'],
    [{ condition: { kind: 'fail-if', operator: '!=', threshold: 1 } }, '1 2', 'failed'],
    [{ condition: { kind: 'fail-if', operator: '<', threshold: 1 } }, '0', 'failed'],
    [{ condition: { kind: 'fail-if', operator: '<=', threshold: 1 } }, '1', 'failed'],
  ])('GATE-12: %j with %s: %s', (change, text, outcome) => {
    expect(judged(rule(change), text)).toBe(outcome);
  });

  it('GATE-12: one sample where several are wanted is inconclusive, once the time for more is over', () => {
    expect(judged(rule(), '0', 15 * minuteMs - 1)).toBe('goes on');
    expect(judged(rule(), '0', 15 * minuteMs)).toBe('inconclusive');
  });
});

const gated = (change: Partial<MetricRule> = {}) =>
  twoStages({ gates: { metrics: [rule(change)] } });
function storyWith(definition = gated()): Story {
  const story = createStory(definition).cluster('stg', 'staging').cluster('prd', 'production');
  return story.push(1).rollOut(staging);
}
const gateOf = (story: Story) =>
  explain(story.state, production, story.snapshot())?.gates.find(({ gate }) => gate === 'metric');
function sample(story: Story, ...values: (number | undefined)[]): Story {
  const runId = story.eventsOf('MetricAnalysisStarted').at(-1)?.runId as never;
  const samples = values.map((value, index) => ({
    runId,
    at: story.now + index,
    message: '',
    ...(value === undefined ? {} : { value }),
  }));
  story.surround({ samples }).advance();
  return story;
}

describe('the analysis of a metric', () => {
  it('starts when the stages before are healthy with the release, and lets it in on enough good samples', () => {
    const story = storyWith();
    expect(story.eventsOf('MetricAnalysisStarted')).toMatchObject([
      { stage: production, release: commit(1), name: 'error-rate', at: story.now },
    ]);
    sample(story, 0, 0);
    expect(gateOf(story)).toMatchObject({
      passed: false,
      detail: 'error-rate has 2 of 5 samples with c1000000, 0 bad.',
      clearsAt: story.now + 5 * minuteMs,
      evidence: { 'error-rate.samples': 2, 'error-rate.bad': 0 },
    });
    expect(nextWakeAt(story.state, story.snapshot())).toBe(story.now + 5 * minuteMs);
    sample(story, 0, 0, 0, 0, 0.001);
    expect(story.eventsOf('MetricAnalysisEnded')).toMatchObject([
      { outcome: 'passed', samplesTotal: 5, samplesBad: 0 },
    ]);
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  it('does not start while they are not healthy', () => {
    const story = createStory(gated()).cluster('stg', 'staging').cluster('prd', 'production');
    story.push(1).advance();
    expect(story.eventsOf('MetricAnalysisStarted')).toEqual([]);
    expect(gateOf(story)).toBeUndefined();
  });

  it('that fails blocks with its last bad value, until a person asks again or a newer release comes', () => {
    const story = sample(storyWith(), 0, 0.3);
    expect(gateOf(story)?.detail).toBe(
      'error-rate has failed with c1000000: 1 of 2 samples are bad, and 0 are borne; the last was 0.3. ' +
        'A newer release clears it, or `fairlead verify checkout/production --name error-rate` analyses it again.',
    );
    expect(story.advance()).toEqual([]);
    story.execute({
      type: 'verify',
      stage: production,
      by: { subject: 'ada', groups: [], emails: [], permissions: [] },
      snapshot: story.snapshot(),
      newIds: story.newIds(),
    });
    expect(story.eventsOf('MetricAnalysisStarted')).toHaveLength(2);
    // Samples of the analysis before are not of this one.
    story.advance();
    expect(gateOf(story)?.detail).toBe('error-rate has 0 of 5 samples with c1000000, 0 bad.');
    sample(story, 0, 0, 0, 0, 0);
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  it('is not given up for the time in which no hub was there to take samples', () => {
    const story = sample(storyWith(), 0);
    const watchedMs = story.now;
    story.pass(600 * minuteMs).surround({ watchedMs });
    expect(story.advance()).toEqual([]);
    story.surround({ watchedMs: watchedMs + 15 * minuteMs });
    expect(story.advance()).toMatchObject([
      { outcome: 'inconclusive', message: 'only 1 of 5 samples were taken in time' },
    ]);
  });

  it('of a release that a newer one has replaced is given up, and says nothing', () => {
    const story = storyWith().push(2).rollOut(staging);
    expect(story.eventsOf('MetricAnalysisEnded')).toMatchObject([
      {
        release: commit(1),
        outcome: 'inconclusive',
        abandoned: true,
        message: 'c1000000 does not wait for the stage any more',
      },
    ]);
    expect(story.eventsOf('MetricAnalysisStarted').at(-1)?.release).toBe(commit(2));
  });

  it('GATE-13: under a changed rule starts anew', () => {
    const story = sample(storyWith(), 0, 0, 0);
    story.execute({ type: 'define-pipeline', definition: gated({ failureLimit: 2 }) });
    story.advance();
    expect(story.eventsOf('MetricAnalysisEnded')).toMatchObject([
      { abandoned: true, message: 'the rule has changed', samplesTotal: 3 },
    ]);
    expect(story.eventsOf('MetricAnalysisStarted')).toHaveLength(2);
  });
});
