import type { StageName } from '@fairlead/shared/ids';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { decidePipeline } from '../decide.ts';
import { evolvePipeline } from '../evolve.ts';
import { nextWakeAt } from '../explain.ts';
import { get, values } from '../persistent-map.ts';
import { isReportNews } from '../report-news.ts';
import type { Snapshot, TargetReport } from '../snapshot.ts';
import { type ActivePipeline, stageState, type TargetState } from '../state.ts';
import { historyArbitrary, live, type World } from './world.ts';

vi.setConfig({ testTimeout: 120_000 });

const said: readonly Pick<TargetReport, 'phase' | 'health' | 'terminal'>[] = [
  { phase: 'accepted', health: 'progressing', terminal: false },
  { phase: 'applying', health: 'progressing', terminal: false },
  { phase: 'waiting', health: 'progressing', terminal: false },
  { phase: 'waiting', health: 'degraded', terminal: false },
  { phase: 'settled', health: 'healthy', terminal: false },
  { phase: 'failed', health: 'progressing', terminal: true },
];

type Words = (typeof said)[number];
type Target = { readonly stage: StageName; readonly of: TargetState };

/** The story's snapshot with a newer report of the target. */
function snapshotWith({ story }: World, { stage, of }: Target, words: Words): Snapshot {
  const snapshot = story.snapshot();
  const report: TargetReport = {
    ...{ stage, cluster: of.cluster, generation: of.generation, commit: of.release },
    ...{ agentEpoch: 'epoch', sequence: 1_000_000, receivedAt: story.now, message: '' },
    ...{ objectsTotal: 3, pruneHeldObjects: 0, pruneHeldDigest: '', ...words },
    ...(words.health === 'healthy' ? { healthySince: story.now } : {}),
  };
  const others = snapshot.reports.filter(
    (one) => one.stage !== stage || one.cluster !== of.cluster,
  );
  return { ...snapshot, reports: [...others, report] };
}

const look = (world: World, state: ActivePipeline, snapshot: Snapshot) => {
  const newIds = world.story.newIds();
  const decided = decidePipeline(state, { type: 'advance', snapshot, newIds });
  return decided.ok ? decided.value : [];
};

test('a report that is no news decides nothing, now or by time alone', () => {
  const seen = { decidedByNews: 0, noNews: 0 };
  const check = (world: World, target: Target, before: Words | undefined, words: Words) => {
    const { story } = world;
    let state = story.state;
    let snapshot = story.snapshot();
    if (before !== undefined) {
      snapshot = snapshotWith(world, target, before);
      state = look(world, state, snapshot).reduce(evolvePipeline, state) as ActivePipeline;
      // What that decided may have given the target something else to do.
      const now = get(stageState(state, target.stage).targets, target.of.cluster);
      if (now?.generation !== target.of.generation) return;
    }
    const reportIn = ({ reports }: Snapshot) =>
      reports.find(({ stage, cluster }) => stage === target.stage && cluster === target.of.cluster);
    const next = snapshotWith(world, target, words);
    const events = look(world, state, next);
    if (isReportNews(reportIn(snapshot), reportIn(next) as TargetReport)) {
      if (events.length > 0) seen.decidedByNews++;
      return;
    }
    seen.noNews++;
    expect(events).toEqual([]);
    expect(nextWakeAt(state, next)).toBe(nextWakeAt(state, snapshot));
  };
  fc.assert(
    fc.property(historyArbitrary, (history) => {
      const world = live(history);
      for (const [stage, { targets }] of world.story.state.stages) {
        for (const of of values(targets)) {
          for (const before of [undefined, ...said]) {
            for (const words of said) check(world, { stage, of }, before, words);
          }
        }
      }
    }),
    { numRuns: 100 },
  );
  // The rule is worth something only where both kinds occur.
  expect(seen.noNews).toBeGreaterThan(100);
  expect(seen.decidedByNews).toBeGreaterThan(100);
});
