import { describe, expect, it } from 'vitest';
import type { Person } from '../hub/index.ts';
import type { GatePolicy, WindowRule } from '../pipeline/definition.ts';
import { explain } from './explain.ts';
import { nextWakeAt } from './index.ts';
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

const hourMs = 60 * minuteMs;
// The stories begin at 1970-01-01T00:16:40Z.
const rule = (change: Partial<WindowRule>): WindowRule => ({
  name: 'change window',
  effect: 'allow',
  schedule: { kind: 'cron', text: '0 2 * * *' },
  startsAt: '',
  durationMs: hourMs,
  timeZone: 'UTC',
  running: 'drain',
  ...change,
});
const ready = (windows: readonly WindowRule[], gates: Partial<GatePolicy> = {}): Story => {
  // What was settled before was settled without windows.
  const story = settledStory();
  story.execute({
    type: 'define-pipeline',
    definition: twoStages({ gates: { windows, ...gates } }),
  });
  return story.push(2).rollOut(staging);
};
const until = (story: Story, time: string): Story =>
  story.pass(Date.parse(`1970-01-01T${time}Z`) - story.now);
const gate = (story: Story) =>
  explain(story.state, production, story.snapshot(), commit(2))?.gates.find(
    (one) => one.gate === 'window',
  );
const runs = (story: Story) => story.target(production, 'prd')?.release;
const ada: Person = { subject: 'ada', groups: [], emails: [], permissions: ['override-freeze'] };

describe('admission', () => {
  it('WIN-06: nothing enters while no window is open, and the one that opens next is named', () => {
    const story = ready([rule({})]);
    expect(runs(story)).toBe(commit(1));
    const opensAt = Date.parse('1970-01-01T02:00Z');
    expect(gate(story)).toMatchObject({
      passed: false,
      clearsAt: opensAt,
      evidence: { window: 'change window', effect: 'allow' },
      detail: expect.stringContaining('change window is next, and it opens at 1970-01-01T02:00'),
    });
    expect(nextWakeAt(story.state, story.snapshot())).toBe(opensAt);
    until(story, '01:59:59').advance();
    expect(runs(story)).toBe(commit(1));
    until(story, '02:00').advance();
    expect(runs(story)).toBe(commit(2));
  });

  it('WIN-06: a denial wins over an open window, and is what is named', () => {
    const backup = rule({ name: 'backup', effect: 'deny', durationMs: 30 * minuteMs });
    const story = ready([rule({}), backup]);
    until(story, '02:10').advance();
    expect(runs(story)).toBe(commit(1));
    expect(gate(story)).toMatchObject({
      passed: false,
      clearsAt: Date.parse('1970-01-01T02:30Z'),
      detail: expect.stringMatching(/Window backup denies it, and it opens at 1970-01-01T02:30/),
    });
    until(story, '02:30').advance();
    expect(runs(story)).toBe(commit(2));
    const admitted = story.eventsOf('ReleaseAdmitted').at(-1);
    expect(admitted?.gates.find((one) => one.gate === 'window')).toMatchObject({
      passed: true,
      evidence: { window: 'change window', closesAt: Date.parse('1970-01-01T03:00Z') },
    });
  });

  it('WIN-06: a schedule that cannot be followed lets nothing in', () => {
    const story = ready([rule({ schedule: { kind: 'cron', text: 'whenever' } })]);
    until(story, '02:10').advance();
    expect(runs(story)).toBe(commit(1));
    expect(gate(story)?.detail).toMatch(/cannot be followed .*: change the pipeline/);
  });

  it('WIN-03: a person with the right may have a release enter outside of the windows', () => {
    const story = ready([rule({})]);
    const asked = { ...story.promote(production, commit(2)), by: ada, overrideReason: 'outage' };
    story.execute(asked as never);
    story.advance();
    expect(runs(story)).toBe(commit(2));
    const admitted = story.eventsOf('ReleaseAdmitted').at(-1);
    expect(admitted?.gates.find((one) => one.gate === 'window')).toMatchObject({
      passed: false,
      bypassed: { by: 'ada', reason: 'outage' },
    });
    expect(story.eventsOf('RolloutStarted').at(-1)?.override).toMatchObject({ by: 'ada' });
  });
});

describe('WIN-04: a window that closes while a rollout runs', () => {
  const runningAt = (story: Story, time: string) => {
    until(story, '02:10').advance();
    expect(story.stage(production).rollout?.release).toBe(commit(2));
    return until(story, time);
  };

  it('drain: the next batch does not start once it is closed', () => {
    const story = runningAt(ready([rule({ running: 'drain' })]), '03:00');
    expect(gate(story)).toMatchObject({ passed: false });
    story.settle(production);
    expect(story.outcome(production, commit(2))).toBe('succeeded');
  });

  it('finish: what runs goes on to its end, and nothing else enters', () => {
    const story = runningAt(ready([rule({ running: 'finish' })]), '03:00');
    expect(gate(story)).toMatchObject({ passed: true });
    story.push(3).rollOut(staging);
    expect(explain(story.state, production, story.snapshot(), commit(3))?.gates).toContainEqual(
      expect.objectContaining({ gate: 'window', passed: false }),
    );
  });

  it.each([
    ['drain', 0],
    ['finish', 1],
  ] as const)('%s: of two waves, %i start after the window has closed', (running, count) => {
    const waves = [1, 2].map(() => ({ kind: 'size', max: { count: 1 } }) as const);
    const story = createStory(
      twoStages({ gates: { windows: [rule({ running })] }, rollout: { waves } }),
    )
      .cluster('stg', 'staging')
      .cluster('prd', 'production')
      .cluster('prd-2', 'production');
    until(story, '02:50').push(1).rollOut(staging).advance();
    until(story, '03:01').settle(production);
    story.advance();
    expect(story.eventsOf('BatchStarted')).toHaveLength(count);
    story.pass(Date.parse('1970-01-02T02:00Z') - story.now).advance();
    expect(story.eventsOf('BatchStarted')).toHaveLength(1);
  });

  const fit = [rule({ running: 'must-fit' })];

  it('must-fit: does not start what would end later, by the progress deadline without better knowledge', () => {
    const story = ready(fit);
    // The story's own first rollout succeeded at once.
    expect(story.stage(production).history.at(-1)?.durationMs).toBe(0);
    until(story, '02:10').advance();
    story.pass(20 * minuteMs).settle(production);
    expect(story.stage(production).history.at(-1)?.durationMs).toBe(20 * minuteMs);
    story.push(3);
    until(story, '02:41').advance();
    story.settle(staging);
    expect(runs(story)).toBe(commit(2));
    const told = explain(story.state, production, story.snapshot(), commit(3))?.gates.find(
      (one) => one.gate === 'window',
    );
    expect(told).toMatchObject({
      passed: false,
      evidence: { expectedMs: 20 * minuteMs },
      clearsAt: Date.parse('1970-01-02T02:00Z'),
      detail: expect.stringMatching(
        /does not fit into the 19m.*20m, the longest of the last 2.*It fits at 1970-01-02T02:00/,
      ),
    });
    story.pass(Date.parse('1970-01-02T02:00Z') - story.now).advance();
    expect(runs(story)).toBe(commit(3));
  });

  it('must-fit: without a success before, the progress deadline is what it is expected to take', () => {
    const story = createStory(twoStages({ gates: { windows: fit } }))
      .cluster('stg', 'staging')
      .cluster('prd', 'production');
    until(story, '02:51').push(1).rollOut(staging);
    expect(runs(story)).toBeUndefined();
    expect(explain(story.state, production, story.snapshot())?.summary).toMatch(
      /does not fit into the 9m before it \(it takes 10m, the stage's progress deadline\)/,
    );
    story.pass(Date.parse('1970-01-02T02:00Z') - story.now).advance();
    expect(runs(story)).toBe(commit(1));
  });

  it('must-fit: what fits into no window says that no later time is in sight', () => {
    const story = ready([rule({ running: 'must-fit', durationMs: 5 * minuteMs })]);
    until(story, '02:00').advance();
    story.pass(10 * minuteMs).settle(production);
    story.push(3).rollOut(staging);
    story.pass(Date.parse('1970-01-02T02:00Z') - story.now).advance();
    expect(runs(story)).toBe(commit(2));
    const told = explain(story.state, production, story.snapshot(), commit(3))?.gates.find(
      (one) => one.gate === 'window',
    );
    expect(told?.detail).toMatch(/No later time that is long enough is in sight/);
  });
});
