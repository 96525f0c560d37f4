import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLogger } from '@fairlead/shared/log';
import { expectOk } from '@fairlead/shared/result';
import { systemClock } from '@fairlead/shared/time';
import {
  type AppendRequest,
  type DecisionLog,
  openSqliteDecisionLog,
} from '../../hub/src/decision-log/index.ts';
import { openReadModel, type ReadModel } from '../../hub/src/read-model/index.ts';
import { hashTables } from '../../hub/src/read-model/testing/index.ts';
import { temporaryDirectory } from '../stack/index.ts';
import { createHistory, type HistoryPlan } from './fleet-history.ts';
import type { FoldFigures } from './fold-log.ts';
import { planLatency } from './plan-latency.ts';

export type DecideOptions = {
  readonly eventsTotal: number;
  readonly targetsTotal: number;
};

/**
 * What must hold for a million events and five thousand targets. It is judged by processor time, which on a machine that
 * does nothing else is the time by the clock: nothing here waits for anybody but the disk, and that only while writing.
 */
const limits = {
  planP50Ms: 50,
  foldSecondsPerMillion: 20,
  rebuildSecondsPerMillion: 120,
  heapGrowthMebibytes: 64,
};
const plan: HistoryPlan = { pipelinesTotal: 20, clustersPerStage: 20 };
const appendEventsMax = 500;
const silent = createLogger('bench', 'silent');

/**
 * The hub's own work without any edge: how long a look at a large pipeline takes that has something to decide, how fast a
 * long log is folded and in how much memory, and how long the read model needs to be made anew from it; the model that
 * followed the log from its beginning in small steps must equal it, table by table.
 */
export async function benchDecide({ eventsTotal, targetsTotal }: DecideOptions) {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const planned = planLatency(targetsTotal / 5, 10);
  say(`a look that decides: ${JSON.stringify(planned)}`);

  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'log.sqlite');
  await using history = await writeFollowed(directory.path, eventsTotal);
  say(`${history.events} events written and followed in ${history.seconds.toFixed(1)} s`);

  const fold = await foldAlone(path);
  say(`fold: ${JSON.stringify(fold)}`);
  const rebuild = await rebuildAndCompare(history);
  say(
    `rebuild: ${JSON.stringify(rebuild)}; other tables than the live one: ${rebuild.different.join(', ') || 'none'}`,
  );

  const millions = history.events / 1_000_000;
  const broken = [
    ...Object.entries(planned)
      .filter(([, { processorP50Ms }]) => !(processorP50Ms <= limits.planP50Ms))
      .map(
        ([kind, { processorP50Ms }]) =>
          `${kind}: a look takes ${processorP50Ms} ms, limit ${limits.planP50Ms}`,
      ),
    ...exceeding('fold, seconds', fold.processorSeconds, limits.foldSecondsPerMillion * millions),
    ...exceeding(
      'fold, growth of the heap in MiB',
      fold.heapGrowthMebibytes,
      limits.heapGrowthMebibytes,
    ),
    ...exceeding(
      'rebuild, seconds',
      rebuild.processorSeconds,
      limits.rebuildSecondsPerMillion * millions,
    ),
    ...rebuild.different.map((table) => `the rebuilt table ${table} is not the live one`),
  ];
  for (const line of broken) process.stderr.write(`limit broken: ${line}\n`);
  if (broken.length > 0) process.exitCode = 1;
  return { plan: planned, fold, rebuild, broken: broken.length };
}

const exceeding = (what: string, value: number, limit: number): string[] =>
  value <= limit ? [] : [`${what}: ${value}, limit ${limit}`];

export type FollowedHistory = AsyncDisposable & {
  readonly log: DecisionLog;
  readonly readModel: ReadModel;
  readonly readModelPath: string;
  readonly events: number;
  readonly seconds: number;
};

/** Writes so many events, and lets a read model follow at each append as it does in a hub. */
export async function writeFollowed(folder: string, eventsTotal: number): Promise<FollowedHistory> {
  const startedAt = performance.now();
  await using parts = new AsyncDisposableStack();
  const log = await openSqliteDecisionLog({ path: join(folder, 'log.sqlite') });
  parts.defer(log.close);
  const readModelPath = join(folder, 'read-model.sqlite');
  const readModel = parts.use(
    await openReadModel({ path: readModelPath, log, logger: silent, clock: systemClock }),
  );
  let events = 0;
  let waiting: AppendRequest[] = [];
  let waitingEvents = 0;
  const flush = async () => {
    expectOk(await log.appendAll(waiting), 'an append');
    events += waitingEvents;
    waiting = [];
    waitingEvents = 0;
    await readModel.catchUp();
  };
  for (const request of createHistory(plan)) {
    if (waitingEvents + request.events.length > appendEventsMax) await flush();
    waiting.push(request);
    waitingEvents += request.events.length;
    if (events + waitingEvents >= eventsTotal) break;
  }
  await flush();
  const owned = parts.move();
  return {
    log,
    readModel,
    readModelPath,
    events,
    seconds: (performance.now() - startedAt) / 1_000,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** In a process of its own, so that its memory is its own. */
async function foldAlone(path: string): Promise<FoldFigures> {
  const program = join(import.meta.dirname, 'fold-log.ts');
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [program, path]);
  return JSON.parse(stdout) as FoldFigures;
}

export async function rebuildAndCompare({ readModel, readModelPath }: FollowedHistory) {
  const live = hashTables(readModelPath);
  const startedAt = performance.now();
  const before = process.cpuUsage();
  await readModel.rebuild();
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - startedAt) / 1_000;
  const processorSeconds = Math.round((user + system) / 100_000) / 10;
  const rebuilt = hashTables(readModelPath);
  const different = Object.keys(live).filter((name) => live[name] !== rebuilt[name]);
  return {
    seconds: Math.round(seconds * 10) / 10,
    processorSeconds,
    different,
    tables: Object.keys(live).length,
  };
}
