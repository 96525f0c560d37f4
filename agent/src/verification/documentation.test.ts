import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseManifests } from '@fairlead/shared/manifest';
import { expectOk } from '@fairlead/shared/result';
import { expect, test } from 'vitest';
import { jobOf } from '../domain/verification/index.ts';
import { verificationLogBytesMax, verificationPodLogBytesMax } from '../limits.ts';
import { runOf } from './testing.ts';

const text = readFileSync(join(import.meta.dirname, '../../../docs/verification.md'), 'utf8');
const objects = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)]
  .map(([, block = '']) => block)
  .filter((block) => block.startsWith('apiVersion:'))
  .flatMap((block) =>
    expectOk(
      parseManifests(block, 'docs', { bytesMax: 100_000, objectsMax: 10 }),
      'an example of the documentation',
    ),
  );

test('the Job of the documentation is one that an agent runs', () => {
  const jobs = objects.filter(({ kind }) => kind === 'Job');
  expect(jobOf(jobs, runOf('01jd0000000000000000000001')).ok).toBe(true);
});

test('the documentation names the rights that the test on a real API server grants, and no more', () => {
  const role = objects.find(({ kind }) => kind === 'Role');
  expect(role?.rules).toEqual([
    { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'create', 'patch', 'delete'] },
    { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] },
  ]);
});

test('the documentation names the limits of logs', () => {
  expect(text).toContain(`${verificationPodLogBytesMax / 1_024} KiB a pod`);
  expect(text).toContain(`${verificationLogBytesMax / 1_024} KiB a run`);
});
