import { type FreezeId, type NewId, type PipelineName, parseNewId } from '@fairlead/shared/ids';
import { createLogger } from '@fairlead/shared/log';
import { expectOk } from '@fairlead/shared/result';
import { systemRandom } from '@fairlead/shared/time';
import { afterEach, expect, it } from 'vitest';
import { type CommandHandler, createCommandHandler } from '../commands/index.ts';
import {
  type DecisionLog,
  openSqliteDecisionLog,
  type RecordedEvent,
} from '../decision-log/index.ts';
import type { ClusterSnapshot } from '../domain/promotion/index.ts';
import { definitionOf, freezeOf, release, stageOf } from '../domain/promotion/testing-story.ts';
import { waitingRolloutStartsPerSecondMax } from '../limits.ts';
import {
  createFreezeReactor,
  createPromotionReactor,
  createSnapshotReader,
  type SnapshotOf,
} from './index.ts';

const logger = createLogger('test', 'silent');
const actor = { kind: 'person', name: 'ada' } as const;
const newId = (): NewId => expectOk(parseNewId(systemRandom.nextId()), 'an id');
const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

/** The hub's loops over one log, on a clock that only the test moves. `restart` is a new process over the same log. */
async function startHub(pipelines: readonly PipelineName[], given?: DecisionLog) {
  const log = given ?? (await openSqliteDecisionLog({ path: ':memory:' }));
  if (given === undefined) cleanUp.push(log.close);
  const time = { now: 1_000_000 };
  const clock = { now: () => time.now };
  const commands = createCommandHandler({ log, clock });
  const cluster = { id: 'cluster-1', name: 'eu-1', labels: { environment: 'only' } };
  const snapshotOf: SnapshotOf = createSnapshotReader({
    clusterSnapshots: () => [{ ...cluster, status: 'connected' } as unknown as ClusterSnapshot],
    reportsOf: () => [],
    watchedMs: clock.now,
    commands,
    statusesOfPipeline: () => [],
    verificationsOf: () => [],
    samplesOf: () => [],
  });
  const stop = new AbortController();
  const loop = { clock, signal: stop.signal, logger };
  const promotion = createPromotionReactor({
    ...loop,
    commands,
    random: systemRandom,
    pipelineNames: () => pipelines,
    snapshotOf,
  });
  const freezes = createFreezeReactor({
    ...loop,
    freezes: commands.freezesState,
    onChanged: () => promotion.wake(),
  });
  const shutDown = async () => {
    stop.abort();
    await Promise.all([promotion.stopped, freezes.stopped]);
  };
  cleanUp.push(shutDown);
  const starts = async (): Promise<RecordedEvent[]> =>
    (await log.readAfter(0, 1_000)).filter(({ event }) => event.type === 'RolloutStarted');
  return { log, time, commands, promotion, freezes, starts, snapshotOf, shutDown };
}
type Hub = Awaited<ReturnType<typeof startHub>>;

async function discover(commands: CommandHandler, name: PipelineName): Promise<void> {
  const stage = stageOf('only');
  const definition = { ...definitionOf(stage), name };
  expectOk(await commands.pipeline(name, { type: 'define-pipeline', definition }, actor), 'define');
  const [first, second] = [release(1), release(2)];
  for (const releases of [[first], [second]]) {
    const onBranch = releases.map(({ commit }) => commit);
    const record = { type: 'record-branch', head: onBranch[0] as never, releases } as const;
    const known = releases === undefined ? [] : [first.commit, ...onBranch];
    expectOk(
      await commands.pipeline(name, { ...record, onBranch: known, at: 1_000 }, actor),
      'releases',
    );
  }
}

const declare = async ({ commands, time }: Hub, until?: number): Promise<FreezeId> => {
  const { scope, reason, by, running } = freezeOf(time.now);
  const id = newId();
  const at = time.now;
  const ends = until === undefined ? {} : { until };
  const command = { type: 'declare-freeze', id, scope, reason, by, running, at, ...ends } as const;
  expectOk(await commands.freezes(command, actor), 'a freeze');
  return id;
};

it('WIN-07: when a freeze ends the newest releases start, a limited number in each second', async () => {
  const names = Array.from({ length: 35 }, (_, index) => `pipeline-${index}` as PipelineName);
  const hub = await startHub(names);
  const end = hub.time.now + 60_000;
  await declare(hub, end);
  for (const name of names) await discover(hub.commands, name);
  hub.freezes.wake();
  hub.promotion.wake(names);
  await settled(hub);
  expect(await hub.starts()).toEqual([]);

  const started: number[] = [];
  hub.time.now = end;
  hub.freezes.wake();
  for (let second = 0; second < 6; second++) {
    // A look every tenth of a second, as the timers of the loop would make.
    for (let tenth = 0; tenth < 10; tenth++) {
      hub.promotion.wake([]);
      await settled(hub);
      hub.time.now += 100;
    }
    started.push((await hub.starts()).length);
  }
  const growth = started.map((count, index) => count - (started[index - 1] ?? 0));
  expect(growth[0]).toBeGreaterThan(0);
  // A full bucket, and what fills it in the same second.
  expect(Math.max(...growth)).toBeLessThanOrEqual(2 * waitingRolloutStartsPerSecondMax);
  expect(growth[1]).toBeGreaterThan(0);
  const starts = await hub.starts();
  expect(starts).toHaveLength(names.length);
  expect(new Set(starts.map(({ event }) => 'release' in event && event.release))).toEqual(
    new Set([release(2).commit]),
  );
});

it('WIN-07: what is news starts at once, however many there are', async () => {
  const names = Array.from({ length: 35 }, (_, index) => `pipeline-${index}` as PipelineName);
  const hub = await startHub(names);
  await settled(hub);
  for (const name of names) await discover(hub.commands, name);
  hub.promotion.wake(names);
  await settled(hub);
  expect(await hub.starts()).toHaveLength(names.length);
});

it('WIN-08: a hub that starts in a freeze or outside of a window starts nothing', async () => {
  const name = 'checkout' as PipelineName;
  const before = await startHub([name]);
  const id = await declare(before);
  await discover(before.commands, name);
  await before.shutDown();

  const hub = await startHub([name], before.log);
  hub.promotion.wake([name]);
  await settled(hub);
  expect(await hub.starts()).toEqual([]);
  const lift = { type: 'lift-freeze', id, reason: 'over', by: 'ada', at: hub.time.now } as const;
  expectOk(await hub.commands.freezes(lift, actor), 'lift');
  const state = await hub.commands.pipelineState(name);
  if (state.status !== 'active') throw new Error('the pipeline is not active');
  // Closed from 01:00 to the end of the year 1970 for all that anybody can see of it now.
  const windows = [
    {
      name: 'night',
      effect: 'allow',
      schedule: { kind: 'cron', text: '0 1 * * *' },
      startsAt: '',
      durationMs: 60_000,
      timeZone: 'UTC',
      running: 'drain',
    } as const,
  ];
  const stages = state.definition.stages.map((stage) => ({
    ...stage,
    gates: { ...stage.gates, windows },
  }));
  const definition = { ...state.definition, stages };
  expectOk(await hub.commands.pipeline(name, { type: 'define-pipeline', definition }, actor), '');
  await hub.shutDown();

  const again = await startHub([name], before.log);
  again.promotion.wake([name]);
  await settled(again);
  expect(await again.starts()).toEqual([]);
  again.time.now = Date.parse('1970-01-01T01:00:30Z');
  again.promotion.wake([]);
  await settled(again);
  expect(await again.starts()).toHaveLength(1);
});

/** Until the loops have nothing to do at this moment: a look that changes nothing takes a few turns. */
async function settled({ log, promotion }: Hub): Promise<void> {
  let before = -1;
  for (let quiet = 0; quiet < 3; ) {
    for (let turn = 0; turn < 40; turn++) await new Promise((resolve) => setImmediate(resolve));
    const head = await log.headPosition();
    quiet = head === before ? quiet + 1 : 0;
    before = head;
  }
  void promotion;
}
