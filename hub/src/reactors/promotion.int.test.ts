import type { PipelineName, StageName } from '@fairlead/shared/ids';
import { createLogger } from '@fairlead/shared/log';
import { systemRandom } from '@fairlead/shared/time';
import { afterEach, describe, expect, test } from 'vitest';
import { createCommandHandler } from '../commands/index.ts';
import { openSqliteDecisionLog } from '../decision-log/index.ts';
import { streams } from '../domain/events.ts';
import {
  type ClusterSnapshot,
  type PipelineEvent,
  snapshotOf,
  type TargetReport,
} from '../domain/promotion/index.ts';
import { clusterId, commitId, definition } from '../read-model/testing/index.ts';
import { createPromotionReactor } from './index.ts';

const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));
const actor = { kind: 'person', name: 'ada' } as const;
const name = 'checkout' as PipelineName;
const staging = 'staging' as StageName;
const life = new AbortController();
afterEach(() => life.abort());

const cluster: ClusterSnapshot = {
  id: clusterId('eu-1'),
  name: 'eu-1' as never,
  labels: { environment: 'staging' },
  status: 'connected',
};

/** A real log and the real core; the reactor's looks are counted, and a test decides what wakes it. */
async function open() {
  const log = await openSqliteDecisionLog({ path: ':memory:' });
  const clock = { at: 1_000_000, now: () => clock.at };
  const commands = createCommandHandler({ log, clock });
  await commands.pipeline(name, { type: 'define-pipeline', definition: definition(name) }, actor);
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
  await commands.pipeline(name, { type: 'record-branch', ...branch, at: clock.at }, actor);
  const reports: TargetReport[] = [];
  let looks = 0;
  const reactor = createPromotionReactor({
    commands,
    pipelineNames: () => [name],
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
  return { reactor, commands, clock, reports, events, eventually, looks: () => looks };
}

describe('what wakes the promotion loop', () => {
  test('its own events are no news to it, and everything else is', async () => {
    const { reactor, commands, clock, reports, events, eventually, looks } = await open();
    const has = (type: PipelineEvent['type']) => async () =>
      (await events()).some(({ event }) => event.type === type);
    await eventually('the rollout starts', has('TargetAssigned'));
    reports.push({
      stage: staging,
      cluster: cluster.id,
      agentEpoch: 'journal1',
      sequence: 1,
      generation: 1,
      commit: commitId(1),
      phase: 'settled',
      health: 'healthy',
      message: '',
      terminal: false,
      receivedAt: clock.at,
      healthySince: clock.at,
      healthBreaks: 0,
      objectsTotal: 1,
      pruneHeldObjects: 0,
      pruneHeldDigest: '',
    });
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
});
