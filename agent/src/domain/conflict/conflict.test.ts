import type { KubernetesObject } from '@fairlead/shared/manifest';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FieldSet } from '../drift/index.ts';
import { holds, membersOf, subtract } from './field-path.ts';
import {
  deployToolOf,
  deployTools,
  fieldText,
  handOver,
  rememberFields,
  remembers,
  settleConflicts,
  sharedFields,
  withoutFields,
} from './index.ts';

const container = (fields: FieldSet): FieldSet => ({
  'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:name': {}, ...fields } } },
});
const entry = (manager: string, fieldsV1: FieldSet, more: object = {}) => ({
  manager,
  operation: 'Update',
  fieldsV1,
  ...more,
});
const objectOf = (...managedFields: object[]): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', managedFields },
});

const part = fc.constantFrom('f:a', 'f:b', 'f:c.d', 'k:{"name":"x"}', 'v:"y"', 'i:0');
const { set: fieldSet } = fc.letrec<{ set: FieldSet }>((tie) => ({
  set: fc.dictionary(part, fc.oneof({ maxDepth: 3 }, fc.constant({}), tie('set')), {
    minKeys: 1,
    maxKeys: 3,
  }),
}));
const textsOf = (set: FieldSet | undefined) =>
  set ? [...membersOf(set)].map((path) => JSON.stringify(path)) : [];

describe('field sets', () => {
  test('a path is written as the API server writes it', () => {
    expect(
      fieldText(['f:spec', 'f:containers', 'k:{"name":"web","port":80}', 'f:args', 'v:"a"', 'i:3']),
    ).toBe('.spec.containers[name="web",port=80].args[="a"][3]');
  });

  test('a difference holds exactly the members that the other set lacks', () => {
    fc.assert(
      fc.property(fieldSet, fieldSet, (from, other) => {
        const inOther = new Set(textsOf(other));
        const expected = textsOf(from).filter((text) => !inOther.has(text));
        expect(textsOf(subtract(from, other)).toSorted()).toEqual(expected.toSorted());
      }),
    );
  });

  test('a memory knows every member of its set, and nothing else that the tests can think of', () => {
    fc.assert(
      fc.property(fieldSet, fieldSet, (set, other) => {
        const memory = rememberFields(set);
        for (const path of membersOf(set)) expect(remembers(memory, path)).toBe(true);
        for (const path of membersOf(other)) expect(remembers(memory, path)).toBe(holds(set, path));
      }),
    );
    expect(remembers('', ['f:spec'])).toBe(false);
  });

  test('a set of more than 2,048 fields is not remembered, so that a journal stays small', () => {
    const many = Object.fromEntries(
      Array.from({ length: 2_049 }, (_, index) => [`f:${index}`, {}]),
    );
    expect(rememberFields({ 'f:data': many })).toBe('');
  });
});

describe('a conflict', () => {
  const image = { manager: 'operator', field: '.spec.containers[name="web"].image' };
  const live = objectOf(
    entry('operator', container({ 'f:image': {} })),
    entry('kubectl-edit', container({ 'f:args': {} })),
  );
  const settle = (policy: 'fail' | 'take' | 'leave', remembered: FieldSet | undefined) =>
    settleConflicts({
      live,
      conflicts: [image, { manager: 'kubectl-edit', field: '.spec.containers[name="web"].args' }],
      remembered: rememberFields(remembered),
      policy,
    });
  const path = ['f:spec', 'f:containers', 'k:{"name":"web"}', 'f:image'];

  test.each([
    ['fail', undefined, { kind: 'refuse', conflicts: [image] }],
    ['leave', undefined, { kind: 'apply', left: [path] }],
    ['take', undefined, { kind: 'apply', left: [] }],
    ['fail', container({ 'f:image': {} }), { kind: 'apply', left: [] }],
    ['leave', container({ 'f:image': {} }), { kind: 'apply', left: [] }],
  ] as const)('under %s, remembered %j: %j', (policy, remembered, expected) => {
    expect(settle(policy, remembered)).toEqual(expected);
  });

  test('that the live object no longer shows is looked at again', () => {
    const conflicts = [{ manager: 'gone', field: '.spec.x' }];
    const input = { live, conflicts, remembered: '', policy: 'fail' } as const;
    expect(settleConflicts(input)).toEqual({ kind: 'changed' });
  });
});

describe('shared fields', () => {
  test('are those of managers that decide by themselves; what names an item of a list is none', () => {
    const ours = entry('fairlead', container({ 'f:image': {}, 'f:args': {} }), {
      operation: 'Apply',
    });
    const object = objectOf(
      ours,
      entry('operator', container({ 'f:image': {} })),
      entry('helm', container({ 'f:args': {} })),
    );
    expect(sharedFields(object, 'fairlead').map(fieldText)).toEqual([
      '.spec.containers[name="web"].image',
    ]);
  });
});

describe('a hand-over', () => {
  const ours = entry('fairlead', container({ 'f:image': {} }), { operation: 'Apply' });

  test('takes from tools what both own, and leaves them and others the rest', () => {
    const operator = entry('operator', container({ 'f:image': {} }));
    const tool = entry('helm', {
      ...container({ 'f:image': {}, 'f:args': {} }),
      'f:metadata': { 'f:labels': { '.': {}, 'f:helm': {} } },
    });
    const over = handOver(objectOf(ours, operator, tool), 'fairlead');
    expect(over?.managers).toEqual(['helm']);
    expect(over?.managedFields).toEqual([
      ours,
      operator,
      {
        ...tool,
        fieldsV1: {
          'f:spec': { 'f:containers': { 'k:{"name":"web"}': { 'f:args': {} } } },
          'f:metadata': { 'f:labels': { '.': {}, 'f:helm': {} } },
        },
      },
    ]);
  });

  test('is made once: what is left of it is not handed over again', () => {
    const tool = entry('kubectl-client-side-apply', {
      'f:metadata': { 'f:labels': {}, 'f:annotations': { '.': {}, 'f:last': {} } },
      ...container({ 'f:image': {} }),
    });
    const object = objectOf(ours, tool);
    const over = handOver(object, 'fairlead');
    expect(over).toBeDefined();
    expect(handOver(objectOf(...(over?.managedFields ?? [])), 'fairlead')).toBeUndefined();
  });

  test('leaves the scale that a person set with kubectl, and a status', () => {
    const scale = entry('kubectl', container({ 'f:image': {} }), { subresource: 'scale' });
    expect(handOver(objectOf(ours, scale), 'fairlead')).toBeUndefined();
  });
});

test.each([
  ['kubectl-client-side-apply', 'kubectl'],
  ['kubectl', 'kubectl'],
  ['kubectl-edit', 'kubectl'],
  ['before-first-apply', 'kubectl'],
  ['kustomize-controller', 'Flux'],
  ['argocd-controller', 'Argo CD'],
  ['Helm', 'Helm'],
  ['kube-controller-manager', undefined],
  ['kubectl2', undefined],
  ['helm-operator', undefined],
])('the manager %s is of the tool %s', (manager, tool) => {
  expect(deployToolOf(manager)?.name).toBe(tool);
  for (const { reason } of deployTools) expect(reason).not.toBe('');
});

describe('a configuration without fields', () => {
  const pod: KubernetesObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', labels: { a: '1' } },
    spec: {
      containers: [
        { name: 'web', image: 'web:1', ports: [{ containerPort: 80, name: 'http' }] },
        { name: 'side', image: 'side:1' },
      ],
    },
  };
  test('lacks them and what they leave empty, and keeps items by their keys', () => {
    const containers = ['f:spec', 'f:containers'];
    const without = withoutFields(pod, [
      [...containers, 'k:{"name":"web"}', 'f:image'],
      // The API server has filled in the protocol.
      [
        ...containers,
        'k:{"name":"web"}',
        'f:ports',
        'k:{"containerPort":80,"protocol":"TCP"}',
        'f:name',
      ],
      ['f:metadata', 'f:labels', 'f:a'],
    ]);
    expect(without.metadata).toEqual({ name: 'web' });
    expect(without.spec).toEqual({
      containers: [
        { name: 'web', ports: [{ containerPort: 80 }] },
        { name: 'side', image: 'side:1' },
      ],
    });
    expect(JSON.stringify(pod)).toContain('web:1');
  });
});
