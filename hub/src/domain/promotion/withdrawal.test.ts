import type { ClusterId } from '@fairlead/shared/ids';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isStaleDeletion, withdrawnAssignment } from '../rollout/index.ts';
import type { PipelineCommand } from './commands.ts';
import { explain } from './explain.ts';
import { get } from './persistent-map.ts';
import { stageState } from './state.ts';
import {
  createStory,
  definitionOf,
  minuteMs,
  release,
  type Story,
  stageOf,
  staging,
} from './testing-story.ts';

const hourMs = 60 * minuteMs;
const names = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`);

/** A stage of so many clusters that all run c1. */
function stageWith(count: number): Story {
  const story = createStory(definitionOf(stageOf('staging')));
  for (const name of names(count)) story.cluster(name, 'staging');
  return story.push(1).rollOut(staging);
}

const relabel = (story: Story, clusters: readonly string[], environment: string) => {
  for (const name of clusters) story.cluster(name, environment);
};

const confirm = (story: Story, clusters: readonly string[]): PipelineCommand => ({
  type: 'confirm-withdrawal',
  stage: staging,
  clusters,
  reason: 'they move',
  at: story.now,
});

const deletion = (story: Story, objects: number, scope = {}): PipelineCommand => ({
  type: 'delete-objects',
  objects,
  reason: 'not needed any more',
  snapshot: story.snapshot(),
  ...scope,
});

const withdrawnOf = (story: Story, cluster: string) =>
  story.anyState.status === 'undefined'
    ? undefined
    : get(stageState(story.anyState, staging).withdrawn, cluster as ClusterId);

const targetsTotal = (story: Story) => story.stage(staging).targets.size;

describe('F10: targets that would leave at once', () => {
  test.each([
    [10, 1, false],
    [2, 1, false],
    [10, 3, false],
    [10, 4, true],
    [2, 2, true],
    [100, 30, false],
    [100, 31, true],
  ])('of %i clusters %i no longer match: held %s', (total, leaving, held) => {
    const story = stageWith(total);
    relabel(story, names(leaving), 'typo');
    story.advance();
    expect(story.eventsOf('WithdrawalHeld')).toHaveLength(held ? 1 : 0);
    expect(targetsTotal(story)).toBe(held ? total : total - leaving);
  });

  test('a held withdrawal is said once, is explained with its remedy, and its targets keep what they have', () => {
    const story = stageWith(4);
    relabel(story, names(2), 'typo');
    story.advance();
    expect(story.advance()).toEqual([]);
    const explained = explain(story.state, staging, story.snapshot());
    expect(explained?.summary).toContain('2 of 4 targets would leave at once');
    expect(explained?.summary).toContain('fairlead confirm-withdrawal checkout/staging');
    expect(explained?.targets.find(({ cluster }) => cluster === 'c0')?.blocker).toContain(
      'waits for a confirmation',
    );
    story.push(2).advance();
    expect(story.target(staging, 'c0')?.release).toBe(release(1).commit);
    expect(story.target(staging, 'c3')?.release).toBe(release(2).commit);
  });

  test('a confirmation lets exactly the named ones go, and leaves their objects in place', () => {
    const story = stageWith(4);
    relabel(story, names(2), 'typo');
    story.advance();
    expect(story.refusalOf(confirm(story, ['c0']))).toBe('withdrawal_has_changed');
    expect(story.refusalOf(confirm(story, ['c0', 'c1', 'c2']))).toBe('withdrawal_has_changed');
    story.execute(confirm(story, ['c1', 'c0']));
    expect(story.eventsOf('TargetWithdrawn')).toMatchObject([
      { cluster: 'c0', disposition: 'orphan', cause: 'unmatched', reason: 'they move' },
      { cluster: 'c1', disposition: 'orphan', cause: 'unmatched' },
    ]);
    expect(story.advance()).toEqual([]);
    expect(targetsTotal(story)).toBe(2);
    expect(story.refusalOf(confirm(story, ['c0']))).toBe('no_withdrawal_to_confirm');
  });

  test('a set that has grown is held again under its new names', () => {
    const story = stageWith(6);
    relabel(story, names(2), 'typo');
    story.advance();
    relabel(story, names(3), 'typo');
    story.advance();
    expect(story.refusalOf(confirm(story, ['c0', 'c1']))).toBe('withdrawal_has_changed');
    expect(story.stage(staging).heldWithdrawal?.targets).toHaveLength(3);
  });

  test('a corrected label ends it, and nothing has happened', () => {
    const story = stageWith(4);
    relabel(story, names(3), 'typo');
    story.advance();
    relabel(story, names(3), 'staging');
    expect(story.advance()).toEqual([{ type: 'WithdrawalReleased', stage: staging }]);
    expect(story.stage(staging).heldWithdrawal).toBeUndefined();
    expect(story.eventsOf('TargetWithdrawn')).toEqual([]);
  });

  test('a changed selector and a renamed stage count as well', () => {
    const selector = stageWith(4);
    const typo = stageOf('staging', { matchLabels: { environment: 'stagign' } });
    selector.execute({ type: 'define-pipeline', definition: definitionOf(typo) });
    selector.advance();
    expect(targetsTotal(selector)).toBe(4);
    const renamed = stageWith(4);
    const other = stageOf('stage', { matchLabels: { environment: 'staging' } });
    renamed.execute({ type: 'define-pipeline', definition: definitionOf(other) });
    renamed.advance();
    expect(renamed.stage(staging).heldWithdrawal?.cause).toBe('stage-removed');
    renamed.execute(confirm(renamed, names(4)));
    expect(targetsTotal(renamed)).toBe(0);
  });

  test('clusters that are removed by their names leave without another word', () => {
    const story = stageWith(4);
    for (const name of names(3)) story.removeCluster(name);
    story.advance();
    expect(targetsTotal(story)).toBe(1);
  });
});

describe('F02: a removal leaves everything in place', () => {
  const removed = (count = 2) => {
    const story = stageWith(count);
    story.execute({ type: 'remove-pipeline' });
    story.advance();
    return story;
  };

  test('a removed pipeline orphans its targets and deletes nothing', () => {
    const story = removed();
    expect(story.eventsOf('TargetWithdrawn').map(({ disposition }) => disposition)).toEqual([
      'orphan',
      'orphan',
    ]);
    expect(story.advance()).toEqual([]);
  });

  test('a second order deletes it, when it names how many objects go', () => {
    const story = removed();
    for (const name of names(2)) story.report(staging, name, { phase: 'orphaned' });
    expect(story.refusalOf(deletion(story, 5))).toBe('objects_have_changed');
    expect(story.execute(deletion(story, 6))).toMatchObject([
      { cluster: 'c0', disposition: 'delete', cause: 'deletion-ordered', objectsMax: 3 },
      { cluster: 'c1', disposition: 'delete', objectsMax: 3, reason: 'not needed any more' },
    ]);
  });

  test('a deletion is done when the agent says so of exactly this order', () => {
    const story = removed(1);
    story.report(staging, 'c0', { phase: 'deleted' });
    expect(story.advance()).toEqual([]);
    story.execute(deletion(story, 3));
    expect(story.advance()).toEqual([]);
    story.pass(1_000).report(staging, 'c0', { phase: 'pruning' });
    expect(story.advance()).toEqual([]);
    story.report(staging, 'c0', { phase: 'deleted', message: 'all gone' });
    expect(story.advance()).toMatchObject([{ type: 'TargetDeleted', message: 'all gone' }]);
    expect(story.advance()).toEqual([]);
    expect(story.refusalOf(deletion(story, 0))).toBe('nothing_to_delete');
  });

  test('what is still assigned is never deleted, nor what nobody can reach', () => {
    const story = stageWith(3);
    expect(story.refusalOf(deletion(story, 9))).toBe('nothing_to_delete');
    relabel(story, ['c0'], 'typo');
    story.advance();
    story.report(staging, 'c0', { phase: 'orphaned' });
    expect(story.execute(deletion(story, 3))).toMatchObject([{ cluster: 'c0' }]);
    const gone = stageWith(1);
    gone.removeCluster('c0').advance();
    expect(gone.refusalOf(deletion(gone, 0))).toBe('nothing_to_delete');
  });

  test('an order is for its stage and cluster only', () => {
    const story = removed(3);
    for (const name of names(3)) story.report(staging, name, { phase: 'orphaned' });
    expect(story.refusalOf(deletion(story, 0, { inStage: 'other' }))).toBe('nothing_to_delete');
    expect(story.execute(deletion(story, 3, { cluster: 'c1' }))).toMatchObject([{ cluster: 'c1' }]);
    expect(withdrawnOf(story, 'c0')?.disposition).toBe('orphan');
  });

  test('a pipeline that is defined again takes its targets back, whatever was left of an order', () => {
    const story = removed(2);
    story.execute(deletion(story, 6, {}));
    story.execute({ type: 'define-pipeline', definition: definitionOf(stageOf('staging')) });
    story.push(2).advance();
    expect(story.target(staging, 'c0')?.release).toBe(release(2).commit);
    expect(withdrawnOf(story, 'c0')).toBeUndefined();
    const { generation = 0 } = story.target(staging, 'c0') ?? {};
    expect(story.eventsOf('TargetWithdrawn').every((event) => event.generation < generation)).toBe(
      true,
    );
  });
});

describe('F03: an order to delete grows old', () => {
  const ordered = () => {
    const story = stageWith(1);
    story.execute({ type: 'remove-pipeline' });
    story.advance();
    story.report(staging, 'c0', { phase: 'orphaned' });
    story.cluster('c0', 'staging', { status: 'offline' });
    story.execute(deletion(story, 3));
    return story;
  };

  test('one that nobody has taken up within a day is taken back and says so', () => {
    const story = ordered().pass(24 * hourMs);
    expect(story.advance()).toEqual([]);
    story.pass(1);
    expect(story.advance()).toMatchObject([
      { type: 'TargetWithdrawn', disposition: 'orphan', cause: 'deletion-expired' },
    ]);
    expect(story.advance()).toEqual([]);
    expect(withdrawnOf(story, 'c0')).toMatchObject({ disposition: 'orphan', orderedAt: 1_000_000 });
  });

  test('it can be given again, with its day anew', () => {
    const story = ordered().pass(7 * 24 * hourMs);
    story.advance();
    story.execute(deletion(story, 3));
    expect(withdrawnOf(story, 'c0')).toMatchObject({ disposition: 'delete', orderedAt: story.now });
    story.report(staging, 'c0', { phase: 'deleted' });
    expect(story.advance()).toMatchObject([{ type: 'TargetDeleted' }]);
  });

  test('what is told to an agent names its objects and its time, and is not told when it is too old', () => {
    const before = { apply: { namespace: 'shop' }, confirmedPruneGeneration: 3 } as never;
    const [event] = ordered().eventsOf('TargetWithdrawn').slice(-1);
    const assignment = withdrawnAssignment(before, event as never);
    expect(assignment).toMatchObject({
      disposition: 'delete',
      apply: { deletionBudget: { objectsMax: 3, percentMax: 0 } },
      confirmedPruneGeneration: 0,
      deletionOrderedAt: 1_000_000,
    });
    expect(isStaleDeletion(assignment, 1_000_000 + 24 * hourMs)).toBe(false);
    expect(isStaleDeletion(assignment, 1_000_001 + 24 * hourMs)).toBe(true);
    expect(isStaleDeletion({ ...assignment, disposition: 'orphan' }, 1e15)).toBe(false);
  });

  test('one that an agent has taken up goes on to its end', () => {
    const story = ordered();
    story.pass(1_000).report(staging, 'c0', { phase: 'pruning' });
    expect(story.pass(7 * 24 * hourMs).advance()).toEqual([]);
  });
});

describe('properties', () => {
  const clusters = names(6);
  type Step = (story: Story) => void;
  const tryTo = (story: Story, command: PipelineCommand) => {
    if (story.refusalOf(command) === 'accepted') story.execute(command);
  };
  const someClusters = fc.subarray(clusters, { minLength: 1 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.tuple(someClusters, fc.constantFrom('staging', 'typo')).map(
      ([some, environment]): Step =>
        (story) =>
          relabel(story, some, environment),
    ),
    someClusters.map(
      (some): Step =>
        (story) =>
          void some.map(story.removeCluster),
    ),
    fc.constant<Step>((story) => {
      const held = stageState(story.state, staging).heldWithdrawal?.targets ?? [];
      tryTo(
        story,
        confirm(
          story,
          held.map(({ clusterName }) => clusterName),
        ),
      );
    }),
    fc.tuple(fc.constantFrom(...clusters), fc.integer({ min: 0, max: 1 })).map(
      ([cluster, objects]): Step =>
        (story) =>
          tryTo(story, deletion(story, objects * 3, { cluster })),
    ),
    fc.tuple(fc.constantFrom(...clusters), fc.constantFrom('orphaned', 'deleted', 'settled')).map(
      ([cluster, phase]): Step =>
        (story) => {
          const known = story.target(staging, cluster) ?? withdrawnOf(story, cluster);
          if (known) story.report(staging, cluster, { phase });
        },
    ),
    fc.constantFrom(1, 25).map(
      (hours): Step =>
        (story) =>
          void story.pass(hours * hourMs),
    ),
  );

  test('promise 6: only an order deletes, never what is assigned, and no more leave at once than a person or the limit allows', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const story = stageWith(clusters.length);
        for (const take of steps) {
          const first = story.events.length;
          const assignedBefore = new Set(clusters.filter((name) => story.target(staging, name)));
          take(story);
          const ordered = story.events.length;
          story.advance();
          const decided = story.events.slice(ordered);
          for (const event of story.events.slice(first)) {
            if (event.type !== 'TargetWithdrawn' || event.disposition !== 'delete') continue;
            expect(event).toMatchObject({
              cause: 'deletion-ordered',
              objectsMax: expect.any(Number),
            });
            expect(assignedBefore).not.toContain(event.cluster);
          }
          const unmatched = decided.filter(
            (event) => event.type === 'TargetWithdrawn' && event.cause === 'unmatched',
          );
          const removed = decided.filter(
            (event) => event.type === 'TargetWithdrawn' && event.cause === 'cluster-removed',
          );
          const total = assignedBefore.size - removed.length;
          if (unmatched.length > 1) expect(100 * unmatched.length).toBeLessThanOrEqual(30 * total);
          expect(
            decided.some(
              (event) => event.type === 'TargetWithdrawn' && event.disposition === 'delete',
            ),
          ).toBe(false);
          expect(story.advance()).toEqual([]);
        }
        const generations = new Map<string, number>();
        for (const event of story.events) {
          if (event.type !== 'TargetWithdrawn' && event.type !== 'TargetAssigned') continue;
          expect(event.generation).toBeGreaterThan(generations.get(event.cluster) ?? 0);
          generations.set(event.cluster, event.generation);
        }
      }),
      { numRuns: 200 },
    );
  });
});
