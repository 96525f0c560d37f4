import { describe, expect, test } from 'vitest';
import type { Person } from '../hub/index.ts';
import type { ApprovalPolicy, BypassableGate, PipelineDefinition } from '../pipeline/definition.ts';
import type { PipelineCommand } from './commands.ts';
import { explain } from './explain.ts';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  production,
  release,
  type StageChange,
  type Story,
  settledStory,
  stageOf,
  staging,
} from './testing-story.ts';

const onCall: Person = {
  subject: 'ada',
  groups: ['on-call'],
  emails: [],
  permissions: ['promote', 'hotfix'],
};
const approvals: ApprovalPolicy = {
  required: 1,
  from: [],
  including: [],
  excludeAuthor: false,
  excludeRequester: false,
  expiresAfterMs: 0,
  strict: true,
  recheckVoters: true,
};
const allowing = (...mayBypass: BypassableGate[]): StageChange => ({
  hotfix: { mayBypass, from: ['group:on-call'] },
});
const definition = (change: StageChange): PipelineDefinition =>
  definitionOf(stageOf('staging'), stageOf('production', { after: [staging], ...change }));

const hotfix = (
  story: Story,
  of: number,
  bypass: BypassableGate[],
  by: Person = onCall,
): PipelineCommand => ({
  type: 'promote',
  stage: production,
  release: commit(of),
  force: false,
  at: story.now,
  by,
  hotfix: { bypass, reason: 'the shop is down' },
});
const explained = (story: Story, of?: number) =>
  explain(story.state, production, story.snapshot(), of ? commit(of) : undefined);

describe('asking for a hotfix', () => {
  test('RB-11: it needs the permission, the membership, a policy of the stage and only its gates', () => {
    const story = settledStory(definition(allowing('order', 'health', 'soak'))).push(2);
    const refusal = (bypass: BypassableGate[], by?: Person) =>
      story.refusalOf(hotfix(story, 2, bypass, by));
    expect(refusal(['order'], { ...onCall, permissions: ['promote'] })).toBe('permission_missing');
    expect(refusal(['order'], { ...onCall, groups: [] })).toBe('permission_missing');
    expect(refusal(['order', 'approval'])).toBe('gate_not_bypassable');
    expect(refusal([])).toBe('gate_not_bypassable');
    expect(refusal(['order', 'health'])).toBe('accepted');
    const closed = settledStory(definition({})).push(2);
    expect(closed.refusalOf(hotfix(closed, 2, ['order']))).toBe('gate_not_bypassable');
    expect(story.refusalOf(hotfix(story, 2, ['health']))).toBe('release_not_eligible');
  });
});

describe('entering by a hotfix', () => {
  test('RB-11: production takes a release that staging never had, and the admission says by whose word', () => {
    const story = settledStory(definition(allowing('order', 'health'))).push(2);
    story.execute({ type: 'hold-stage', stage: staging, reason: 'x' });
    story.execute(hotfix(story, 2, ['order', 'health']));
    expect(explained(story)?.gates.filter(({ passed }) => !passed)).toMatchObject([
      { gate: 'order', bypassed: { by: 'ada', reason: 'the shop is down' } },
      { gate: 'health', bypassed: { by: 'ada', reason: 'the shop is down' } },
    ]);
    story.advance();
    expect(story.outcome(staging, commit(2))).toBeUndefined();
    expect(story.target(production, 'prd')?.release).toBe(commit(2));
    expect(story.eventsOf('RolloutStarted').at(-1)).toMatchObject({ kind: 'hotfix' });
    const { gates = [] } = story.eventsOf('ReleaseAdmitted').at(-1) ?? {};
    expect(gates.filter(({ bypassed }) => bypassed).map(({ gate }) => gate)).toEqual([
      'order',
      'health',
    ]);
    expect(gates.filter(({ passed }) => passed).map(({ gate }) => gate)).toEqual(
      expect.arrayContaining(['hold']),
    );
  });

  test('RB-11: the gates that it does not name still apply', () => {
    const gates = { approvals };
    const change = { ...allowing('order', 'health', 'approval'), gates };
    const story = createStory(definition(change)).cluster('prd', 'production').push(1, 2);
    story.execute(hotfix(story, 2, ['order', 'health']));
    story.advance();
    expect(story.target(production, 'prd')).toBeUndefined();
    expect(explained(story)?.summary).toContain('approval');
    story.execute(hotfix(story, 2, ['order', 'health', 'approval']));
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(2));
  });

  test('a gate that the policy does not allow any more is not passed by an older request', () => {
    const story = settledStory(definition(allowing('order', 'health'))).push(2);
    story.execute(hotfix(story, 2, ['order', 'health']));
    story.execute({ type: 'define-pipeline', definition: definition(allowing('health')) });
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(1));
  });

  test('RB-12: what is older in staging does not come over it by itself, and production is told to be ahead', () => {
    const story = settledStory(definition(allowing('order', 'health')));
    story.execute({ type: 'hold-stage', stage: staging, reason: 'x' });
    story.push(2, 3);
    story.execute(hotfix(story, 3, ['order', 'health']));
    story.advance();
    story.settle(production);
    expect(story.outcome(production, commit(3))).toBe('succeeded');
    expect(explained(story)?.ahead).toEqual({ release: commit(3), notIn: [staging] });
    expect(explained(story)?.summary).toContain('staging does not contain yet');

    // Staging goes on with the older one first: a person wants it there.
    story.execute({ type: 'resume-stage', stage: staging, reason: 'y' });
    story.execute(story.promote(staging, commit(2)));
    story.rollOut(staging).advance();
    expect(story.outcome(staging, commit(2))).toBe('succeeded');
    story.advance();
    expect(story.target(production, 'prd')?.release).toBe(commit(3));
    expect(story.refusalOf(story.promote(production, commit(2)))).toBe('release_not_eligible');
    expect(explained(story)?.ahead).toBeDefined();

    story.rollOut(staging).advance();
    expect(story.outcome(staging, commit(3))).toBe('succeeded');
    expect(explained(story)?.ahead).toBeUndefined();
    expect(story.target(production, 'prd')?.release).toBe(commit(3));
  });

  test('RB-12: a newer release that succeeded in staging ends it too, and is promoted', () => {
    const story = settledStory(definition(allowing('order', 'health')));
    story.execute({ type: 'hold-stage', stage: staging, reason: 'x' });
    story.push(2);
    story.execute(hotfix(story, 2, ['order', 'health']));
    story.advance();
    story.settle(production);
    story.push(3);
    story.execute({ type: 'resume-stage', stage: staging, reason: 'y' });
    story.rollOut(staging).advance();
    expect(explained(story)?.ahead).toBeUndefined();
    expect(story.target(production, 'prd')?.release).toBe(commit(3));
  });
});

describe('the rule for reverts', () => {
  const reverting = (...revertBypasses: BypassableGate[]): PipelineDefinition => {
    const plain = definition({ soakMs: 60 * minuteMs });
    return { ...plain, releases: { ...plain.releases, revertBypasses } };
  };
  const tree = (number: number, name: string) => ({ ...release(number), tree: name });
  const story = (...bypasses: BypassableGate[]) => {
    const one = createStory(reverting(...bypasses))
      .cluster('stg', 'staging')
      .cluster('prd', 'production');
    one.branch(tree(1, 'good')).rollOut(staging);
    one.pass(60 * minuteMs).advance();
    one.settle(production);
    one.branch(tree(1, 'good'), tree(2, 'bad')).rollOut(staging);
    one.pass(60 * minuteMs).advance();
    one.settle(production);
    expect(one.outcome(production, commit(2))).toBe('succeeded');
    return one;
  };
  const history = [tree(1, 'good'), tree(2, 'bad')];

  test('SRC-05: content that succeeded here before passes the named gates again, on record', () => {
    const one = story('soak').branch(...history, tree(3, 'good'));
    one.rollOut(staging).advance();
    expect(one.target(production, 'prd')?.release).toBe(commit(3));
    expect(one.eventsOf('RolloutStarted').at(-1)?.kind).toBe('promotion');
    const { gates = [] } = one.eventsOf('ReleaseAdmitted').at(-1) ?? {};
    expect(gates.find(({ gate }) => gate === 'soak')).toMatchObject({
      passed: false,
      bypassed: { by: 'revert rule', reason: expect.stringContaining('same content as c1000000') },
    });
  });

  test('SRC-05: other content soaks, and so does everything where the pipeline has no such rule', () => {
    const other = story('soak').branch(...history, tree(3, 'new'));
    other.rollOut(staging).advance();
    expect(other.target(production, 'prd')?.release).toBe(commit(2));
    const without = story().branch(...history, tree(3, 'good'));
    without.rollOut(staging).advance();
    expect(without.target(production, 'prd')?.release).toBe(commit(2));
  });

  test('SRC-05: what was rolled back proves nothing', () => {
    const one = story('soak');
    one.execute(one.rollback(production, commit(1)));
    one.settle(production);
    one.branch(...history, tree(3, 'bad'));
    one.rollOut(staging).advance();
    const soak = explained(one, 3)?.gates.find(({ gate }) => gate === 'soak');
    expect(soak).toMatchObject({ passed: false });
    expect(soak).not.toHaveProperty('bypassed');
  });

  test('SRC-05: with order among them, a revert goes to production at once', () => {
    const one = story('order', 'health', 'soak').branch(...history, tree(3, 'good'));
    one.advance();
    expect(one.target(production, 'prd')?.release).toBe(commit(3));
    expect(one.outcome(staging, commit(3))).toBe('running');
  });
});
