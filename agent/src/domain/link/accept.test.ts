import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Assignment, acceptAssignment } from './index.ts';

const assignment = (change: Partial<Assignment> = {}): Assignment =>
  ({
    pipeline: 'checkout',
    stage: 'staging',
    project: 'default',
    epoch: 3,
    generation: 7,
    disposition: 'run',
    repository: 'shop',
    commit: 'a'.repeat(40),
    path: 'apps/checkout',
    root: 'apps/checkout',
    render: {
      helmReleaseName: '',
      helmValuesFiles: [],
      helmValues: { a: 1, b: 2 },
      substitution: undefined,
      sopsSecret: '',
    },
    apply: {
      namespace: 'checkout',
      createNamespace: false,
      prune: true,
      drift: 'repair',
      adopt: 'if-unowned',
      deletionBudget: { objectsMax: 10, percentMax: 30 },
      confirmedPruneGeneration: 0,
      serviceAccount: '',
      conflicts: 'fail',
      dependsOn: [],
      ignoreDifferences: [],
      healthChecks: [],
    },
    clusterName: 'one',
    clusterLabels: {},
    verification: { mode: 'none', keysName: '' },
    ...change,
  }) as Assignment;

describe('promise 5: no going back', () => {
  const held = assignment();

  test.each([
    ['a newer generation', held, assignment({ generation: 8 }), 3, 'accept'],
    ['the first assignment', undefined, assignment({ generation: 1 }), 3, 'accept'],
    ['the same again', held, assignment(), 3, 'ignore'],
    ['an older generation', held, assignment({ generation: 6 }), 3, 'refuse'],
    ['F01: an older epoch', held, assignment({ epoch: 2, generation: 99 }), 3, 'refuse'],
    ['an epoch that nobody accepted', held, assignment({ epoch: 4, generation: 99 }), 3, 'refuse'],
    ['a first one of an unknown epoch', undefined, assignment({ epoch: 4 }), 3, 'refuse'],
    [
      'an accepted epoch, counting anew',
      held,
      assignment({ epoch: 4, generation: 1 }),
      4,
      'accept',
    ],
    ['the old epoch after the new was accepted', held, assignment(), 4, 'refuse'],
    [
      'other content of one generation',
      held,
      assignment({ commit: 'b'.repeat(40) as Assignment['commit'] }),
      3,
      'refuse',
    ],
  ] as const)('%s', (_, before, offered, epoch, expected) => {
    expect(acceptAssignment(before, offered, epoch).kind).toBe(expected);
  });

  test('the order of keys in a mapping is no difference', () => {
    const { render } = held;
    const reordered = assignment({ render: { ...render, helmValues: { b: 2, a: 1 } } });
    expect(acceptAssignment(held, reordered, 3)).toEqual({ kind: 'ignore' });
  });

  test('whatever arrives in whatever order, (epoch, generation) never falls', () => {
    const offer = fc.record({
      epoch: fc.integer({ min: 1, max: 4 }),
      generation: fc.integer({ min: 1, max: 6 }),
      accepted: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(offer), (offers) => {
        let current: Assignment | undefined;
        let epochAccepted = 0;
        for (const { epoch, generation, accepted } of offers) {
          epochAccepted = Math.max(epochAccepted, accepted);
          const offered = assignment({ epoch, generation });
          if (acceptAssignment(current, offered, epochAccepted).kind !== 'accept') continue;
          if (current) {
            expect([offered.epoch, offered.generation] > [current.epoch, current.generation]).toBe(
              true,
            );
          }
          current = offered;
        }
      }),
    );
  });
});
