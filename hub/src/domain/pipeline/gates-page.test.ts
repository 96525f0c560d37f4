import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseResources } from './index.ts';

const page = readFileSync(new URL('../../../../docs/gates.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);

const indented = (block: string, spaces: number): string =>
  block.replaceAll(/^(?=.)/gm, ' '.repeat(spaces));

const pipelineWith = (more: { stage?: string; pipeline?: string }): string => `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: checkout}
spec:
  repository: environments
${indented(more.pipeline ?? '', 2)}
  stages:
  - {name: staging, path: staging, clusters: {matchLabels: {environment: staging}}}
  - name: production
    path: production
    clusters: {matchLabels: {environment: production}}
${/^after:/m.test(more.stage ?? '') ? '' : '    after: [staging]'}
${indented(more.stage ?? '', 4)}
`;

/** The document that the block is a part of, by its first line. */
function documentOf(block: string): string {
  const [first] = block.split('\n', 1);
  if (first?.startsWith('apiVersion:')) return block;
  if (first === '# of a stage') return pipelineWith({ stage: block });
  if (first === '# of a pipeline') return pipelineWith({ pipeline: block });
  if (first === '# of a repository') {
    return `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec:
  url: https://git.example.com/environments.git
${indented(block, 2)}`;
  }
  throw new Error(`a block of the page does not say what it is of: ${first}`);
}

test.each(blocks.map((block) => [block]))('the page has no fault in\n%s', (block) => {
  const parsed = parseResources(documentOf(block));
  expect(parsed.ok ? [] : parsed.error).toEqual([]);
});

test.each([
  'after any all promote backfill concernedBy supersede mode soaks interrupt holdAfterRollback hotfix mayBypass from',
  'soak duration unhealthy unknown approvals required including excludeAuthor excludeRequester expiresAfter strict',
  'recheckVoters windows allow deny schedule startsAt timeZone running verifications job timeout in clusters metrics',
  'prometheus http credentials failIf passIf interval for failureLimit noData statuses rollout waves uncovered',
  'maxConcurrent maxFailures minHealthy progressDeadline offline lateJoin onFailure retries limit backoff suspended',
  'releases quietPeriod mustMatch revertBypasses stageRefs',
])('the page shows each of %s in an example', (keys) => {
  const examples = blocks.join('\n');
  expect(keys.split(' ').filter((key) => !new RegExp(`\\b${key}:`).test(examples))).toEqual([]);
});

test('the examples are found', () => {
  expect(blocks.length).toBeGreaterThan(8);
});
