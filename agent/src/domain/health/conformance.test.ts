import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test } from 'vitest';
import { healthOf } from './index.ts';

const cases = fileURLToPath(
  new URL('../../../../../shared/conformance/health-built-in.jsonl', import.meta.url),
);

// Where Fairlead is right to differ: the case's id, and why.
const differences: Readonly<Record<string, string>> = {};

describe('built-in kinds show the health that users of Argo CD expect', () => {
  if (!existsSync(cases)) {
    test.skip(`skipped: ${cases} is not there`, () => {});
    return;
  }
  type Case = { id: string; status: string; object: KubernetesObject };
  const lines = readFileSync(cases, 'utf8').trim().split('\n');
  for (const { id, status, object } of lines.map((line) => JSON.parse(line) as Case)) {
    test.skipIf(differences[id] !== undefined)(`${id} is ${status}`, () => {
      expect(healthOf(object).health).toBe(status);
    });
  }
});
