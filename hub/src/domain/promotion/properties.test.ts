import type { NewId } from '@fairlead/shared/ids';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { PipelineCommand } from './commands.ts';
import { decidePipeline } from './decide.ts';
import type { PipelineEvent } from './events.ts';
import { evolvePipeline } from './evolve.ts';
import { explain, nextWakeAt } from './explain.ts';
import { get } from './persistent-map.ts';
import { livedOnce } from './properties/lived-once.ts';
import { initialPipelineState, stageState } from './state.ts';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  production,
  release,
  type Story,
  stageOf,
  staging,
} from './testing-story.ts';

// Hundreds of histories take seconds where another program has the processor.
vi.setConfig({ testTimeout: 60_000 });

const canary = 'canary' as typeof staging;
const stages = [staging, canary, production];
const clusterNames = ['a', 'b', 'c', 'd', 'e'];
const runsPerProperty = 300;

const stageArbitrary = fc.constantFrom(...stages);
const clusterArbitrary = fc.constantFrom(...clusterNames);
const commitArbitrary = fc.nat({ max: 8 }).map((number) => commit(number + 1));

/** Anything that can happen around a pipeline; what is not possible at the moment does nothing. */
type Action = { readonly name: string; readonly run: (story: Story) => void };

const tryTo = (story: Story, command: PipelineCommand): void => {
  if (story.refusalOf(command) === 'accepted') story.execute(command);
};

const actionArbitrary: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ name: 'push', run: push }) },
  {
    weight: 1,
    arbitrary: fc.nat({ max: 3 }).map((count) => ({
      name: `force-push drops ${count}`,
      run: (story: Story) => {
        const kept = onBranch(story).slice(0, -count);
        if (count > 0 && kept.length > 0) story.branch(...kept);
      },
    })),
  },
  {
    weight: 6,
    arbitrary: fc
      .record({
        stage: stageArbitrary,
        cluster: clusterArbitrary,
        phase: fc.constantFrom('settled', 'waiting', 'failed', 'prune-held'),
        health: fc.constantFrom('healthy', 'progressing', 'degraded', 'unknown'),
        stale: fc.boolean(),
      })
      .map(({ stage, cluster, phase, health, stale }) => ({
        name: `report ${stage} ${cluster} ${phase} ${health}${stale ? ' stale' : ''}`,
        run: (story: Story) => {
          const target = story.target(stage, cluster);
          if (!target) return;
          const { generation } = target;
          story.report(stage, cluster, {
            phase: phase as 'settled',
            health: health as 'healthy',
            generation: stale ? generation - 1 : generation,
          });
        },
      })),
  },
  {
    weight: 6,
    arbitrary: stageArbitrary.map((stage) => ({
      name: `settle ${stage}`,
      run: (story: Story) => void story.settle(stage),
    })),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        cluster: clusterArbitrary,
        environment: fc.constantFrom('staging', 'canary', 'production', 'none'),
        status: fc.constantFrom('connected', 'connected', 'offline', 'pending', 'revoked'),
      })
      .map(({ cluster, environment, status }) => ({
        name: `cluster ${cluster} is ${environment} ${status}`,
        run: (story: Story) =>
          void story.cluster(cluster, environment, { status: status as 'connected' }),
      })),
  },
  {
    weight: 1,
    arbitrary: clusterArbitrary.map((cluster) => ({
      name: `remove ${cluster}`,
      run: (story: Story) => void story.removeCluster(cluster),
    })),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(1, 4, 10).map((minutes) => ({
      name: `${minutes} minutes pass`,
      run: (story: Story) => void story.pass(minutes * minuteMs),
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(stageArbitrary, fc.option(commitArbitrary, { nil: undefined }), fc.boolean())
      .map(([stage, of, force]) => ({
        name: `promote ${of ?? ''} to ${stage}${force ? ' by force' : ''}`,
        run: (story: Story) => tryTo(story, story.promote(stage, of, force)),
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(stageArbitrary, fc.option(commitArbitrary, { nil: undefined }))
      .map(([stage, to]) => ({
        name: `roll ${stage} back ${to ?? ''}`,
        run: (story: Story) => tryTo(story, story.rollback(stage, to)),
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(stageArbitrary, fc.constantFrom('hold-stage', 'resume-stage', 'abort-rollout'))
      .map(([stage, type]) => ({
        name: `${type} ${stage}`,
        run: (story: Story) => tryTo(story, { type: type as 'hold-stage', stage, reason: 'test' }),
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(stageArbitrary, fc.constantFrom('pause-rollout', 'continue-rollout'))
      .map(([stage, type]) => ({
        name: `${type} ${stage}`,
        run: (story: Story) =>
          tryTo(story, { type: type as 'pause-rollout', stage, reason: 'test', at: story.now }),
      })),
  },
  {
    weight: 1,
    arbitrary: stageArbitrary.map((stage) => ({
      name: `abort-rollout ${stage} with a rollback`,
      run: (story: Story) => tryTo(story, abortion(story, stage)),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.boolean(), fc.boolean()).map(([manual, moved]) => ({
      name: `define${manual ? ' by hand' : ''}${moved ? ' at another path' : ''}`,
      run: (story: Story) =>
        tryTo(story, { type: 'define-pipeline', definition: definition(manual, moved) }),
    })),
  },
);

const abortion = (story: Story, stage: typeof staging): PipelineCommand => ({
  type: 'abort-rollout',
  stage,
  reason: 'test',
  rollback: { snapshot: story.snapshot(), newId: story.newIds()[0] as NewId },
});

const definition = (manual = false, moved = false) =>
  definitionOf(
    stageOf('staging', moved ? { path: 'apps/moved' } : {}),
    stageOf('canary', {
      after: [staging],
      rollout: {
        waves: [{ kind: 'size', max: { count: 1 } }],
        offline: 'skip-and-catch-up',
        lateJoin: 'append',
        onFailure: 'rollback',
      },
    }),
    stageOf('production', {
      after: [staging, canary],
      soakMs: 5 * minuteMs,
      holdAfterRollback: 'until-newer-release',
      rollout: {
        waves: [{ kind: 'size', max: { percent: 50 } }],
        maxConcurrent: { count: 1 },
        maxFailures: { count: 1 },
        minHealthyMs: minuteMs,
        offline: 'fail',
        onFailure: 'rollback-wave',
      },
      promote: manual ? 'manual' : 'automatic',
    }),
  );

const onBranch = (story: Story) => story.state.releases.filter(({ orphaned }) => !orphaned);

/** The next commit on the branch; after a force-push it stands where the dropped one stood. */
function push(story: Story): void {
  const branch = onBranch(story);
  const position = (branch.at(-1)?.position ?? 0) + 1;
  if (position > 30) return;
  const variant = story.state.releases.filter((one) => one.position === position).length;
  story.branch(...branch, release(position, String(variant % 10)));
}

const historyArbitrary = fc.array(actionArbitrary, { minLength: 5, maxLength: 60 });

function live(actions: readonly Action[], afterEach: (story: Story) => void = () => {}): Story {
  const story = createStory(definition());
  story.cluster('a', 'staging').cluster('b', 'canary').cluster('c', 'production').push(1);
  for (const action of actions) {
    action.run(story);
    story.advance();
    afterEach(story);
  }
  return story;
}

const property = (check: (actions: Action[]) => void): void =>
  fc.assert(fc.property(historyArbitrary, check), { numRuns: runsPerProperty });

/** Of what a history has left. */
const afterwards = livedOnce({
  histories: historyArbitrary,
  live: (actions) => live(actions),
  runs: runsPerProperty,
});

/** Walks the events with the outcomes that were on record before each. */
function replay(
  events: readonly PipelineEvent[],
  look: (event: PipelineEvent, before: ReturnType<typeof evolvePipeline>) => void,
): void {
  let state = initialPipelineState;
  for (const event of events) {
    look(event, state);
    state = evolvePipeline(state, event);
  }
}

test('promise 1, order: nothing reaches a stage before it succeeded in every stage before', () =>
  afterwards((story) => {
    const succeeded = new Set<string>();
    for (const event of story.events) {
      if (event.type === 'RolloutSucceeded') succeeded.add(`${event.stage}/${event.release}`);
      if (event.type !== 'RolloutStarted') continue;
      const { after } = definition().stages.find(({ name }) => name === event.stage) ?? {};
      for (const before of after ?? []) {
        expect(succeeded).toContain(`${before}/${event.release}`);
      }
    }
  }));

test('promise 2, gates: every rollout but a rollback was admitted with every gate passed, and every assignment belongs to one', () =>
  afterwards((story) => {
    const admitted = new Map<string, boolean>();
    const entered = new Set<string>();
    for (const event of story.events) {
      if (event.type === 'ReleaseAdmitted') {
        const { rolloutId, release: commitId, gates } = event;
        expect(gates).toHaveLength(5);
        admitted.set(
          `${rolloutId}/${commitId}`,
          gates.every(({ passed }) => passed),
        );
      }
      if (event.type === 'RolloutStarted') {
        entered.add(`${event.stage}/${event.release}`);
        if (event.kind === 'rollback' || event.kind === 'automatic-rollback') continue;
        expect(admitted.get(`${event.rolloutId}/${event.release}`)).toBe(true);
      }
      if (event.type === 'TargetAssigned') {
        expect(entered).toContain(`${event.stage}/${event.release}`);
      }
    }
  }));

test('promise 3, evidence: a target succeeds only by a report about what it was told, received later', () =>
  afterwards((story) => {
    const assigned = new Map<string, { generation: number; release: string; at: number }>();
    for (const event of story.events) {
      if (event.type === 'TargetAssigned') {
        assigned.set(`${event.stage}/${event.cluster}`, event);
      }
      if (event.type !== 'TargetSucceeded') continue;
      const target = assigned.get(`${event.stage}/${event.cluster}`);
      expect(event.evidence.generation).toBe(target?.generation);
      expect(event.evidence.commit).toBe(target?.release);
      expect(event.evidence.receivedAt).toBeGreaterThanOrEqual(target?.at ?? Infinity);
    }
  }));

test('promise 4, property 3, single writer: at most one rollout runs in a stage, and each ends once', () =>
  afterwards((story) => {
    const running = new Map<string, string>();
    for (const event of story.events) {
      if (event.type === 'RolloutStarted') {
        expect(running.get(event.stage)).toBeUndefined();
        running.set(event.stage, event.rolloutId);
      }
      if (['RolloutSucceeded', 'RolloutFailed', 'RolloutAborted'].includes(event.type)) {
        const ended = event as Extract<PipelineEvent, { type: 'RolloutAborted' }>;
        expect(running.get(ended.stage)).toBe(ended.rolloutId);
        running.delete(ended.stage);
      }
    }
  }));

test('property 10, coverage: a plan holds every target of its stage once, however many events it takes', () =>
  afterwards((story) => {
    const planned = new Map<string, string[]>();
    for (const event of story.events) {
      if (event.type === 'RolloutStarted') {
        const names = event.batches.flat().map(({ cluster }) => cluster);
        expect(new Set(names).size).toBe(names.length);
        planned.set(event.rolloutId, names);
      }
      if (event.type === 'TargetWithdrawn') {
        for (const [id, names] of planned) {
          planned.set(
            id,
            names.filter((name) => name !== event.cluster),
          );
        }
      }
      if (event.type === 'RolloutExtended') {
        const before = planned.get(event.rolloutId) ?? [];
        for (const { cluster } of event.targets) expect(before).not.toContain(cluster);
        planned.set(event.rolloutId, [...before, ...event.targets.map(({ cluster }) => cluster)]);
      }
      if (event.type === 'TargetAssigned' && event.cause === 'rollout') {
        expect(planned.get(event.rolloutId ?? '')).toContain(event.cluster);
      }
    }
  }));

test('a batch starts only when each target of the ones before has an outcome', () =>
  afterwards((story) => {
    replay(story.events, (event, before) => {
      if (event.type !== 'BatchStarted' || before.status !== 'active') return;
      const { rollout } = stageState(before, event.stage);
      for (const { cluster } of (rollout?.batches ?? []).slice(0, event.batch).flat()) {
        expect(rollout && get(rollout.outcomes, cluster)).toBeDefined();
      }
    });
  }));

test('property 9, no oscillation: a release is undone by itself at most once in a stage', () =>
  afterwards((story) => {
    const undone: string[] = [];
    const releaseOf = new Map<string, string>();
    for (const event of story.events) {
      if (event.type !== 'RolloutStarted') continue;
      releaseOf.set(event.rolloutId, event.release);
      if (event.kind !== 'automatic-rollback') continue;
      undone.push(`${event.stage}/${releaseOf.get(event.undoes ?? '')}`);
    }
    expect(new Set(undone).size).toBe(undone.length);
  }));

test('property 7, idempotence: a prefix that is replayed twice makes the same state', () =>
  afterwards((story) => {
    const { events } = story;
    const prefix = events.slice(0, Math.ceil(events.length / 2));
    const folded = () => prefix.reduce(evolvePipeline, initialPipelineState);
    expect(folded()).toEqual(folded());
  }));

test('promise 5, no going back: the generations of a target only grow, over withdrawals too', () =>
  afterwards((story) => {
    const newest = new Map<string, number>();
    for (const event of story.events) {
      if (event.type !== 'TargetAssigned' && event.type !== 'TargetWithdrawn') continue;
      const key = `${event.stage}/${event.cluster}`;
      expect(event.generation).toBeGreaterThan(newest.get(key) ?? 0);
      newest.set(key, event.generation);
    }
  }));

test('promise 6, absence is never deletion: no target is ever withdrawn with a deletion', () =>
  afterwards((story) => {
    for (const event of story.eventsOf('TargetWithdrawn')) {
      expect(event.disposition).toBe('orphan');
    }
  }));

test('advance is idempotent: a second one on the same snapshot decides nothing, at every point', () =>
  property((actions) => {
    live(actions, (story) => expect(story.advance()).toEqual([]));
  }));

test('explain and nextWakeAt answer at every point, and the wake is never in the past', () =>
  property((actions) => {
    live(actions, (story) => {
      for (const stage of stages) {
        expect(explain(story.state, stage, story.snapshot())?.summary).toMatch(/\S/);
      }
      const wakeAt = nextWakeAt(story.state, story.snapshot());
      expect(wakeAt ?? Infinity).toBeGreaterThan(story.now);
    });
  }));

test('no oscillation: without a person, a release is rolled out to a stage at most once', () =>
  property((actions) => {
    const people = ['promote', 'roll', 'resume', 'force-push'];
    const alone = actions.filter(({ name }) => !people.some((word) => name.startsWith(word)));
    const started = live(alone)
      .eventsOf('RolloutStarted')
      .filter(({ undoes }) => undoes === undefined)
      .map((event) => `${event.stage}/${event.release}`);
    expect(new Set(started).size).toBe(started.length);
  }));

test('convergence: once the faults end and people step back, every target runs the head', () =>
  property((actions) => {
    const story = live(actions);
    tryTo(story, { type: 'define-pipeline', definition: definition() });
    for (const name of ['d', 'e']) story.removeCluster(name);
    story.cluster('a', 'staging').cluster('b', 'canary').cluster('c', 'production');
    for (const stage of stages) {
      tryTo(story, { type: 'resume-stage', stage, reason: 'end' });
      tryTo(story, { type: 'continue-rollout', stage, reason: 'end', at: story.now });
    }
    push(story);
    story.advance();
    for (let round = 0; round < 12; round++) {
      for (const stage of stages) story.settle(stage);
      story.pass(5 * minuteMs).advance();
    }
    const head = onBranch(story).at(-1)?.commit;
    const [a, b, c] = [
      story.target(staging, 'a'),
      story.target(canary, 'b'),
      story.target(production, 'c'),
    ];
    expect([a?.release, b?.release, c?.release]).toEqual([head, head, head]);
    expect(story.advance()).toEqual([]);
  }));

test('promise 11: a crash between any two events and another look end in the same state', () =>
  afterwards((story) => {
    const cut = Math.floor(story.events.length / 2);
    const prefix = story.events.slice(0, cut).reduce(evolvePipeline, initialPipelineState);
    const whole = story.events.slice(cut).reduce(evolvePipeline, prefix);
    expect(whole).toEqual(story.anyState);
    const command: PipelineCommand = {
      type: 'advance',
      snapshot: story.snapshot(),
      newIds: story.newIds(),
    };
    expect(decidePipeline(whole, command)).toEqual({ ok: true, value: [] });
    replay(story.events, (event, before) => {
      if (event.type === 'TargetSucceeded') expect(before.status).toBe('active');
    });
  }));
