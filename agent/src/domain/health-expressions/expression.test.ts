import type { KubernetesObject } from '@fairlead/shared/manifest';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { healthOf } from '../health/index.ts';
import { healthObjectDepthMax } from './bounds.ts';
import {
  compileRule,
  createEntries,
  createRuleLookup,
  healthTable,
  type RuleSource,
} from './index.ts';

const widget = (status?: Record<string, unknown>, spec: Record<string, unknown> = {}) =>
  ({
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: { name: 'x', generation: 2, annotations: { 'example.com/state': 'on' } },
    spec,
    ...(status ? { status } : {}),
  }) as KubernetesObject;

function judge(source: RuleSource, object: KubernetesObject) {
  const rule = compileRule(source);
  if (!rule.ok) throw new Error(JSON.stringify(rule.error));
  return rule.value(object);
}

const says = (
  expression: string,
  object = widget({ phase: 'Up', replicas: 2, ratio: 0.5 }, { replicas: 3 }),
) => judge({ current: expression }, object).health === 'Healthy';

describe('an expression', () => {
  test.each([
    ["status.phase == 'Up'"],
    // Whole numbers are int, as in Kubernetes, so that they can be counted on.
    ['status.replicas + 1 == spec.replicas'],
    ['status.ratio < 1.0'],
    ['status.ratio < status.replicas'],
    ['has(status.phase) && !has(status.nothing) && !has(spec.nothing)'],
    ["metadata.annotations['example.com/state'] == 'on'"],
    ["status.?nothing.orValue('none') == 'none'"],
    ["status.?phase.orValue('none') == 'Up'"],
    ['status.?a.b[?3].c.orValue(7) == 7'],
    ["!status.?nothing.hasValue() && status.?phase.value() == 'Up'"],
    ["status.get('a.b.c') == null && status.get('a', 4) == 4 && status.get('phase') == 'Up'"],
    ["'.?phase' + status.phase == '.?phaseUp'"],
    ['true || status.nothing.at.all'],
    ['[1, 2, 3].sum() == 6'],
    [
      "'ErrImagePull'.tone() == 'failed' && 'Creating'.tone() == 'busy' && 'ClusterRunning'.tone() == ''",
    ],
  ])('%s', (expression) => expect(says(expression)).toBe(true));

  test('reads conditions by type, and those that are not there as empty', () => {
    const object = widget({ conditions: [{ type: 'Ready', status: 'False', reason: 'Why' }] });
    expect(says("status.isFalse('Ready') && !status.isTrue(['Ready', 'Other'])", object)).toBe(
      true,
    );
    expect(says("status.condition('Ready').reason == 'Why'", object)).toBe(true);
    expect(says("status.condition('Other').status == ''", object)).toBe(true);
  });
});

describe('a rule', () => {
  test('is asked in the order in progress, failed, current; when none is true the object is on its way', () => {
    const always = { inProgress: 'true', failed: 'true', current: 'true' };
    expect(judge(always, widget()).health).toBe('Progressing');
    expect(judge({ ...always, inProgress: 'false' }, widget()).health).toBe('Degraded');
    expect(judge({ current: 'false' }, widget({ a: 1 })).health).toBe('Progressing');
  });

  test('that reads a missing field is Unknown with the reason, and only waits while there is no status', () => {
    const source = { current: "status.phase == 'Up'" };
    expect(judge(source, widget())).toEqual({
      health: 'Progressing',
      message: 'waits for the first status',
    });
    const outcome = judge(source, widget({ other: 1 }));
    expect(outcome.health).toBe('Unknown');
    expect(outcome.message).toContain('`current` cannot be evaluated: field not found: phase');
  });

  test('that says neither true nor false is Unknown', () => {
    expect(judge({ current: 'status.phase' }, widget({ phase: 'x' })).message).toContain(
      'does not say true or false',
    );
  });

  test('says a message of its own, or the words of the condition that fits', () => {
    const broken = widget({
      conditions: [{ type: 'Ready', status: 'False', reason: 'No', message: 'the disk failed' }],
    });
    expect(judge({ failed: 'true' }, broken).message).toBe('the disk failed');
    expect(
      judge({ failed: 'true', message: "health + ' by ' + metadata.name" }, broken).message,
    ).toBe('Degraded by x');
  });

  test('tells every fault of its expressions at once, with the place', () => {
    const rule = compileRule({ current: '1 +', failed: 'a b', inProgress: 'true' });
    expect(rule.ok ? [] : rule.error.map(({ field }) => field)).toEqual(['failed', 'current']);
    expect(rule.ok ? '' : rule.error[1]?.message).toContain('<input>:1:3');
  });

  test('is bounded: loops in loops over long lists are refused, not run', () => {
    const list = Array.from({ length: 2_000 }, (_, index) => index);
    const nested = 'status.list.all(a, status.list.all(b, status.list.all(c, a + b + c >= 0)))';
    const outcome = judge({ current: nested }, widget({ list }));
    expect(outcome.health).toBe('Unknown');
    expect(outcome.message).toContain('too many steps');
    expect(judge({ current: 'status.list.exists(a, a == 1999)' }, widget({ list })).health).toBe(
      'Healthy',
    );
  });

  test('does not judge an object that nests deeper than an API server allows', () => {
    let deep: Record<string, unknown> = {};
    for (let depth = 0; depth <= healthObjectDepthMax; depth++) deep = { deep };
    expect(judge({ current: 'true' }, widget(deep)).message).toContain('too large');
  });
});

describe("a unit's own entries", () => {
  const entry = { apiVersion: 'example.com/v1', kind: 'Widget', current: "status.phase == 'Up'" };

  test('win over the table and the built-in rules', () => {
    const entries = createEntries([{ apiVersion: 'v1', kind: 'ConfigMap', current: 'false' }]);
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } };
    expect(healthOf(object).health).toBe('Healthy');
    expect(entries.ok && healthOf(object, { ownRules: entries.value }).health).toBe('Progressing');
  });

  test('name a version, or a group for all of its versions', () => {
    const entries = createEntries([{ ...entry, apiVersion: 'example.com' }]);
    expect(entries.ok && entries.value(widget({ phase: 'Up' }))?.health).toBe('Healthy');
    const other = { ...widget({ phase: 'Up' }), apiVersion: 'example.com/v2' };
    expect(entries.ok && entries.value(other)?.health).toBe('Healthy');
    const exact = createEntries([entry]);
    expect(exact.ok && exact.value(other)).toBeUndefined();
  });

  test('are not asked about a specification that the controller has not seen', () => {
    const entries = createEntries([{ ...entry, current: 'true' }]);
    const behind = widget({ observedGeneration: 1 });
    expect(entries.ok && healthOf(behind, { ownRules: entries.value }).health).toBe('Progressing');
  });

  test('are refused with the place of every fault', () => {
    const entries = createEntries([
      entry,
      { ...entry, kind: 'Other', current: '', failed: ')' },
      entry,
    ]);
    expect(entries.ok ? [] : entries.error.map(({ index, field }) => `${index}.${field}`)).toEqual([
      '1.current',
      '1.failed',
      '2.kind',
    ]);
  });
});

describe('whatever an object or an expression holds', () => {
  const rules = createRuleLookup(healthTable);
  const conditions = fc.array(
    fc.record(
      {
        type: fc.constantFrom('Ready', 'Synced', 'Failed', 'Accepted', 'x'),
        status: fc.constantFrom('True', 'False', 'Unknown', '', true, 3),
        reason: fc.anything(),
        message: fc.anything(),
      },
      { requiredKeys: [] },
    ),
  );
  const status = fc.oneof(
    fc.anything(),
    fc.dictionary(
      fc.constantFrom(
        'phase',
        'state',
        'conditions',
        'replicas',
        'parents',
        'statuses',
        'ancestors',
      ),
      fc.oneof(conditions, fc.anything()),
    ),
  );
  const groups = Object.keys(healthTable.groups).map((group) => group.replace('*', 'some'));
  const kinds = [
    ...new Set(
      healthTable.files.flatMap((text) =>
        (JSON.parse(text) as { kinds: string[] }[]).flatMap((rule) => rule.kinds),
      ),
    ),
  ];
  const healths = ['Healthy', 'Progressing', 'Degraded', 'Suspended', 'Missing', 'Unknown'];

  test('health is one of the six states and never throws', () => {
    const object = fc.record(
      {
        metadata: fc.oneof(
          fc.anything(),
          fc.record({ name: fc.string(), generation: fc.anything() }),
        ),
        spec: fc.anything(),
        status,
        data: fc.anything(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.constantFrom('apps', 'batch', ...groups),
        fc.constantFrom('Deployment', 'Job', ...kinds),
        object,
        (group, kind, rest) => {
          const { health, message } = healthOf(
            { apiVersion: `${group}/v1`, kind, ...rest } as KubernetesObject,
            { rules },
          );
          expect(healths).toContain(health);
          expect(typeof message).toBe('string');
        },
      ),
      { numRuns: 400 },
    );
  }, 60_000);

  test('an expression is refused or gives one of the six states', () => {
    const part = fc.constantFrom(
      'status',
      '.phase',
      '.?phase',
      '.orValue(',
      ')',
      '(',
      '[',
      ']',
      '[?',
      '0',
      '==',
      "'Up'",
      '&&',
      '!',
      'has(',
      '.all(c, c',
      '.get(',
      "'a'",
      ' ',
      '?',
      ':',
      '"',
      '+',
      '{}',
    );
    const expression = fc.oneof(
      fc.string(),
      fc.array(part, { maxLength: 12 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(expression, status, (current, value) => {
        const entries = createEntries([{ apiVersion: 'example.com', kind: 'Widget', current }]);
        if (!entries.ok) return;
        const object = { ...widget(), status: value } as KubernetesObject;
        expect(healths).toContain(healthOf(object, { ownRules: entries.value }).health);
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});
