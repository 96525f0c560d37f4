import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test } from 'vitest';
import {
  changeDiff,
  type FightLimits,
  fieldDiff,
  fightEndsAtMs,
  nextRepair,
  ownedFieldsText,
  peaceful,
  recordRepair,
} from './index.ts';

const options = { manager: 'fairlead', differencesMax: 10, valueCharactersMax: 40 };

const deployment = (image: string, fields: unknown, others: unknown[] = []): KubernetesObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'web',
    managedFields: [
      { manager: 'fairlead', operation: 'Apply', fieldsV1: fields },
      { manager: 'fairlead', operation: 'Apply', subresource: 'status', fieldsV1: { x: {} } },
      ...others,
    ],
  },
  spec: { template: { spec: { containers: [{ name: 'web', image }] } } },
});

const container = (fields: object) => ({
  'f:spec': {
    'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, ...fields } } } },
  },
});
const whole = container({ 'f:name': {}, 'f:image': {} });
const robbed = container({ 'f:name': {} });

describe('field diff', () => {
  test('names the field that was taken, both values, and who took it', () => {
    const live = deployment('evil:2', robbed, [
      { manager: 'kubectl-edit', operation: 'Update', fieldsV1: container({ 'f:image': {} }) },
      { manager: 'kcm', operation: 'Update', fieldsV1: { 'f:status': {} } },
    ]);
    expect(fieldDiff(live, deployment('good:1', whole), options)).toEqual({
      differences: [
        {
          path: 'spec.template.spec.containers[name=web].image',
          live: 'evil:2',
          desired: 'good:1',
        },
      ],
      differencesTotal: 1,
      managers: ['kubectl-edit'],
    });
  });

  test('the data of a Secret is masked, its other fields are not', () => {
    const secret = (value: string, fields: object): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'a',
        managedFields: [{ manager: 'fairlead', operation: 'Apply', fieldsV1: fields }],
      },
      data: { password: value },
      type: value,
    });
    const owned = { 'f:data': { 'f:password': {} }, 'f:type': {} };
    const { differences } = fieldDiff(secret('b2xk', {}), secret('bmV3', owned), options);
    expect(differences).toEqual([
      { path: 'data.password', live: '(secret)', desired: '(secret)' },
      { path: 'type', live: 'b2xk', desired: 'bmV3' },
    ]);
  });

  test('more differences than the limit are counted', () => {
    const { differences, differencesTotal } = fieldDiff(
      deployment('a', {}),
      deployment('a', whole),
      { ...options, differencesMax: 1 },
    );
    expect([differences.length, differencesTotal]).toEqual([1, 2]);
  });
});

describe('change diff', () => {
  test('names what an apply changes, adds and takes away, and nothing else', () => {
    const config = (data: Record<string, string>, more: Record<string, string> = {}) =>
      ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: {
          name: 'a',
          managedFields: [
            {
              manager: 'fairlead',
              operation: 'Apply',
              fieldsV1: {
                'f:data': Object.fromEntries(Object.keys(data).map((key) => [`f:${key}`, {}])),
              },
            },
          ],
        },
        data: { ...data, ...more },
      }) as KubernetesObject;
    const foreign = { foreign: 'x' };
    const before = config({ same: '1', changed: '1', gone: '1' }, foreign);
    const then = config({ same: '1', changed: '2', added: '1' }, foreign);
    expect(changeDiff(before, then, options).differences).toEqual([
      { path: 'data.changed', live: '1', desired: '2' },
      { path: 'data.added', live: undefined, desired: '1' },
      { path: 'data.gone', live: '1', desired: undefined },
    ]);
    expect(changeDiff(before, before, options).differencesTotal).toBe(0);
  });

  test('a large value is shown by its beginning', () => {
    const [difference] = changeDiff(
      deployment('a', whole),
      deployment('b'.repeat(100), whole),
      options,
    ).differences;
    expect(String(difference?.desired)).toHaveLength(41);
  });

  test('what `kubectl apply` keeps of a Secret is masked like its data', () => {
    const name = 'kubectl.kubernetes.io/last-applied-configuration';
    const secret = (value: string): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'a',
        annotations: { [name]: value },
        managedFields: [
          {
            manager: 'fairlead',
            operation: 'Apply',
            fieldsV1: { 'f:metadata': { 'f:annotations': { [`f:${name}`]: {} } } },
          },
        ],
      },
    });
    const { differences } = changeDiff(secret('{"password":"x"}'), secret('y'), options);
    expect(differences).toMatchObject([{ live: '(secret)', desired: '(secret)' }]);
  });
});

test('status writes and foreign fields do not change the owned set', () => {
  const before = deployment('a', whole);
  const after = deployment('a', whole, [
    { manager: 'hpa', operation: 'Update', fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
  ]);
  expect(ownedFieldsText(after, 'fairlead')).toBe(ownedFieldsText(before, 'fairlead'));
  expect(ownedFieldsText(deployment('a', robbed), 'fairlead')).not.toBe(
    ownedFieldsText(before, 'fairlead'),
  );
});

describe('F37: fights are slowed down', () => {
  const limits: FightLimits = {
    windowMs: 60_000,
    repairsMax: 5,
    delayMsMin: 1_000,
    delayMsMax: 8_000,
  };

  test('a few edits are repaired at once; an edit each second is repaired ever more slowly', () => {
    let history = peaceful;
    let now = 0;
    const waits: number[] = [];
    for (let edit = 0; edit < 10; edit++) {
      const { waitMs } = nextRepair(history, now, limits);
      waits.push(waitMs);
      now += waitMs;
      history = recordRepair(history, now, limits);
    }
    expect(waits).toEqual([0, 0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000, 8_000]);
  });

  test('peace returns after a quiet time', () => {
    let history = peaceful;
    for (let edit = 0; edit < 8; edit++) history = recordRepair(history, edit, limits);
    expect(nextRepair(history, 8, limits).isFight).toBe(true);
    history = recordRepair(history, 200_000, limits);
    expect(nextRepair(history, 200_001, limits)).toEqual({ waitMs: 0, isFight: false });
  });

  test('a fight has an end in sight, and it moves away while the other side goes on', () => {
    let history = peaceful;
    for (let edit = 0; edit < 4; edit++) history = recordRepair(history, edit, limits);
    expect(fightEndsAtMs(history, limits)).toBeUndefined();
    history = recordRepair(history, 4, limits);
    expect(fightEndsAtMs(history, limits)).toBe(4 + 60_000 + 2_000);
    history = recordRepair(history, 1_004, limits);
    expect(fightEndsAtMs(history, limits)).toBe(1_004 + 60_000 + 4_000);
  });
});
