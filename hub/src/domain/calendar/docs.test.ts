import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseResources } from '../pipeline/index.ts';
import { windowsAt } from './index.ts';

const page = readFileSync(new URL('../../../../docs/freezes.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);

const pipelineWith = (gates: string): string => `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec: {url: "https://git.example.com/environments.git", branch: main}
---
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: checkout}
spec:
  repository: environments
  include: ["apps/**"]
  stages:
  - name: production
    path: apps/checkout
    clusters: {matchLabels: {environment: production}}
    gates:
${gates.replaceAll(/^(?=.)/gm, '      ')}`;

const windowsOf = (text: string) => {
  const parsed = parseResources(pipelineWith(text));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  const pipeline = parsed.value.find(({ kind }) => kind === 'Pipeline');
  if (pipeline?.kind !== 'Pipeline') throw new Error('there is no pipeline');
  return pipeline.definition.stages[0]?.gates.windows ?? [];
};

test.each([
  ['business hours', 0, '2026-12-02T09:00Z', true],
  ['noon', 0, '2026-12-02T11:30Z', false],
  ['after business hours', 0, '2026-12-02T16:30Z', false],
  ['a working day', 1, '2026-12-02T16:30Z', true],
  ['the weekend', 1, '2026-12-05T16:30Z', false],
  ['the last working day of the month', 1, '2026-12-31T16:30Z', false],
  ['the change freeze', 2, '2027-01-02T10:00Z', false],
  ['after the change freeze', 2, '2027-01-03T12:00Z', true],
] as const)('docs/freezes.md: %s', (_, index, at, open) => {
  expect(examples).toHaveLength(3);
  expect(windowsAt(windowsOf(examples[index] ?? ''), Date.parse(at))?.open).toBe(open);
});
