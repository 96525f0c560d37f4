import type { ApprovalRequestId, NewId } from '@fairlead/shared/ids';
import { describe, expect, test } from 'vitest';
import type { Person } from '../../hub/index.ts';
import type { ApprovalPolicy } from '../../pipeline/definition.ts';
import type { PipelineCommand } from '../commands.ts';
import { explain, nextWakeAt } from '../explain.ts';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  production,
  release,
  type StageChange,
  type Story,
  stageOf,
  staging,
} from '../testing-story.ts';
import { requestsKeptMax, requestsOpenMax } from './limits.ts';

const hourMs = 60 * minuteMs;
const person = (subject: string, change: Partial<Person> = {}): Person => ({
  subject,
  groups: ['release-managers'],
  emails: [`${subject}@corp.example`],
  permissions: ['approve', 'promote'],
  ...change,
});
const [ada, grace, linus] = [person('ada'), person('grace'), person('linus')];

const policy = (change: Partial<ApprovalPolicy> = {}): ApprovalPolicy => ({
  required: 2,
  from: ['group:release-managers'],
  including: [],
  excludeAuthor: true,
  excludeRequester: true,
  expiresAfterMs: 24 * hourMs,
  strict: true,
  recheckVoters: true,
  ...change,
});

const definition = (approvals: Partial<ApprovalPolicy> = {}, change: StageChange = {}) =>
  definitionOf(
    stageOf('staging'),
    stageOf('production', {
      after: [staging],
      ...change,
      gates: { approvals: policy(approvals), ...change.gates },
    }),
  );

/** c1 has succeeded in staging and waits for approvals of production. */
function waiting(approvals: Partial<ApprovalPolicy> = {}, change: StageChange = {}): Story {
  const story = createStory(definition(approvals, change))
    .cluster('stg', 'staging')
    .cluster('prd', 'production')
    .surround({ people: [ada, grace, linus] });
  story.push(1).rollOut(staging).advance();
  return story;
}

let votes = 0;
const nextId = () => `request${String(++votes).padStart(4, '0')}` as NewId;
type Approve = Extract<PipelineCommand, { type: 'approve' }>;

const approval = (story: Story, by: Person, change: Partial<Approve> = {}): PipelineCommand => ({
  type: 'approve',
  stage: production,
  release: commit(1),
  by,
  comment: 'looks good',
  at: story.now,
  newId: nextId(),
  ...change,
});
const rejection = (story: Story, by: Person, of = commit(1)): PipelineCommand => ({
  type: 'reject',
  stage: production,
  release: of,
  by,
  reason: 'not now',
  at: story.now,
  newId: nextId(),
});
const withdrawal = (story: Story, by: Person): PipelineCommand => ({
  type: 'withdraw-approval',
  stage: production,
  release: commit(1),
  by,
  at: story.now,
});
const requestId = (story: Story): ApprovalRequestId =>
  story.eventsOf('ApprovalRequested').at(-1)?.requestId as ApprovalRequestId;
const admitted = (story: Story, of = commit(1)) =>
  story.eventsOf('ReleaseAdmitted').some((one) => one.stage === production && one.release === of);
const gateOf = (story: Story) =>
  explain(story.state, production, story.snapshot(), commit(1))?.gates.find(
    ({ gate }) => gate === 'approval',
  );

describe('requests', () => {
  test('GATE-15: a release waits until enough people have approved it, and the admission says who', () => {
    const story = waiting();
    expect(story.eventsOf('ApprovalRequested')).toMatchObject([
      { stage: production, release: commit(1), definitionRevision: 1 },
    ]);
    story.execute(approval(story, ada, { requestId: requestId(story) }));
    story.advance();
    expect(admitted(story)).toBe(false);
    expect(gateOf(story)?.detail).toContain('1 of 2 approvals (ada)');
    story.pass(minuteMs).execute(approval(story, grace, { requestId: requestId(story) }));
    story.advance();
    const admission = story.eventsOf('ReleaseAdmitted').at(-1);
    expect(admission?.gates.find(({ gate }) => gate === 'approval')).toMatchObject({
      passed: true,
      detail: expect.stringContaining('ada, grace'),
      evidence: {
        requestId: requestId(story),
        required: 2,
        counted: 2,
        'vote.ada': expect.stringContaining('approved at'),
        'vote.grace': expect.stringContaining('approved at'),
      },
    });
  });

  test('GATE-07: waiting for approvals holds no slot, and an approval may come before the other gates pass', () => {
    const story = waiting({ required: 1 }, { soakMs: hourMs });
    story.execute(approval(story, ada));
    story.advance();
    expect(story.stage(production).rollout).toBeUndefined();
    expect(admitted(story)).toBe(false);
    story.pass(hourMs).advance();
    expect(admitted(story)).toBe(true);
  });

  test('GATE-07: what has not come through staging can be approved, and stays bound to that release', () => {
    const story = waiting({ required: 1 });
    story.push(2);
    story.execute(approval(story, ada, { release: commit(2) }));
    story.advance();
    story.settle(staging).advance();
    expect(admitted(story, commit(2))).toBe(true);
    expect(admitted(story, commit(1))).toBe(false);
  });

  test('a stage that is promoted by hand asks for approvals when somebody promotes', () => {
    const story = waiting({ required: 1 }, { promote: 'manual' });
    expect(story.eventsOf('ApprovalRequested')).toEqual([]);
    story.execute(story.promote(production, commit(1)));
    story.advance();
    expect(story.eventsOf('ApprovalRequested')).toHaveLength(1);
  });

  test('requests are bounded: open ones by a refusal, closed ones are forgotten oldest first', () => {
    const story = waiting({ expiresAfterMs: hourMs, required: 1 });
    const numbers = Array.from({ length: requestsKeptMax + 10 }, (_, index) => 1001 + index);
    story.push(...numbers);
    const refusedAt: number[] = [];
    for (const [index, number] of numbers.entries()) {
      const early = () => approval(story, ada, { release: commit(number) });
      if (story.refusalOf(early()) === 'too_many_approval_requests') {
        refusedAt.push(index);
        story.pass(hourMs).advance();
      }
      story.execute(early());
    }
    // The request of c1 is one of the first fifty.
    expect(refusedAt.slice(0, 2)).toEqual([requestsOpenMax - 1, 2 * requestsOpenMax - 1]);
    story.pass(hourMs).advance();
    expect(story.stage(production).approvals.size).toBeLessThanOrEqual(requestsKeptMax);
  });
});

describe('votes', () => {
  test('GATE-01: a vote for another request, release or stage is refused and nothing is recorded', () => {
    const story = waiting({ required: 1 });
    const old = requestId(story);
    story.push(2).rollOut(staging).advance();
    expect(requestId(story)).not.toBe(old);
    const count = story.events.length;
    const refusals = [
      approval(story, ada, { release: commit(2), requestId: old }),
      approval(story, ada, { release: commit(1), requestId: requestId(story) }),
      approval(story, ada, { release: commit(2), requestId: 'nothing00' as ApprovalRequestId }),
    ].map(story.refusalOf);
    expect(refusals).toEqual(Array(3).fill('approval_request_changed'));
    const inStaging = approval(story, ada, { stage: staging, requestId: requestId(story) });
    expect(story.refusalOf(inStaging)).toBe('no_approvals_asked');
    expect(story.events).toHaveLength(count);
    story.advance();
    expect(admitted(story, commit(2))).toBe(false);
  });

  test('GATE-03: one subject counts once, by however many tokens', () => {
    const story = waiting();
    story.execute(approval(story, ada));
    expect(story.refusalOf(approval(story, { ...ada, groups: ['release-managers', 'x'] }))).toBe(
      'already_approved',
    );
    story.advance();
    expect(admitted(story)).toBe(false);
  });

  test('GATE-03: the author has no vote, by any of their addresses and in any case', () => {
    const story = waiting({ required: 1 });
    const author = person('lovelace', { emails: ['x@corp.example', 'ADA@Example.com'] });
    expect(story.refusalOf(approval(story, author))).toBe('approver_not_allowed');
    expect(story.refusalOf(approval(story, person('unknown', { emails: [] })))).toBe(
      'approver_not_allowed',
    );
    const lenient = waiting({ required: 1, excludeAuthor: false });
    expect(lenient.refusalOf(approval(lenient, author))).toBe('accepted');
  });

  test('GATE-03: the requester has no vote, also when they approved first and asked then', () => {
    const asks = { type: 'promote', stage: production, release: commit(1), force: false } as const;
    const story = waiting({ required: 1 }, { promote: 'manual' });
    story.execute({ ...asks, at: story.now, by: ada });
    expect(story.refusalOf(approval(story, ada))).toBe('approver_not_allowed');

    const first = waiting({ required: 1 }, { promote: 'manual' });
    first.execute(approval(first, ada));
    first.execute({ ...asks, at: first.now, by: ada });
    first.advance();
    expect(admitted(first)).toBe(false);
    expect(gateOf(first)).toMatchObject({
      evidence: { counted: 0, 'vote.ada': expect.stringContaining('requester has no vote') },
    });
    first.execute(approval(first, grace));
    first.advance();
    expect(admitted(first)).toBe(true);
  });

  test('whoever is not among the voters is refused, and one of `including` must be among them', () => {
    const story = waiting({ including: ['group:security'] });
    expect(story.refusalOf(approval(story, person('eve', { groups: ['interns'] })))).toBe(
      'approver_not_allowed',
    );
    expect(story.refusalOf(approval(story, person('eve', { permissions: [] })))).toBe(
      'permission_missing',
    );
    story.execute(approval(story, ada));
    story.execute(approval(story, grace));
    story.advance();
    expect(admitted(story)).toBe(false);
    expect(gateOf(story)?.detail).toContain('one of group:security is missing');
    const guard = person('guard', { groups: ['security'] });
    story.surround({ people: [ada, grace, guard] });
    story.execute(approval(story, guard));
    story.advance();
    expect(admitted(story)).toBe(true);
  });

  test.each([
    ['is not known to the hub any more', []],
    ['may not approve any more', [{ ...grace, permissions: [] }]],
    ['is none of group:release-managers', [{ ...grace, groups: ['interns'] }]],
    ['is the author', [{ ...grace, emails: ['ada@example.com'] }]],
  ] as const)('GATE-04: the vote of somebody who meanwhile %s does not count', (words, people) => {
    const story = waiting({}, { soakMs: hourMs });
    story.execute(approval(story, ada));
    story.execute(approval(story, grace));
    story.surround({ people: [ada, ...people] });
    story.pass(hourMs).advance();
    expect(admitted(story)).toBe(false);
    expect(gateOf(story)).toMatchObject({
      passed: false,
      detail: expect.stringContaining(words),
      evidence: { counted: 1, 'vote.grace': expect.stringContaining(words) },
    });
    story.execute(approval(story, linus));
    story.surround({ people: [ada, linus, ...people] });
    story.advance();
    const gate = story
      .eventsOf('ReleaseAdmitted')
      .at(-1)
      ?.gates.find((one) => one.gate === 'approval');
    expect(gate?.evidence).toMatchObject({
      counted: 2,
      'vote.grace': expect.stringContaining(words),
    });
  });

  test('GATE-04: a policy that does not look again counts the vote as it was given', () => {
    const story = waiting({ required: 1, recheckVoters: false }, { soakMs: hourMs });
    story.execute(approval(story, ada));
    story.surround({ people: [] });
    story.pass(hourMs).advance();
    expect(admitted(story)).toBe(true);
  });

  test('GATE-05: one rejection ends the request, whatever was approved; only a promotion asks again', () => {
    const story = waiting();
    story.execute(approval(story, ada));
    const old = requestId(story);
    story.execute(rejection(story, grace));
    expect(story.refusalOf(approval(story, linus, { requestId: old }))).toBe(
      'approval_request_closed',
    );
    expect(story.refusalOf(approval(story, linus))).toBe('approval_request_closed');
    story.pass(hourMs).advance();
    expect(story.eventsOf('ApprovalRequested')).toHaveLength(1);
    expect(gateOf(story)?.detail).toContain('rejected by grace: not now');
    story.execute({ ...promotion(story), newId: nextId() });
    expect(requestId(story)).not.toBe(old);
    story.execute(approval(story, ada));
    story.execute(approval(story, grace));
    story.advance();
    expect(admitted(story)).toBe(true);
  });

  const promotion = (story: Story) =>
    ({
      type: 'promote',
      stage: production,
      release: commit(1),
      force: false,
      at: story.now,
      by: linus,
    }) as const;

  test('GATE-05: an approval may be withdrawn until the admission, and not after it', () => {
    const story = waiting({ required: 1 }, { soakMs: hourMs });
    expect(story.refusalOf(withdrawal(story, ada))).toBe('no_vote_to_withdraw');
    story.execute(approval(story, ada));
    story.execute(withdrawal(story, ada));
    story.pass(hourMs).advance();
    expect(admitted(story)).toBe(false);
    story.execute(approval(story, ada));
    story.advance();
    expect(admitted(story)).toBe(true);
    expect(story.refusalOf(withdrawal(story, ada))).toBe('approval_request_closed');
  });
});

describe('the end of a request', () => {
  test('GATE-06: it counts until just before its time, has expired exactly at it, and needs a new one', () => {
    const story = waiting({ required: 1, expiresAfterMs: hourMs }, { soakMs: 2 * hourMs });
    const requestedAt = story.eventsOf('ApprovalRequested')[0]?.at ?? 0;
    expect(nextWakeAt(story.state, story.snapshot())).toBe(requestedAt + hourMs);
    story.execute(approval(story, ada));
    story.pass(hourMs - 1).advance();
    expect(gateOf(story)?.passed).toBe(true);
    expect(story.eventsOf('ApprovalExpired')).toEqual([]);
    story.pass(1);
    expect(gateOf(story)?.passed).toBe(false);
    const late = approval(story, grace, { requestId: requestId(story) });
    expect(story.refusalOf(late)).toBe('approval_request_closed');
    story.advance();
    expect(story.eventsOf('ApprovalExpired')).toMatchObject([{ at: requestedAt + hourMs }]);
    story.pass(2 * hourMs).advance();
    expect(admitted(story)).toBe(false);
    // Nothing asks for ever by itself.
    expect(story.eventsOf('ApprovalRequested')).toHaveLength(1);
    story.execute(approval(story, grace));
    expect(story.eventsOf('ApprovalRequested').at(-1)).toMatchObject({ by: 'grace' });
    story.advance();
    expect(admitted(story)).toBe(true);
  });

  test('GATE-06: a promotion after the expiry asks again, once', () => {
    const story = waiting({ required: 1, expiresAfterMs: hourMs }, { promote: 'manual' });
    const promote = () =>
      story.execute({
        type: 'promote',
        stage: production,
        release: commit(1),
        force: false,
        at: story.now,
        by: ada,
        newId: nextId(),
      });
    promote();
    story.advance();
    story.pass(hourMs).advance();
    expect(story.types(production)).toContain('ApprovalExpired');
    promote();
    promote();
    expect(story.eventsOf('ApprovalRequested')).toHaveLength(2);
  });

  test.each([
    ['path', { path: 'apps/other' }],
    ['clusters', { matchLabels: { environment: 'production', region: 'eu' } }],
    ['apply', { apply: { ...stageOf('production').apply, prune: false } }],
    ['render', { render: { helm: { releaseName: 'other', valuesFiles: [], values: {} } } }],
  ] as [string, StageChange][])(
    'GATE-02: a change of %s voids what was approved before it, and asks again',
    (what, change) => {
      const story = waiting({ required: 1 }, { soakMs: hourMs });
      story.execute(approval(story, ada));
      const old = requestId(story);
      story.execute({
        type: 'define-pipeline',
        definition: definition({ required: 1 }, { soakMs: hourMs, ...change }),
      });
      expect(gateOf(story)?.passed).toBe(false);
      expect(story.refusalOf(approval(story, grace, { requestId: old }))).toBe(
        'approval_request_changed',
      );
      story.pass(hourMs).advance();
      expect(story.eventsOf('ApprovalVoided')).toMatchObject([
        { requestId: old, reason: expect.stringContaining(what) },
      ]);
      expect(admitted(story)).toBe(false);
      expect(story.eventsOf('ApprovalRequested').at(-1)).toMatchObject({ definitionRevision: 2 });
    },
  );

  test('GATE-02: a change of strict itself hides nothing, and a change of the soak voids nothing', () => {
    const story = waiting({ required: 1 }, { soakMs: hourMs });
    story.execute(approval(story, ada));
    const change = { soakMs: 2 * hourMs };
    story.execute({ type: 'define-pipeline', definition: definition({ required: 1 }, change) });
    story.advance();
    expect(story.eventsOf('ApprovalVoided')).toEqual([]);
    const lenient = definition({ required: 1, strict: false }, { ...change, path: 'apps/other' });
    story.execute({ type: 'define-pipeline', definition: lenient });
    story.advance();
    expect(story.eventsOf('ApprovalVoided')).toHaveLength(1);
    const other = definition({ required: 1, strict: false }, { ...change, path: 'apps/third' });
    story.execute(approval(story, ada));
    story.execute({ type: 'define-pipeline', definition: other });
    story.advance();
    expect(story.eventsOf('ApprovalVoided')).toHaveLength(1);
  });

  test('Q-01: the request of a superseded release is void, and its votes with it', () => {
    const story = waiting({ required: 2 });
    story.execute(approval(story, ada));
    const old = requestId(story);
    story.push(2).rollOut(staging).advance();
    expect(story.outcome(production, commit(1))).toBe('superseded');
    expect(story.eventsOf('ApprovalVoided')).toMatchObject([
      { release: commit(1), requestId: old, reason: expect.stringContaining('superseded by') },
    ]);
    expect(story.refusalOf(approval(story, grace, { requestId: old }))).toBe(
      'approval_request_closed',
    );
    expect(story.eventsOf('ApprovalRequested').at(-1)).toMatchObject({ release: commit(2) });
  });

  test('SRC-03: the request of a release that the branch dropped is void', () => {
    const story = waiting();
    story.branch(release(1, 'f'));
    story.advance();
    expect(story.eventsOf('ApprovalVoided')).toMatchObject([{ release: commit(1) }]);
  });

  test('GATE-08: an approval for one stage has no effect on another', () => {
    const asking = (name: string) =>
      stageOf(name, { after: [staging], gates: { approvals: policy({ required: 1 }) } });
    const story = createStory(definitionOf(stageOf('staging'), asking('europe'), asking('asia')))
      .cluster('stg', 'staging')
      .cluster('eu', 'europe')
      .cluster('as', 'asia')
      .surround({ people: [ada, grace] });
    story.push(1).rollOut(staging).advance();
    const [first] = story.eventsOf('ApprovalRequested');
    expect(story.eventsOf('ApprovalRequested')).toHaveLength(2);
    const other = first?.stage === 'asia' ? 'europe' : 'asia';
    const { stage, requestId: id } = first as NonNullable<typeof first>;
    expect(
      story.refusalOf(approval(story, ada, { stage: other as typeof stage, requestId: id })),
    ).toBe('approval_request_changed');
    story.execute(approval(story, ada, { stage, requestId: id }));
    story.advance();
    expect(story.eventsOf('ReleaseAdmitted').map((one) => one.stage)).toEqual([staging, stage]);
  });

  test('RB-10: what comes again after a failure, by a person, needs approvals of its own', () => {
    const story = waiting({ required: 1 });
    story.execute(approval(story, ada));
    story.advance();
    story.settle(production, { phase: 'failed', health: 'degraded' });
    expect(story.outcome(production, commit(1))).toBe('failed');
    story.execute(story.promote(production, commit(1), true));
    story.advance();
    expect(story.stage(production).rollout).toBeUndefined();
    expect(story.eventsOf('ApprovalRequested')).toHaveLength(2);
    story.execute(approval(story, grace));
    story.advance();
    expect(story.stage(production).rollout?.kind).toBe('forced');
  });
});

test('what a person asked for and what comes by itself are both asked about', () => {
  const story = waiting(
    { required: 1 },
    { supersede: { mode: 'finish-current', soaks: 0, interrupt: false } },
  );
  story.push(2).rollOut(staging).advance();
  expect(story.stage(production).pinned).toBe(commit(1));
  story.execute(story.promote(production, commit(2)));
  story.advance();
  expect(story.eventsOf('ApprovalRequested').map((one) => one.release)).toEqual([
    commit(1),
    commit(2),
  ]);
  expect(story.eventsOf('ApprovalVoided')).toEqual([]);
});
