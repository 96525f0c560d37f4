import type { FreezeId, PipelineName, ProjectName, StageName } from '@fairlead/shared/ids';
import { specify } from '@fairlead/shared/testing';
import { describe, expect, it, test } from 'vitest';
import {
  covers,
  decideFreeze,
  evolveFreezes,
  type Freeze,
  type FreezeCommand,
  type FreezeEvent,
  type FreezeScope,
  inForce,
  initialFreezesState,
  nextFreezeChange,
  scopeText,
} from './index.ts';

const given = specify({
  initialState: initialFreezesState,
  decide: decideFreeze,
  evolve: evolveFreezes,
});
const hub: FreezeScope = { kind: 'hub' };
const id = (text: string) => text as FreezeId;

const declare = (
  name: string,
  change: Partial<Extract<FreezeCommand, { type: 'declare-freeze' }>> = {},
): FreezeCommand => ({
  type: 'declare-freeze',
  id: id(name),
  scope: hub,
  reason: 'the last week of the year',
  by: 'ada',
  at: 100,
  running: 'drain',
  ...change,
});

const declared = (name: string, change: Partial<Freeze> = {}, at = 100): FreezeEvent => ({
  type: 'FreezeDeclared',
  freeze: {
    id: id(name),
    scope: hub,
    reason: 'why',
    by: 'ada',
    from: at,
    running: 'drain',
    ...change,
  },
  at,
});

test('a freeze begins at once and lasts until it is lifted, unless it says otherwise', () => {
  const { result, state } = given([]).when(declare('a'));
  expect(result).toMatchObject({ ok: true, value: [{ type: 'FreezeDeclared', at: 100 }] });
  expect(inForce(state, 100)).toMatchObject([{ id: 'a', from: 100, by: 'ada' }]);
  expect(nextFreezeChange(state, 100)).toBeUndefined();
  const lift: FreezeCommand = {
    type: 'lift-freeze',
    id: id('a'),
    reason: 'over',
    by: 'eve',
    at: 150,
  };
  expect(inForce(given([declared('a')]).when(lift).state, 150)).toEqual([]);
});

test('a freeze that was planned is in force from its start to its end, the end excluded', () => {
  const { state } = given([]).when(declare('a', { from: 200, until: 300 }));
  expect([100, 199, 200, 299, 300].map((at) => inForce(state, at).length)).toEqual([0, 0, 1, 1, 0]);
  expect([100, 200, 300].map((at) => nextFreezeChange(state, at))).toEqual([200, 300, undefined]);
});

test('WIN-01: one that began at once is in force also for a clock that was set back', () => {
  const { state } = given([]).when(declare('a', { at: 5_000 }));
  expect(inForce(state, 1_000)).toHaveLength(1);
});

test('every fault of a declaration is told at once', () => {
  const { result } = given([]).when(declare('a', { reason: ' ', from: 50, until: 40 }));
  expect(result).toMatchObject({
    ok: false,
    error: {
      code: 'freeze_not_valid',
      detail: expect.stringMatching(/reason; .*past.*; .*later than its start/),
    },
  });
});

test.each(['nothing', 'lifted', 'ended'])('what is %s cannot be lifted', (name) => {
  const lift: FreezeCommand = { type: 'lift-freeze', id: id(name), reason: '', by: 'ada', at: 500 };
  const lifted: FreezeEvent = {
    type: 'FreezeLifted',
    id: id('lifted'),
    reason: '',
    by: 'a',
    at: 200,
  };
  const events = [declared('lifted'), lifted, declared('ended', { until: 400 })];
  expect(given(events).when(lift).result).toMatchObject({
    ok: false,
    error: { code: 'freeze_not_found' },
  });
});

test('there is a limit to freezes, which those that have ended do not count to', () => {
  const many = Array.from({ length: 500 }, (_, index) => declared(`f${index}`, { until: 1_000 }));
  const refused = given(many).when(declare('more', { at: 999 }));
  expect(refused.result).toMatchObject({ ok: false, error: { code: 'too_many_freezes' } });
  const taken = given(many).when(declare('more', { at: 1_000 }));
  expect(taken.result.ok).toBe(true);
  expect(taken.state.freezes.size).toBe(1);
});

test('the same id is declared once', () => {
  expect(given([declared('a')]).when(declare('a')).result).toMatchObject({
    ok: false,
    error: { code: 'freeze_already_declared' },
  });
});

describe('scopes', () => {
  const pipeline = 'checkout' as PipelineName;
  const stage = 'production' as StageName;
  const place = { project: 'shop' as ProjectName, pipeline, stage };
  it.each<[FreezeScope, boolean, string]>([
    [hub, true, 'the whole hub'],
    [{ kind: 'project', project: 'shop' as ProjectName }, true, 'project shop'],
    [{ kind: 'project', project: 'bank' as ProjectName }, false, 'project bank'],
    [{ kind: 'pipeline', pipeline }, true, 'pipeline checkout'],
    [{ kind: 'pipeline', pipeline: 'cart' as PipelineName }, false, 'pipeline cart'],
    [{ kind: 'stage', pipeline, stage }, true, 'stage checkout/production'],
    [{ kind: 'stage', pipeline, stage: 'staging' as StageName }, false, 'stage checkout/staging'],
    [{ kind: 'stage', pipeline: 'cart' as PipelineName, stage }, false, 'stage cart/production'],
  ])('WIN-06: %o covers the stage: %s', (scope, covered, text) => {
    expect(covers(scope, place)).toBe(covered);
    expect(scopeText(scope)).toBe(text);
  });
});
