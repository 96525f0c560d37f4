import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import type { SupersedePolicy } from '../pipeline/definition.ts';
import { evolvePipeline } from './evolve.ts';
import { explain, nextWakeAt } from './explain.ts';
import { get } from './persistent-map.ts';
import { initialPipelineState, stageState } from './state.ts';
import {
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
vi.setConfig({ testTimeout: 120_000 });

const canary = 'canary' as typeof staging;
const cleared = 'cleared' as typeof staging;
const real = [staging, canary, production];

const policyArbitrary: fc.Arbitrary<SupersedePolicy> = fc.record({
  mode: fc.constantFrom('latest', 'finish-current', 'latest-after'),
  soaks: fc.constantFrom(1, 2),
  interrupt: fc.boolean(),
});

/** staging → canary → (cleared) → production, production also straight from staging where one is enough. */
const definitionArbitrary = fc
  .record({
    policies: fc.array(policyArbitrary, { minLength: 4, maxLength: 4 }),
    any: fc.boolean(),
    soaks: fc.array(fc.constantFrom(0, 5, 20), { minLength: 3, maxLength: 3 }),
    retries: fc.constantFrom(0, 1),
    concernedBy: fc.boolean(),
    unhealthy: fc.constantFrom('reset', 'pause'),
  })
  .map(({ policies, any, soaks, retries, concernedBy, unhealthy }) => {
    const supersede = (index: number) => ({ supersede: policies[index] as SupersedePolicy });
    const gates = (index: number) => ({
      gates: { soakMs: (soaks[index] ?? 0) * minuteMs, soakUnhealthy: unhealthy as 'reset' },
    });
    const { clusters: _, ...control } = stageOf('cleared', {
      path: '',
      after: [canary],
      ...supersede(2),
      ...gates(1),
    });
    return definitionOf(
      stageOf('staging', {
        ...supersede(0),
        rollout: { retries: { limit: retries, backoffMs: minuteMs } },
      }),
      stageOf('canary', {
        after: [staging],
        ...supersede(1),
        ...gates(0),
        concernedBy: concernedBy ? ['apps/canary/**'] : [],
      }),
      control,
      stageOf('production', {
        after: any ? [staging, cleared] : [cleared],
        afterMode: any ? 'any' : 'all',
        ...supersede(3),
        ...gates(2),
      }),
    );
  });

type Action = { readonly name: string; readonly run: (story: Story) => void };
const action = (name: string, run: (story: Story) => void): Action => ({ name, run });

const pushed = (story: Story, change: { unconcerned?: boolean; reverts?: boolean }) => {
  const branch = story.state.releases.filter(({ orphaned }) => !orphaned);
  const last = branch.at(-1);
  const position = (last?.position ?? 0) + 1;
  const variant = story.state.releases.filter((one) => one.position === position).length;
  story.branch(...branch, {
    ...release(position, String(variant % 10)),
    ...(change.unconcerned
      ? { unconcerned: { revision: story.state.revision, stages: [canary] } }
      : {}),
    ...(change.reverts && last ? { reverts: last.commit } : {}),
  });
};

const clusterOf = { [staging]: 'stg', [canary]: 'can', [production]: 'prd' } as Record<
  string,
  string
>;
const stageArbitrary = fc.constantFrom(...real);

const actionArbitrary: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({ unconcerned: fc.boolean(), reverts: fc.nat({ max: 5 }).map((n) => n === 0) })
      .map((change) => action(`push ${JSON.stringify(change)}`, (story) => pushed(story, change))),
  },
  {
    weight: 8,
    arbitrary: stageArbitrary.map((stage) =>
      action(`settle ${stage}`, (story) => void story.settle(stage)),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({
        stage: stageArbitrary,
        change: fc.constantFrom(
          { phase: 'failed' },
          { health: 'degraded' },
          { health: 'unknown' },
          { health: 'progressing' },
        ),
      })
      .map(({ stage, change }) =>
        action(`${stage} ${JSON.stringify(change)}`, (story) => {
          const cluster = clusterOf[stage] as string;
          if (story.target(stage, cluster)) story.report(stage, cluster, change as object);
        }),
      ),
  },
  {
    weight: 5,
    arbitrary: fc
      .constantFrom(1, 3, 10)
      .map((minutes) => action(`${minutes}m`, (story) => void story.pass(minutes * minuteMs))),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      action('force-push', (story) => {
        const branch = story.state.releases.filter(({ orphaned }) => !orphaned);
        if (branch.length > 1) story.branch(...branch.slice(0, -1));
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: stageArbitrary.map((stage) =>
      action(`rollback ${stage}`, (story) => {
        const command = story.rollback(stage);
        if (story.refusalOf(command) === 'accepted') story.execute(command);
      }),
    ),
  },
);

function live(
  definition: ReturnType<typeof definitionOf>,
  actions: readonly Action[],
  afterEach: (story: Story) => void = () => {},
): Story {
  const story = createStory(definition);
  story.cluster('stg', 'staging').cluster('can', 'canary').cluster('prd', 'production').push(1);
  for (const { run } of actions) {
    run(story);
    story.advance();
    afterEach(story);
  }
  return story;
}

const property = (
  check: (definition: ReturnType<typeof definitionOf>, actions: Action[]) => void,
  numRuns = 120,
): void =>
  fc.assert(
    fc.property(
      definitionArbitrary,
      fc.array(actionArbitrary, { minLength: 5, maxLength: 70 }),
      check,
    ),
    { numRuns },
  );

it('property 2, order: through control stages, any, pins and passes, nothing enters before it may', () =>
  property((definition, actions) => {
    const { events } = live(definition, actions);
    const succeeded = new Set<string>();
    for (const event of events) {
      if (event.type === 'RolloutSucceeded' || event.type === 'StagePassed') {
        succeeded.add(`${event.stage}/${event.release}`);
      }
      if (event.type !== 'RolloutStarted' && event.type !== 'StagePassed') continue;
      if (event.type === 'RolloutStarted' && event.kind === 'rollback') continue;
      const stage = definition.stages.find(({ name }) => name === event.stage);
      const had = (stage?.after ?? []).map((name) => succeeded.has(`${name}/${event.release}`));
      expect(stage?.afterMode === 'any' ? had.some(Boolean) : had.every(Boolean)).toBe(true);
    }
  }));

it('property 2, soak: what enters a stage was healthy before it for as long as the stage asks', () =>
  property((definition, actions) => {
    const { events } = live(definition, actions);
    for (const event of events) {
      if (event.type !== 'ReleaseAdmitted' && event.type !== 'StagePassed') continue;
      const stage = definition.stages.find(({ name }) => name === event.stage);
      const soak = event.gates.find(({ gate }) => gate === 'soak');
      expect(soak?.passed).toBe(true);
      const soaked = Object.entries(soak?.evidence ?? {}).filter(([key]) =>
        key.endsWith('.soakedMs'),
      );
      for (const [, value] of soaked) {
        expect(value).toBeGreaterThanOrEqual(stage?.gates.soakMs ?? 0);
      }
    }
  }));

it('a second look on the same snapshot decides nothing, and the log alone gives the same state', () =>
  property((definition, actions) => {
    const story = live(definition, actions, (now) => expect(now.advance()).toEqual([]));
    expect(story.events.reduce(evolvePipeline, initialPipelineState)).toEqual(story.anyState);
  }));

it('whatever waits is explained, and time alone that could change it is known', () =>
  property((definition, actions) => {
    live(definition, actions, (story) => {
      const snapshot = story.snapshot();
      for (const { name } of definition.stages) {
        const told = explain(story.state, name, snapshot);
        expect(told?.summary).toMatch(/\S/);
        expect(told?.summary).not.toContain('admitted with the next look');
      }
      expect(nextWakeAt(story.state, snapshot) ?? Infinity).toBeGreaterThan(story.now);
    });
  }));

it('what waits is bounded: a stage never keeps more than the newest and one that has its place', () =>
  property((definition, actions) => {
    live(definition, actions, (story) => {
      for (const stage of definition.stages) {
        const { releases } = stageState(story.state, stage.name);
        const present = story.state.releases.filter(({ commit, orphaned, position }) => {
          const before = stage.after.map(
            (name) => get(stageState(story.state, name).releases, commit)?.outcome === 'succeeded',
          );
          const may = stage.afterMode === 'any' ? before.some(Boolean) : before.every(Boolean);
          const newestMark = story.state.releases.findLast(
            (other) => get(releases, other.commit) !== undefined,
          );
          return (
            may &&
            !orphaned &&
            get(releases, commit) === undefined &&
            position > (newestMark?.position ?? 0)
          );
        });
        expect(present.length).toBeLessThanOrEqual(2);
      }
    });
  }));

it('property 9: after a rollback nothing that was rolled back comes in by itself, and the rest at most once', () =>
  property((definition, actions) => {
    const plain = definition.stages.map((stage) => ({
      ...stage,
      rollout: { ...stage.rollout, retries: { limit: 0, backoffMs: minuteMs } },
    }));
    const entered = new Map<string, number>();
    const away = new Set<string>();
    let now: string | undefined;
    const alone = actions.filter(({ name }) => name !== 'force-push');
    for (const event of live(definitionOf(...plain), alone).events) {
      if (event.type !== 'RolloutStarted') continue;
      const key = `${event.stage}/${event.release}`;
      if (event.kind === 'rollback') {
        if (now !== undefined) away.add(`${event.stage}/${now}`);
        for (const known of entered.keys()) {
          if (known.startsWith(`${event.stage}/`)) entered.set(known, 0);
        }
        continue;
      }
      expect(away).not.toContain(key);
      entered.set(key, (entered.get(key) ?? 0) + 1);
      expect(entered.get(key)).toBe(1);
      now = event.stage === production ? event.release : now;
    }
  }));

it('property 8, progress: under finish-current and under the guard some release reaches production in bounded time', () =>
  fc.assert(
    fc.property(
      fc.record({
        guarded: fc.boolean(),
        soakMinutes: fc.integer({ min: 5, max: 45 }),
        settleMinutes: fc.integer({ min: 1, max: 4 }),
        gaps: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 40, maxLength: 60 }),
      }),
      ({ guarded, soakMinutes, settleMinutes, gaps }) => {
        const soakMs = soakMinutes * minuteMs;
        const mode = guarded ? 'latest-after' : 'finish-current';
        const supersede = { mode, soaks: guarded ? 1 : 0, interrupt: false } as const;
        const story = createStory(
          definitionOf(
            stageOf('staging'),
            stageOf('production', { after: [staging], soakMs, supersede }),
          ),
        );
        story.cluster('stg', 'staging').cluster('prd', 'production');
        const startedAt = story.now;
        const minute = () => {
          story.pass(minuteMs).advance();
          for (const stage of [staging, production]) {
            const { rollout } = story.stage(stage);
            const ripe = rollout && story.now - rollout.startedAt >= settleMinutes * minuteMs;
            if (ripe) story.settle(stage);
          }
        };
        for (const [index, gap] of gaps.entries()) {
          story.push(index + 1);
          for (let passed = 0; passed < gap; passed++) minute();
        }
        const arrivals = story
          .eventsOf('RolloutSucceeded')
          .filter(({ stage }) => stage === production)
          .map(({ at = 0 }) => at);
        // A pause without commits, the way through staging, the guard, the soak of what then waits, and the way into production.
        const boundMs =
          Math.max(...gaps) * minuteMs +
          (guarded ? soakMs : 0) +
          soakMs +
          (2 * (settleMinutes + 1) + settleMinutes + 2) * minuteMs;
        const times = [startedAt, ...arrivals, story.now];
        for (let index = 1; index < times.length; index++) {
          expect((times[index] ?? 0) - (times[index - 1] ?? 0)).toBeLessThanOrEqual(boundMs);
        }
      },
    ),
    { numRuns: 40 },
  ));
