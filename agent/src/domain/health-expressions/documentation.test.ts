import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { healthOf } from '../health/index.ts';
import { createEntries, type HealthEntry, healthTable } from './index.ts';

const page = readFileSync(
  fileURLToPath(new URL('../../../../docs/health.md', import.meta.url)),
  'utf8',
);

const entries = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].flatMap(([, text = '']) => {
  const read = parse(text) as { apply: { healthChecks: HealthEntry[] } } | HealthEntry[];
  return Array.isArray(read) ? read : read.apply.healthChecks;
});

const judged = (kind: string, rest: Record<string, unknown>) => {
  const rules = createEntries(entries);
  if (!rules.ok) throw new Error(JSON.stringify(rules.error));
  const object = {
    apiVersion: 'example.com/v1',
    kind,
    metadata: { name: 'x' },
    ...rest,
  } as KubernetesObject;
  return healthOf(object, { ownRules: rules.value }).health;
};

describe('docs/health.md', () => {
  test.each([
    [
      'Database',
      { spec: { replicas: 2 }, status: { phase: 'Running', readyReplicas: 2 } },
      'Healthy',
    ],
    [
      'Database',
      { spec: { replicas: 2 }, status: { phase: 'Running', readyReplicas: 1 } },
      'Progressing',
    ],
    ['Database', { status: { phase: 'Restoring', lastError: 'old' } }, 'Progressing'],
    ['Database', { status: { phase: 'Running', lastError: 'disk' } }, 'Degraded'],
    ['Database', {}, 'Progressing'],
    ['Database', { status: { started: true } }, 'Unknown'],
    ['Queue', { status: { conditions: [{ type: 'Ready', status: 'True' }] } }, 'Healthy'],
    [
      'Queue',
      { status: { backlog: 200, conditions: [{ type: 'Ready', status: 'True' }] } },
      'Progressing',
    ],
    [
      'Queue',
      { status: { conditions: [{ type: 'Ready', status: 'False', reason: 'InvalidSpec' }] } },
      'Degraded',
    ],
  ])('its examples judge: %s %j is %s', (kind, rest, expected) => {
    expect(judged(kind, rest)).toBe(expected);
  });

  test('lists exactly the API groups that the table covers', () => {
    const [, list = ''] = page.split('## Covered API groups');
    const listed = [...list.matchAll(/`((?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+)`/g)].map(
      ([, group]) => group,
    );
    expect(listed.sort()).toEqual(Object.keys(healthTable.groups).sort());
  });
});
