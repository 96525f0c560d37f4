import { expect, test } from 'vitest';
import {
  decidePipeline,
  evolvePipeline,
  initialPipelineState,
  type PipelineState,
} from '../promotion/index.ts';
import { definitionOf, type StageChange, stageOf, staging } from '../promotion/testing-story.ts';
import type { ApprovalPolicy, PipelineDefinition, WindowRule } from './definition.ts';

const approvals: ApprovalPolicy = {
  required: 2,
  from: ['group:release-managers'],
  including: [],
  excludeAuthor: true,
  excludeRequester: true,
  expiresAfterMs: 1,
  strict: true,
  recheckVoters: true,
};
const windowOf = (name: string, effect: WindowRule['effect']): WindowRule => ({
  name,
  effect,
  schedule: { kind: 'cron', text: '0 8 * * *' },
  startsAt: '',
  durationMs: 1,
  timeZone: 'UTC',
  running: 'drain',
});
const guarded: StageChange = {
  after: [staging],
  soakMs: 1_000,
  gates: {
    approvals,
    windows: [windowOf('weekend', 'deny')],
    statuses: ['load-test'],
    verifications: [{ name: 'smoke', job: 'a.yaml', timeoutMs: 1, in: [], clusters: 'one' }],
  },
};
const pipeline = (change: StageChange = guarded): PipelineDefinition =>
  definitionOf(stageOf('staging', { promote: 'manual' }), stageOf('production', change));

const author = { subject: 'ada', groups: [], emails: [], permissions: ['define'] } as const;
const trusted = { ...author, permissions: ['define', 'allow-automatic-promotion'] } as const;

function after(definition: PipelineDefinition): PipelineState {
  const decided = decidePipeline(initialPipelineState, { type: 'define-pipeline', definition });
  if (!decided.ok) throw new Error(decided.error.detail);
  return decided.value.reduce(evolvePipeline, initialPipelineState);
}
const refusal = (
  state: PipelineState,
  definition: PipelineDefinition,
  by: typeof author | typeof trusted = author,
) => {
  const decided = decidePipeline(state, { type: 'define-pipeline', definition, by });
  return decided.ok ? 'accepted' : `${decided.error.code} ${decided.error.detail}`;
};

test('CFG-04: a stage that is promoted automatically needs a right of its own', () => {
  expect(refusal(initialPipelineState, pipeline())).toContain('permission_missing');
  expect(refusal(initialPipelineState, pipeline(), trusted)).toBe('accepted');
  const manual = pipeline({ ...guarded, promote: 'manual' });
  expect(refusal(initialPipelineState, manual)).toBe('accepted');
  expect(refusal(after(manual), pipeline())).toContain('production is promoted automatically');
  expect(refusal(after(pipeline()), manual)).toBe('accepted');
});

const gates = (change: object): StageChange => ({
  ...guarded,
  gates: { ...guarded.gates, ...change },
});
test.each([
  ['takes other clusters', { ...guarded, matchLabels: { environment: 'other' } }],
  ['no longer comes after staging', { ...guarded, after: [] }],
  ['takes what is further on already', { ...guarded, backfill: true }],
  ['soaks for less', { ...guarded, soakMs: 999 }],
  ['asks for other approvals', gates({ approvals: { ...approvals, required: 1 } })],
  ['asks for other approvals', gates({ approvals: { ...approvals, excludeAuthor: false } })],
  ['asks for other approvals', gates({ approvals: { ...approvals, from: [] } })],
  ['has other windows', gates({ windows: [] })],
  ['has other windows', gates({ windows: [windowOf('night', 'deny')] })],
  ['asks for fewer statuses', gates({ statuses: [] })],
  ['verifies less', gates({ verifications: [] })],
] as [string, StageChange][])(
  'CFG-04: a stage that %s promotes more by itself',
  (words, change) => {
    expect(refusal(after(pipeline()), pipeline(change))).toContain(words);
    expect(refusal(after(pipeline()), pipeline(change), trusted)).toBe('accepted');
  },
);

test.each([
  ['fewer clusters', { ...guarded, matchLabels: { environment: 'production', tier: 'a' } }],
  ['a longer soak', { ...guarded, soakMs: 2_000 }],
  ['more approvals', gates({ approvals: { ...approvals, required: 3 } })],
  [
    'one more window that forbids',
    gates({ windows: [windowOf('weekend', 'deny'), windowOf('night', 'deny')] }),
  ],
  ['one more status', gates({ statuses: ['load-test', 'licences'] })],
  ['another path', { ...guarded, path: 'apps/other' }],
] as [string, StageChange][])('CFG-04: %s needs no such right', (_words, change) => {
  expect(refusal(after(pipeline()), pipeline(change))).toBe('accepted');
});

test('CFG-04: a second window that allows opens more, and so does a rule for reverts', () => {
  const allowed = (...names: string[]) =>
    pipeline(gates({ windows: names.map((name) => windowOf(name, 'allow')) }));
  expect(refusal(after(allowed('day')), allowed('day', 'night'))).toContain('has more windows');
  const plain = pipeline();
  const reverting = {
    ...plain,
    releases: { ...plain.releases, revertBypasses: ['soak'] as const },
  };
  expect(refusal(after(plain), reverting)).toContain('reverts pass without soak');
});
