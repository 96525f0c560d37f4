import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectOk } from '@fairlead/shared/result';
import { expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { parseResources } from '../../pipeline/index.ts';

const path = join(import.meta.dirname, '../../../../../docs/verification.md');
const blocks = [...readFileSync(path, 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)].map(
  ([, block = '']) => block,
);
const stages = blocks
  .filter((block) => block.startsWith('# pipeline'))
  .map((block) => parseAllDocuments(block)[0]?.toJS()?.stages);

/** The stages of an example in a whole document. */
const definitionOf = (example: unknown) => {
  const text = stringify({
    apiVersion: 'fairlead.dev/v1alpha1',
    kind: 'Pipeline',
    metadata: { name: 'checkout' },
    spec: { repository: 'shop', include: ['apps/checkout/**'], stages: example },
  });
  const [resource] = expectOk(parseResources(text), text);
  if (resource?.kind !== 'Pipeline') throw new Error('no pipeline');
  return resource.definition;
};

test('the examples of the documentation are pipelines, with the defaults that it names', () => {
  expect(stages).toHaveLength(2);
  const [verifying, measuring] = stages.map(definitionOf);
  expect(verifying?.stages[1]?.gates.verifications).toEqual([
    {
      name: 'smoke',
      job: 'apps/checkout/verify/smoke.yaml',
      timeoutMs: 600_000,
      in: [],
      clusters: 'one',
    },
  ]);
  expect(measuring?.stages[1]?.gates.metrics).toMatchObject([
    {
      name: 'error-rate',
      source: { kind: 'prometheus' },
      credentialsSecretName: 'prometheus',
      condition: { kind: 'fail-if', operator: '>', threshold: 0.01 },
      failureLimit: 1,
      noData: 'inconclusive',
    },
    {
      name: 'queue',
      source: { kind: 'http', jsonPointer: '/queues/checkout/length' },
      condition: { kind: 'pass-if', operator: '<', threshold: 100 },
      intervalMs: 30_000,
      failureLimit: 0,
      noData: 'fail',
    },
  ]);
  const [least] = definitionOf([
    {
      name: 'staging',
      path: 'apps',
      clusters: { matchLabels: { environment: 'staging' } },
      gates: {
        verifications: [{ name: 'a', job: 'a.yaml', in: ['staging'] }],
        metrics: [
          { name: 'm', http: { url: 'https://a.example', json: '' }, failIf: 'result > 1' },
        ],
      },
    },
  ]).stages;
  expect(least?.gates.verifications[0]?.timeoutMs).toBe(600_000);
  expect(least?.gates.metrics[0]).toMatchObject({ intervalMs: 60_000, forMs: 600_000 });
});

test('every other example is YAML', () => {
  for (const block of blocks) {
    for (const document of parseAllDocuments(block)) expect(document.errors).toEqual([]);
  }
});
