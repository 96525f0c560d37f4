import { expect, it } from 'vitest';
import type { DeclaredFreeze } from '../domain/freeze/index.ts';
import type { Assignment } from '../domain/rollout/index.ts';
import { offeredAssignments } from './offered.ts';

const minuteMs = 60_000;
const now = 100 * minuteMs;
const freeze = (change: Partial<DeclaredFreeze> = {}): DeclaredFreeze => ({
  id: 'freeze-1' as never,
  scope: { kind: 'stage', pipeline: 'checkout' as never, stage: 'production' as never },
  reason: '',
  by: 'ada',
  from: now - 10 * minuteMs,
  declaredAt: now - 10 * minuteMs,
  running: 'drain',
  ...change,
});
const unlessNew = (change: {
  assignedAt?: number;
  reported?: number;
  assignment?: Partial<Assignment>;
  freezes?: DeclaredFreeze[];
}): boolean => {
  const { assignedAt = now - 20 * minuteMs, reported, freezes = [freeze()] } = change;
  const assignment = {
    project: 'default',
    pipeline: 'checkout',
    stage: 'production',
    generation: 4,
    disposition: 'run',
    ...change.assignment,
  } as Assignment;
  const dated = [{ assignment, assignedAt, reportedGeneration: reported ?? null }];
  return offeredAssignments(dated, freezes, now)[0]?.unlessNew === true;
};

it.each([
  ['before the freeze, and nobody has reported on it', {}, true],
  ['before the freeze, and the target reported on an older one', { reported: 3 }, true],
  ['before the freeze, and the target has reported on it', { reported: 4 }, false],
  ['in the freeze, which only an override does', { assignedAt: now - 5 * minuteMs }, false],
  [
    'just before a freeze that has just begun',
    {
      assignedAt: now - 40_000,
      freezes: [freeze({ from: now - 10_000, declaredAt: now - 10_000 })],
    },
    false,
  ],
  ['without a freeze', { freezes: [] }, false],
  ['in another stage', { assignment: { stage: 'staging' as never } }, false],
  [
    'to leave the stage, which changes nothing in the cluster',
    { assignment: { disposition: 'orphan' as const } },
    false,
  ],
  ['to delete', { assignment: { disposition: 'delete' as const, deletionOrderedAt: now } }, true],
  [
    'before a freeze that was planned earlier and began since',
    { freezes: [freeze({ declaredAt: 0 })] },
    true,
  ],
] as const)('WIN-09: assigned %s', (_, change, expected) => {
  expect(unlessNew(change as never)).toBe(expected);
});
