import { expectOk } from '@fairlead/shared/result';
import { describe, expect, test } from 'vitest';
import type { Assignment } from '../link/index.ts';
import { judgeAssignment, openPolicy, parseClusterPolicy } from './index.ts';

type Change = Partial<Pick<Assignment, 'disposition' | 'path' | 'verification'>> & {
  readonly pipeline?: string;
  readonly render?: Partial<Assignment['render']>;
  readonly apply?: Partial<Assignment['apply']>;
};

const assignment = ({ render, apply, ...change }: Change = {}): Assignment =>
  ({
    pipeline: 'checkout',
    disposition: 'run',
    path: 'apps/checkout/production',
    render: { helmValues: {}, substitution: undefined, ...render },
    apply: {
      namespace: 'shop',
      serviceAccount: '',
      adopt: 'if-unowned',
      conflicts: 'fail',
      ...apply,
    },
    verification: { mode: 'none', keysName: '' },
    ...change,
  }) as Assignment;

const judge = (policy: string, change: Change = {}) => {
  const verdict = judgeAssignment(
    expectOk(parseClusterPolicy(policy), 'the policy'),
    assignment(change),
  );
  return verdict.ok ? verdict.value : verdict.error;
};

describe('the mode of signatures is the stricter of the two', () => {
  test.each([
    ['none', 'none', 'none'],
    ['none', 'warn', 'warn'],
    ['none', 'required', 'required'],
    ['warn', 'none', 'warn'],
    ['warn', 'required', 'required'],
    ['required', 'none', 'required'],
    ['required', 'warn', 'required'],
  ] as const)('cluster %s, hub %s: %s', (own, asked, effective) => {
    const verification = { mode: asked, keysName: '' };
    expect(judge(`signatures: {mode: ${own}}`, { verification })).toMatchObject({
      signatures: effective,
    });
  });

  test('and without a policy it is what the hub asks for, with the keys that it names', () => {
    const verification = { mode: 'required', keysName: 'shop-keys' } as const;
    const permit = judgeAssignment(openPolicy, assignment({ verification }));
    expect(permit).toMatchObject({
      ok: true,
      value: { signatures: 'required', keySources: ['shop-keys'], namespaces: undefined },
    });
  });
});

describe('whose signatures count', () => {
  const named = (keysName: string) => ({ verification: { mode: 'none', keysName } as const });

  test('are the keys that the cluster trusts, of which the hub may name fewer', () => {
    const policy = 'signatures: {mode: required, keys: [a, b]}';
    expect(judge(policy)).toMatchObject({ keySources: ['a', 'b'] });
    expect(judge(policy, named('b'))).toMatchObject({ keySources: ['b'] });
  });

  test('are never keys that only the hub names', () => {
    expect(judge('signatures: {mode: required}', named('theirs'))).toBe(
      "the repository's keys theirs are not among those that its policy trusts (fairlead-trusted-keys)",
    );
    expect(judge('signatures: {mode: none, keys: [a]}', named('theirs'))).toMatch(/not among/);
  });

  test('may differ for the units of a rule', () => {
    const policy = `
signatures: {mode: required, keys: [all]}
units:
- {pipelines: [checkout], keys: [shop]}
- {pipelines: ["*"]}`;
    expect(judge(policy)).toMatchObject({ keySources: ['shop'], guardedNames: ['shop', 'all'] });
    expect(judge(policy, { pipeline: 'other' })).toMatchObject({ keySources: ['all'] });
    // The first rule that allows the unit counts, so the broader keys of a later one add nothing.
    expect(judge(policy, named('all'))).toMatch(/not among/);
  });
});

describe('what a policy refuses', () => {
  const strict = `
serviceAccounts: required
inlineValues: refused
takeOver: refused
deletion: refused`;
  const fine = { serviceAccount: 'deployer' };

  test.each<[string, Change, RegExp]>([
    ["the agent's own rights", {}, /serviceAccounts: required/],
    ['Helm values', { apply: fine, render: { helmValues: { a: 1 } } }, /inlineValues: refused/],
    ['substitution', { apply: fine, render: { substitution: {} } }, /inlineValues: refused/],
    ['adoption', { apply: { ...fine, adopt: 'always' } }, /takeOver: refused/],
    ['taken fields', { apply: { ...fine, conflicts: 'take' } }, /takeOver: refused/],
    ['deletion', { disposition: 'delete', apply: fine }, /deletion: refused/],
  ])('%s', (_, change, reason) => {
    expect(judge(strict, change)).toMatch(reason);
    expect(judge('{}', change)).toMatchObject({ deletion: 'allowed' });
  });

  test('is nothing of an assignment without them, nor that the agent leaves a unit alone', () => {
    expect(judge(strict, { apply: fine })).toMatchObject({ deletion: 'refused' });
    expect(judge(strict, { disposition: 'orphan' })).toMatchObject({ deletion: 'refused' });
  });
});

describe('rules for units', () => {
  const policy = `
units:
- pipelines: [checkout]
  paths: [apps/checkout, apps/shared]
  namespaces: [shop, default]
  serviceAccounts: [deployer]
- pipelines: [platform]
  namespaces: [shop]
  clusterScoped: true`;
  const apply = { namespace: 'shop', serviceAccount: 'deployer' };

  test.each<[string, Change, object | RegExp]>([
    ['what a rule allows', { apply }, { namespaces: ['shop', 'default'], clusterScoped: false }],
    ['the folder itself', { apply, path: 'apps/shared' }, { clusterScoped: false }],
    ['no namespace is default', { apply: { ...apply, namespace: '' } }, { clusterScoped: false }],
    ['a scope of its own', { apply, pipeline: 'platform' }, { clusterScoped: true }],
    ['another pipeline', { apply, pipeline: 'other' }, /no rule for pipeline other/],
    [
      'another path',
      { apply, path: 'apps/checkout-evil' },
      /only the paths apps\/checkout, apps\/shared, and not apps\/checkout-evil/,
    ],
    ['the top', { apply, path: '' }, /and not the top/],
    ['another namespace', { apply: { ...apply, namespace: 'kube-system' } }, /and not kube-system/],
    ['another account', { apply: { ...apply, serviceAccount: 'root' } }, /and not root/],
    ['no account', { apply: { ...apply, serviceAccount: '' } }, /and not the agent's own rights/],
  ])('%s', (_, change, expected) => {
    const verdict = judge(policy, change);
    if (expected instanceof RegExp) expect(verdict).toMatch(expected);
    else expect(verdict).toMatchObject(expected);
  });
});

describe('a policy', () => {
  test('that is empty changes nothing', () => {
    expect(judge('{}')).toEqual(expectOk(judgeAssignment(openPolicy, assignment()), 'open'));
  });

  test('names all its faults at once, each with its place', () => {
    const text = `
signatures: {mode: yes please, key: [a]}
deletion: no
units: [{paths: [/a, b/../c]}]`;
    expect(parseClusterPolicy(text)).toMatchObject({
      ok: false,
      error: [
        expect.stringMatching(/^signatures.mode must be none, warn or required$/),
        expect.stringMatching(/^signatures Unrecognized key: "key"$/),
        expect.stringMatching(/^deletion must be allowed or refused$/),
        expect.stringMatching(/^units\[0\].pipelines /),
        expect.stringMatching(/^units\[0\].paths\[0\] must be a folder/),
        expect.stringMatching(/^units\[0\].paths\[1\] must be a folder/),
      ],
    });
  });

  test.each(['', 'text', '- a', '{', 'signatures: required'])('%j is refused', (text) => {
    expect(parseClusterPolicy(text).ok).toBe(false);
  });
});
