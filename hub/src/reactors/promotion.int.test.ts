import type { PipelineName, StageName } from '@fairlead/shared/ids';
import { createLogger } from '@fairlead/shared/log';
import { systemRandom } from '@fairlead/shared/time';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCommandHandler } from '../commands/index.ts';
import { openSqliteDecisionLog } from '../decision-log/index.ts';
import { streams } from '../domain/events.ts';
import {
  type ClusterSnapshot,
  type PipelineEvent,
  snapshotOf,
  type TargetReport,
} from '../domain/promotion/index.ts';
import { promotionSweepMs, promotionSweepStepMs } from '../limits.ts';
import { clusterId, commitId, definition, report } from '../read-model/testing/index.ts';
import { createPromotionReactor } from './index.ts';

const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));
const actor = { kind: 'person', name: 'ada' } as const;
const name = 'checkout' as PipelineName;
const staging = 'staging' as StageName;
let life: AbortController;
beforeEach(() => {
  life = new AbortController();
});
afterEach(() => life.abort());

const cluster: ClusterSnapshot = {
  id: clusterId('eu-1'),
  name: 'eu-1' as never,
  labels: { environment: 'staging' },
  status: 'connected',
};

/** Says that the first release runs and is healthy. */
const settledReport = (at: number): TargetReport =>
  report(cluster.name, name, { receivedAt: at, healthySince: at, healthBreaks: 0 });

/** A real log and the real core; the reactor's looks are counted, and a test decides what wakes it. */
async function open(names: readonly PipelineName[] = [name]) {
  const log = await openSqliteDecisionLog({ path: ':memory:' });
  const clock = { at: 1_000_000, now: () => clock.at };
  const commands = createCommandHandler({ log, clock });
  for (const each of names) {
    await commands.pipeline(each, { type: 'define-pipeline', definition: definition(each) }, actor);
  }
  const releases = [
    {
      commit: commitId(1),
      position: 1,
      subject: 'one',
      authorName: 'Ada',
      authorEmail: 'ada@example.com',
      committedAt: 1,
    },
  ];
  const branch = { head: commitId(1), releases, onBranch: [commitId(1)] };
  for (const each of names) {
    await commands.pipeline(each, { type: 'record-branch', ...branch, at: clock.at }, actor);
  }
  const reports: TargetReport[] = [];
  let looks = 0;
  const reactor = createPromotionReactor({
    commands,
    pipelineNames: () => names,
    snapshotOf: async (_, at) => {
      looks++;
      return snapshotOf({ at, clusters: [cluster], reports });
    },
    clock,
    random: systemRandom,
    signal: life.signal,
    logger: createLogger('test', 'silent'),
  });
  const events = async () => {
    const found: { position: number; event: PipelineEvent }[] = [];
    for await (const { position, event } of log.readStream(streams.pipeline(name))) {
      found.push({ position, event: event as PipelineEvent });
    }
    return found;
  };
  const eventually = async (what: string, holds: () => Promise<boolean> | boolean) => {
    const until = Date.now() + 10_000;
    while (!(await holds())) {
      if (Date.now() > until) throw new Error(`${what}: not in time`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { log, reactor, commands, clock, reports, events, eventually, looks: () => looks };
}

describe('what wakes the promotion loop', () => {
  test('its own events are no news to it, and everything else is', async () => {
    const { reactor, commands, clock, reports, events, eventually, looks } = await open();
    const has = (type: PipelineEvent['type']) => async () =>
      (await events()).some(({ event }) => event.type === type);
    await eventually('the rollout starts', has('TargetAssigned'));
    reports.push(settledReport(clock.at));
    const before = (await events()).at(-1)?.position ?? 0;
    reactor.wake([name]);
    await eventually('the rollout succeeds', has('RolloutSucceeded'));
    const after = (await events()).at(-1)?.position ?? 0;
    await turnOfLoop();
    const seen = looks();

    // A look begins in the turn of its wake, so one that did not come by the next does not come.
    reactor.wake([name], new Map([[name, { first: before + 1, last: after }]]));
    await turnOfLoop();
    expect(looks()).toBe(seen);

    await commands.pipeline(name, { type: 'hold-stage', stage: staging, reason: 'x' }, actor);
    const held = (await events()).at(-1)?.position ?? 0;
    reactor.wake([name], new Map([[name, { first: before + 1, last: held }]]));
    await eventually('a look at what a person did', () => looks() === seen + 1);
    reactor.wake([name]);
    await eventually('a look at reports', () => looks() === seen + 2);
  }, 30_000);

  test('what no wake names is looked at again two minutes after the last look, and not before', async () => {
    const { reactor, clock, eventually, looks } = await open();
    await eventually('the first look', () => looks() === 1);
    clock.at += promotionSweepMs - 1;
    reactor.wake([]);
    await turnOfLoop();
    expect(looks()).toBe(1);
    reactor.wake([name]);
    await eventually('a look at news', () => looks() === 2);
    clock.at += promotionSweepMs - 1;
    reactor.wake([]);
    await turnOfLoop();
    expect(looks()).toBe(2);
    clock.at += promotionSweepStepMs;
    reactor.wake([]);
    await eventually('the sweep', () => looks() === 3);

    clock.at -= 3_600_000;
    reactor.wake([]);
    await eventually('a look by a clock that was set back', () => looks() === 4);
  }, 30_000);

  test('pipelines with news are decided on side by side, and what they append is committed together', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `app-${index}` as PipelineName);
    const { log, reactor, reports, clock, eventually } = await open(names);
    const everyOneHas = (type: PipelineEvent['type']) => async () => {
      const entries = await log.readAfter(0, 1_000);
      return entries.filter(({ event }) => event.type === type).length === names.length;
    };
    await eventually('every rollout starts', everyOneHas('TargetAssigned'));
    reports.push(settledReport(clock.at));
    let commits = 0;
    log.onAppended(() => commits++);
    reactor.wake(names);
    await eventually('every rollout succeeds', everyOneHas('RolloutSucceeded'));
    expect(commits).toBeLessThanOrEqual(names.length / 2);
  }, 30_000);
});
