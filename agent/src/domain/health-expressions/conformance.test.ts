import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test } from 'vitest';
import { healthOf } from '../health/index.ts';
import { createRuleLookup, healthTable } from './index.ts';

const cases = fileURLToPath(
  new URL('../../../../../shared/conformance/health-custom-resources.jsonl', import.meta.url),
);

const deleted = 'it is being deleted, so it is on its way whatever it was before';

// Where Fairlead is right to differ: the case's id, what it says instead, and why.
const differences: Readonly<Record<string, readonly [health: string, reason: string]>> = {
  'astra.netapp.io/ResticVolumeBackup#degraded.yaml': ['Progressing', deleted],
  'kafka.strimzi.io/KafkaBridge#degraded.yaml': ['Progressing', deleted],
  'kafka.strimzi.io/KafkaBridge#healthy.yaml': ['Progressing', deleted],
  'kafka.strimzi.io/KafkaConnect#healthy.yaml': ['Progressing', deleted],
  'kubevirt.io/VirtualMachineInstance#suspended_succeeded.yaml': ['Progressing', deleted],
  'rabbitmq.com/Exchange#degraded.yaml': [
    'Progressing',
    'the failure is of generation 1 and the object is of generation 3, which its controller has not seen',
  ],
};

const rightPercentMin = 97;

describe('custom kinds show the health that users of Argo CD expect', () => {
  if (!existsSync(cases)) {
    test.skip(`skipped: ${cases} is not there`, () => {});
    return;
  }
  type Case = { id: string; status: string; object: KubernetesObject };
  const lines = readFileSync(cases, 'utf8').trim().split('\n');
  const all = lines.map((line) => JSON.parse(line) as Case);
  const rules = createRuleLookup(healthTable);
  for (const { id, status, object } of all) {
    const [expected = status, reason = ''] = differences[id] ?? [];
    test(`${id} is ${expected}${reason === '' ? '' : `, because ${reason}`}`, () => {
      const { health, message } = healthOf(object, { rules });
      expect(health, message).toBe(expected);
    });
  }

  test(`at least ${rightPercentMin} % are the same, and every difference is a case`, () => {
    const ids = new Set(all.map(({ id }) => id));
    const listed = Object.keys(differences);
    expect(listed.filter((id) => !ids.has(id))).toEqual([]);
    expect(1 - listed.length / all.length).toBeGreaterThanOrEqual(rightPercentMin / 100);
  });
});
