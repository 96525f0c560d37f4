import type { FreezeId } from '@fairlead/shared/ids';
import { describe, expect, it, test } from 'vitest';
import type { DeclaredFreeze } from '../freeze/index.ts';
import type { Person } from '../hub/index.ts';
import { explain } from './explain.ts';
import { fleetView } from './fleet-view.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { nextWakeAt } from './index.ts';
import { releaseOf } from './state.ts';
import {
  commit,
  createStory,
  freezeOf,
  minuteMs,
  production,
  type Story,
  settledStory,
  staging,
  twoStages,
} from './testing-story.ts';

const ada: Person = {
  subject: 'ada',
  groups: [],
  emails: [],
  permissions: ['rollback', 'override-freeze'],
};
const eve: Person = { ...ada, subject: 'eve', permissions: ['rollback'] };

const freeze = (story: Story, change: Partial<DeclaredFreeze> = {}): DeclaredFreeze => {
  const declared = freezeOf(story.now, change);
  story.surround({ freezes: [declared] });
  return declared;
};
const thaw = (story: Story) => story.surround({ freezes: [] });
const assignedSince = (story: Story, count: number) =>
  story.events.slice(count).filter(({ type }) => type === 'TargetAssigned');
const explained = (story: Story, stage = production) =>
  explain(story.state, stage, story.snapshot());
const gatesFor = (story: Story, number: number, stage = production) => {
  const { state } = story;
  const definition = state.definition.stages.find(({ name }) => name === stage);
  const release = releaseOf(state, commit(number));
  if (definition === undefined || release === undefined)
    throw new Error('no such stage or release');
  const fleet = fleetView(story.snapshot());
  const inStage = story.stage(stage);
  return evaluateGates({ state, stage: definition, inStage, release, at: fleet.at, fleet });
};

describe('admissions', () => {
  it('WIN-01: nothing is assigned from the moment of the freeze, and the release goes on when it ends', () => {
    const story = settledStory();
    freeze(story, { scope: { kind: 'stage', pipeline: 'checkout' as never, stage: production } });
    story.push(2).rollOut(staging).pass(minuteMs);
    freeze(story, { scope: { kind: 'pipeline', pipeline: 'checkout' as never } });
    story.push(3);
    const count = story.events.length;
    for (let looks = 0; looks < 5; looks++) story.pass(minuteMs).advance();
    expect(assignedSince(story, count)).toEqual([]);
    expect(explained(story)?.summary).toMatch(/^production is frozen, .*pipeline checkout.*by ada/);
    thaw(story).advance();
    expect(assignedSince(story, count)).toMatchObject([
      { stage: production, release: commit(2) },
      { stage: staging, release: commit(3) },
    ]);
  });

  it('WIN-01: a request that has passed all its other gates is not assigned either', () => {
    const story = settledStory();
    freeze(story, { scope: { kind: 'stage', pipeline: 'checkout' as never, stage: production } });
    story.push(2).rollOut(staging);
    story.execute(story.promote(production, commit(2)));
    const count = story.events.length;
    story.pass(minuteMs).advance();
    expect(assignedSince(story, count)).toEqual([]);
    const closed = gatesFor(story, 2).filter((gate) => !isOpen(gate));
    expect(closed.map(({ gate }) => gate)).toEqual(['freeze']);
    expect(closed[0]?.detail).toMatch(/stage checkout\/production is frozen .*unfreeze freeze-1/i);
  });

  it('WIN-06: a freeze of another project, pipeline or stage changes nothing', () => {
    for (const scope of [
      { kind: 'project', project: 'bank' },
      { kind: 'pipeline', pipeline: 'cart' },
      { kind: 'stage', pipeline: 'checkout', stage: 'production' },
    ]) {
      const story = settledStory();
      freeze(story, { scope: scope as never });
      story.push(2).advance();
      expect(story.target(staging, 'stg')?.release).toBe(commit(2));
    }
  });

  it('WIN-06: with several freezes all are named, and it clears when the last one ends', () => {
    const story = settledStory();
    const [first, second] = [story.now + minuteMs, story.now + 5 * minuteMs];
    story.surround({
      freezes: [
        freezeOf(story.now, { until: first }),
        freezeOf(story.now, { id: 'freeze-2' as FreezeId, until: second, reason: 'an audit' }),
      ],
    });
    story.push(2).advance();
    const gate = gatesFor(story, 2, staging).find((one) => one.gate === 'freeze');
    expect(gate).toMatchObject({ passed: false, clearsAt: second });
    expect(gate?.detail).toMatch(/last week.*freeze-1.*an audit.*freeze-2/);
    expect(gate?.evidence).toEqual({ freezes: 'freeze-1,freeze-2' });
    expect(nextWakeAt(story.state, story.snapshot())).toBe(second);
  });

  it('WIN-07: when it ends the newest release comes in, and what was superseded is never started', () => {
    const story = settledStory();
    freeze(story);
    const count = story.events.length;
    for (const number of [2, 3, 4]) {
      story.push(number);
      story.pass(minuteMs).advance();
    }
    thaw(story).rollOut(staging).rollOut(production);
    const started = story.events
      .slice(count)
      .flatMap((event) => (event.type === 'RolloutStarted' ? [[event.stage, event.release]] : []));
    expect(started).toEqual([
      [staging, commit(4)],
      [production, commit(4)],
    ]);
    expect(story.outcome(staging, commit(3))).toBe('superseded');
  });

  it('a late joiner is not assigned in a freeze, and told why', () => {
    const story = settledStory();
    freeze(story);
    story.cluster('prd-2', 'production').advance();
    expect(story.target(production, 'prd-2')).toBeUndefined();
    const target = explained(story)?.targets.find(({ clusterName }) => clusterName === 'prd-2');
    expect(target?.blocker).toMatch(/prd-2 waits for its assignment: the stage is frozen/);
    thaw(story).advance();
    expect(story.target(production, 'prd-2')?.release).toBe(commit(1));
  });

  it('a held prune is not confirmed in a freeze, and nothing is deleted by an order', () => {
    const story = settledStory();
    story.report(production, 'prd', { phase: 'prune-held' });
    const held = story.target(production, 'prd');
    freeze(story);
    expect(
      story.refusalOf({
        type: 'confirm-prune',
        stage: production,
        cluster: 'prd' as never,
        clusterName: 'prd' as never,
        generation: held?.generation ?? 0,
        digest: 'digest',
        snapshot: story.snapshot(),
      }),
    ).toBe('stage_frozen');
    story.cluster('prd', 'nowhere').advance();
    const order = { type: 'delete-objects', objects: 3, reason: '' } as const;
    expect(story.refusalOf({ ...order, snapshot: story.snapshot() })).toBe('stage_frozen');
    thaw(story);
    expect(story.refusalOf({ ...order, snapshot: story.snapshot() })).toBe('accepted');
  });
});

describe('a rollout that runs', () => {
  const running = (): Story => {
    const story = settledStory().cluster('prd-2', 'production').push(2).rollOut(staging);
    story.advance();
    return story;
  };

  it('WIN-02: with drain what was assigned settles, and the rollout succeeds', () => {
    const story = running();
    freeze(story);
    story.pass(minuteMs).settle(production);
    expect(story.outcome(production, commit(2))).toBe('succeeded');
    expect(explained(story)?.frozen).toMatchObject({ running: 'drain' });
  });

  it('WIN-02: the gates that are asked for each batch are closed, unless the rollout has an override', () => {
    const story = running();
    freeze(story);
    const closed = gatesFor(story, 2).filter((gate) => !isOpen(gate));
    expect(closed.map(({ gate }) => gate)).toContain('freeze');
  });

  it('WIN-02: the next wave never starts in a freeze, says so, and starts when it ends', () => {
    const waves = [
      { kind: 'labels', matchLabels: { canary: 'true' } },
      { kind: 'size', max: { percent: 100 } },
    ] as const;
    const story = createStory(twoStages({ rollout: { waves } }))
      .cluster('stg', 'staging')
      .cluster('canary', 'production', { labels: { environment: 'production', canary: 'true' } })
      .cluster('prd', 'production');
    story.push(1).rollOut(staging).advance();
    expect(story.target(production, 'canary')?.release).toBe(commit(1));
    freeze(story);
    story.pass(minuteMs).settle(production);
    for (let looks = 0; looks < 30; looks++) story.pass(minuteMs).advance();
    expect(story.eventsOf('BatchStarted')).toEqual([]);
    expect(story.eventsOf('RolloutFailed')).toEqual([]);
    expect(story.target(production, 'prd')).toBeUndefined();
    expect(explained(story)?.summary).toMatch(/The next wave waits: .*is frozen/);
    thaw(story).advance();
    expect(story.eventsOf('BatchStarted')).toMatchObject([{ batch: 1 }]);
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  it('WIN-02: with stop the rollout ends with the reason, and its targets keep what they were assigned', () => {
    const story = running();
    const before = story.target(production, 'prd');
    freeze(story, { running: 'stop', reason: 'payments are down' });
    story.pass(minuteMs).advance();
    expect(story.eventsOf('RolloutAborted')).toMatchObject([
      {
        release: commit(2),
        reason: expect.stringMatching(/stopped by a freeze: .*payments are down/),
      },
    ]);
    expect(story.target(production, 'prd')).toEqual(before);
    thaw(story);
    const count = story.events.length;
    story.pass(minuteMs).advance();
    expect(assignedSince(story, count)).toEqual([]);
  });

  it('WIN-02: a stop of one stage does not end the rollout of another', () => {
    const story = running();
    const scope = { kind: 'stage', pipeline: 'checkout', stage: staging } as never;
    freeze(story, { running: 'stop', scope });
    story.pass(minuteMs).advance();
    expect(story.stage(production).rollout?.release).toBe(commit(2));
  });
});

describe('rollback', () => {
  const behind = (): Story => {
    const story = settledStory().push(2).rollOut(staging).rollOut(production);
    freeze(story);
    return story;
  };

  it('WIN-03: a rollback in a freeze is refused, with an override it goes through and is on record', () => {
    const story = behind();
    const plain = story.rollback(production) as Extract<
      Parameters<Story['execute']>[0],
      { type: 'rollback' }
    >;
    expect(story.refusalOf(plain)).toBe('stage_frozen');
    expect(story.refusalOf({ ...plain, by: ada })).toBe('stage_frozen');
    expect(story.refusalOf({ ...plain, by: eve, overrideReason: 'outage' })).toBe(
      'permission_missing',
    );
    expect(story.refusalOf({ ...plain, overrideReason: 'outage' })).toBe('permission_missing');
    expect(story.refusalOf({ ...plain, by: ada, overrideReason: ' ' })).toBe('permission_missing');
    story.execute({ ...plain, by: ada, overrideReason: 'outage' });
    expect(story.eventsOf('RolloutStarted').at(-1)).toMatchObject({
      kind: 'rollback',
      override: { by: 'ada', reason: 'outage' },
    });
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  it('WIN-03: an override knows nothing of a freeze that was declared after it', () => {
    const story = behind();
    story.cluster('prd-2', 'production');
    const plain = story.rollback(production);
    story.execute({ ...plain, by: ada, overrideReason: 'outage' } as never);
    story.pass(minuteMs);
    freeze(story, { running: 'stop', reason: 'worse' });
    story.advance();
    expect(story.eventsOf('RolloutAborted').at(-1)?.reason).toMatch(/worse/);
  });

  it('WIN-03: a promotion with an override passes the freeze with the name of who let it by', () => {
    const story = settledStory();
    freeze(story, { scope: { kind: 'stage', pipeline: 'checkout' as never, stage: production } });
    story.push(2).rollOut(staging);
    const plain = story.promote(production, commit(2));
    expect(story.refusalOf({ ...plain, by: eve, overrideReason: 'fix' } as never)).toBe(
      'permission_missing',
    );
    story.execute({ ...plain, by: ada, overrideReason: 'fix' } as never);
    story.advance();
    const admitted = story.eventsOf('ReleaseAdmitted').at(-1);
    expect(admitted?.gates.find(({ gate }) => gate === 'freeze')).toMatchObject({
      passed: false,
      bypassed: { by: 'ada', reason: 'fix' },
      evidence: { freezes: 'freeze-1', overriddenBy: 'ada' },
    });
    expect(story.target(production, 'prd')?.release).toBe(commit(2));
    story.settle(production);
    expect(story.outcome(production, commit(2))).toBe('succeeded');
  });
});

test('a release with a pipeline of one stage waits and says so without an end in sight', () => {
  const story = createStory().cluster('stg', 'staging');
  freeze(story);
  story.push(1).advance();
  expect(story.eventsOf('ReleaseAdmitted')).toEqual([]);
  expect(explained(story, staging)?.gates.find(({ gate }) => gate === 'freeze')?.clearsAt).toBe(
    undefined,
  );
});
