import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test } from 'vitest';
import { healthOf, podTrouble, worstHealth } from './index.ts';

const object = (
  kind: string,
  rest: Record<string, unknown>,
  metadata: Partial<KubernetesObject['metadata']> = {},
): KubernetesObject => {
  const [apiVersion = '', name = ''] = kind.split('#');
  return { apiVersion, kind: name, metadata: { name: 'x', generation: 2, ...metadata }, ...rest };
};
const seen = { observedGeneration: 2 };

// kind | what | object | expected
const cases: readonly [string, string, Record<string, unknown>, string][] = [
  ['apps/v1#Deployment', 'no replicas wanted', { spec: { replicas: 0 }, status: seen }, 'Healthy'],
  ['apps/v1#Deployment', 'not observed', { spec: { replicas: 0 }, status: {} }, 'Progressing'],
  [
    'apps/v1#Deployment',
    'old pods left',
    { spec: {}, status: { ...seen, updatedReplicas: 1, availableReplicas: 1, replicas: 2 } },
    'Progressing',
  ],
  [
    'apps/v1#StatefulSet',
    'partition above the updated ordinals',
    {
      spec: { replicas: 3, updateStrategy: { rollingUpdate: { partition: 2 } } },
      status: { ...seen, readyReplicas: 3, updatedReplicas: 1, replicas: 3 },
    },
    'Healthy',
  ],
  [
    'apps/v1#StatefulSet',
    'partition below the updated ordinals',
    {
      spec: { replicas: 3, updateStrategy: { rollingUpdate: { partition: 1 } } },
      status: { ...seen, readyReplicas: 3, updatedReplicas: 1, replicas: 3 },
    },
    'Progressing',
  ],
  [
    'apps/v1#StatefulSet',
    'revision still rolling',
    {
      spec: { replicas: 1 },
      status: { ...seen, readyReplicas: 1, currentRevision: 'a', updateRevision: 'b' },
    },
    'Progressing',
  ],
  ['apps/v1#DaemonSet', 'no status yet', { spec: {} }, 'Progressing'],
  [
    'apps/v1#DaemonSet',
    'pods scheduled but not available',
    {
      spec: {},
      status: { ...seen, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 },
    },
    'Progressing',
  ],
  ['apps/v1#DaemonSet', 'no node wants a pod', { spec: {}, status: seen }, 'Healthy'],
  [
    'apps/v1#ReplicaSet',
    'quota refuses pods',
    {
      spec: {},
      status: {
        ...seen,
        conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'quota' }],
      },
    },
    'Degraded',
  ],
  ['batch/v1#CronJob', 'suspended by its specification', { spec: { suspend: true } }, 'Healthy'],
  [
    'policy/v1#PodDisruptionBudget',
    'over no pods',
    { status: { ...seen, desiredHealthy: 1 } },
    'Healthy',
  ],
  [
    'policy/v1#PodDisruptionBudget',
    'too few pods',
    { status: { ...seen, desiredHealthy: 2, currentHealthy: 1, expectedPods: 2 } },
    'Progressing',
  ],
  ['networking.k8s.io/v1#Ingress', 'no class named', { spec: {}, status: {} }, 'Healthy'],
  [
    'networking.k8s.io/v1#Ingress',
    'class named, no address',
    { spec: { ingressClassName: 'nginx' }, status: {} },
    'Progressing',
  ],
  ['v1#Namespace', 'terminating', { status: { phase: 'Terminating' } }, 'Progressing'],
  ['v1#ConfigMap', 'no status at all', { data: {} }, 'Healthy'],
  ['example.com/v1#Widget', 'no status at all', { spec: {} }, 'Healthy'],
  [
    'example.com/v1#Widget',
    'old generation observed',
    { status: { observedGeneration: 1 } },
    'Progressing',
  ],
  [
    'example.com/v1#Widget',
    'ready of an old generation',
    { status: { observedGeneration: 1, conditions: [{ type: 'Ready', status: 'True' }] } },
    'Progressing',
  ],
  [
    'example.com/v1#Widget',
    'stalled',
    { status: { conditions: [{ type: 'Stalled', status: 'True' }] } },
    'Degraded',
  ],
  [
    'example.com/v1#Widget',
    'not ready',
    { status: { conditions: [{ type: 'Ready', status: 'False' }] } },
    'Progressing',
  ],
  [
    'example.com/v1#Widget',
    'ready',
    { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    'Healthy',
  ],
];

// status | expected, for kinds that no rule names
const generic: readonly [Record<string, unknown>, string][] = [
  [{ conditions: [] }, 'Progressing'],
  [{ phase: 'Creating' }, 'Progressing'],
  [{ state: 'ERROR', message: 'no disk' }, 'Degraded'],
  [{ health: 'yellow' }, 'Progressing'],
  [{ phase: 'Paused' }, 'Suspended'],
  [{ phase: 'Unknown' }, 'Unknown'],
  [{ phase: 'Zigzag' }, 'Healthy'],
  [{ lastOperationStatus: 'Failed' }, 'Degraded'],
  [{ error: { message: 'no snapshot' }, readyToUse: false }, 'Degraded'],
  [{ readyReplicas: 1 }, 'Progressing'],
  [{ conditions: [{ type: 'Denied', status: 'True' }] }, 'Degraded'],
  [{ conditions: [{ type: 'Ready', status: 'False', reason: 'InvalidSpec' }] }, 'Degraded'],
  [{ conditions: [{ type: 'Ready', status: 'False', reason: 'Creating' }] }, 'Progressing'],
  [{ conditions: [{ type: 'Ready', status: 'Unknown' }] }, 'Progressing'],
  [{ conditions: [{ type: 'Ready', status: true }] }, 'Healthy'],
  [
    {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'Synced', status: 'False', reason: 'ReconcileError' },
      ],
    },
    'Degraded',
  ],
  [
    { conditions: [{ type: 'RemoteSynced', status: 'False', message: 'update failed' }] },
    'Degraded',
  ],
  [{ conditions: [{ type: 'InstallPlanFailed', status: 'True' }] }, 'Degraded'],
  [
    { ancestors: [{ conditions: [{ type: 'Accepted', status: 'False', reason: 'Invalid' }] }] },
    'Degraded',
  ],
];

describe('health of a kind that no rule names', () => {
  test.each(generic)('%j is %s', (status, expected) => {
    const widget = object('example.com/v1#Widget', { spec: { replicas: 2 }, status });
    expect(healthOf(widget).health).toBe(expected);
  });

  test("spec.suspend is a person's choice", () => {
    const widget = object('example.com/v1#Widget', {
      spec: { suspend: true },
      status: { phase: 'x' },
    });
    expect(healthOf(widget).health).toBe('Suspended');
  });
});

describe('health of an object', () => {
  for (const [kind, what, rest, expected] of cases) {
    test(`${kind}, ${what}: ${expected}`, () => {
      expect(healthOf(object(kind, rest)).health).toBe(expected);
    });
  }

  test('an object that is being deleted is on its way, and its finalizers are named', () => {
    const leaving = object(
      'v1#ConfigMap',
      {},
      { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['example.com/guard'] },
    );
    expect(healthOf(leaving)).toEqual({
      health: 'Progressing',
      message: 'is being deleted; held by example.com/guard',
    });
  });

  test('a custom resource whose controller may still write its first status is on its way', () => {
    const young = object('example.com/v1#Widget', { spec: {} });
    expect(healthOf(young, { expectsStatus: true }).health).toBe('Progressing');
  });

  test('a pod that cannot pull its image says which image, whatever its restart policy', () => {
    const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x:1"' };
    const pod = object('v1#Pod', {
      spec: { restartPolicy: 'Never' },
      status: { phase: 'Pending', containerStatuses: [{ name: 'a', state: { waiting } }] },
    });
    expect(healthOf(pod)).toEqual({
      health: 'Degraded',
      message: 'ImagePullBackOff: Back-off pulling image "x:1"',
    });
    expect(podTrouble(pod)).toContain('x:1');
  });
});

test('a unit shows the worst of its objects', () => {
  expect(worstHealth([])).toBe('Healthy');
  expect(worstHealth(['Healthy', 'Progressing', 'Missing', 'Suspended'])).toBe('Missing');
  expect(worstHealth(['Healthy', 'Degraded', 'Missing'])).toBe('Degraded');
});
