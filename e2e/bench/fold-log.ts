// `node e2e/bench/fold-log.ts FILE` folds a decision log in a process of its own, so that its memory is its own.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type DecisionLog, openSqliteDecisionLog } from '../../hub/src/decision-log/index.ts';
import type { HubEvent } from '../../hub/src/domain/events.ts';
import {
  type ClusterEvent,
  evolveCluster,
  initialClusterState,
} from '../../hub/src/domain/fleet/index.ts';
import { evolveHub, initialHubState } from '../../hub/src/domain/hub/index.ts';
import {
  evolvePipeline,
  initialPipelineState,
  type PipelineEvent,
} from '../../hub/src/domain/promotion/index.ts';

const pageEntries = 500;

export type FoldFigures = {
  readonly events: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly streams: number;
  /** Between a tenth of the events and all of them, after a collection of garbage each. */
  readonly heapGrowthMebibytes: number;
  readonly peakResidentMebibytes: number;
};

const kinds = {
  pipeline: { initial: initialPipelineState, evolve: evolvePipeline as Evolve },
  cluster: { initial: initialClusterState, evolve: evolveCluster as Evolve },
  hub: { initial: initialHubState, evolve: evolveHub as Evolve },
} as const;
// biome-ignore lint/suspicious/noExplicitAny: a stream's kind decides its state and its events.
type Evolve = (state: any, event: any) => unknown;
export type Folded = PipelineEvent | ClusterEvent | HubEvent;

/** Every decision of the log, read in order with its hashes checked, and folded into the state of its stream. */
export async function foldLog(log: DecisionLog): Promise<FoldFigures> {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const states = new Map<string, unknown>();
  const total = await log.headPosition();
  let position = 0;
  let heapAtTenth: number | undefined;
  const heap = () => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const startedAt = performance.now();
  const before = process.cpuUsage();
  for (;;) {
    const page = await log.readAfter(position, pageEntries);
    if (page.length === 0) break;
    for (const { stream, event } of page) {
      const kind = kinds[stream.split('/', 1)[0] as keyof typeof kinds];
      if (kind) states.set(stream, kind.evolve(states.get(stream) ?? kind.initial, event));
    }
    position = page.at(-1)?.position ?? position;
    if (heapAtTenth === undefined && position >= total / 10) heapAtTenth = heap();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(before);
  return {
    events: position,
    seconds: Math.round(seconds * 100) / 100,
    processorSeconds: Math.round((user + system) / 10_000) / 100,
    streams: states.size,
    heapGrowthMebibytes: Math.round((heap() - (heapAtTenth ?? 0)) / 2 ** 20),
    peakResidentMebibytes: Math.round(process.resourceUsage().maxRSS / 1_024),
  };
}

if (import.meta.main) {
  const [path = ''] = process.argv.slice(2);
  // Opening a log walks its whole chain; here the fold is what is measured, and it checks each hash itself.
  const log = await openSqliteDecisionLog({ path, verifyOnOpen: false });
  process.stdout.write(JSON.stringify(await foldLog(log)));
  await log.close();
}
