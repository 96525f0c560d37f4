import { Worker } from 'node:worker_threads';
import type { Mutant } from './mutants/mutants.ts';
import type { Progress, Task } from './worker.ts';

type Failed = Extract<Progress, { type: 'failed' }>;

/** Runs one thread to its end, or to its first failure. */
function runThread(
  task: Task,
  onRan: (seed: number, hash: string) => void,
): Promise<Failed | undefined> {
  return new Promise((resolve, reject) => {
    let failed: Failed | undefined;
    let seed: number | undefined;
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task });
    worker.on('message', (progress: Progress) => {
      if (progress.type === 'begins') seed = progress.seed;
      if (progress.type === 'ran') onRan(progress.seed, progress.hash);
      if (progress.type === 'failed') failed = progress;
    });
    worker.once('error', (error: Error) => {
      // Before the first story it is the simulator that does not work; after that, what it simulates.
      if (seed === undefined) reject(error);
      else resolve(brokenBy(error, seed));
    });
    worker.once('exit', () => resolve(failed));
  });
}

/** An error that nobody caught ends a program, whatever its story was. */
const brokenBy = (error: Error, seed: number): Failed => ({
  type: 'failed',
  seed,
  run: {
    seed: String(seed),
    hash: '',
    lines: [],
    events: 0,
    entries: 0,
    violation: {
      property: 'nothing is thrown',
      meaning: 'Neither the hub nor an agent ends by an error that nobody caught.',
      detail: error.stack ?? error.message,
      atMs: 0,
    },
  },
});

/** Shares the seeds among threads; the failure with the smallest seed counts. */
export async function runSeeds(options: {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly threads: number;
  readonly onRan: (seed: number, hash: string) => void;
}): Promise<Failed | undefined> {
  const { firstSeed, seeds, threads, onRan } = options;
  const step = Math.min(threads, seeds);
  const failures = await Promise.all(
    Array.from({ length: step }, (_, index) =>
      runThread({ firstSeed: firstSeed + index, seeds: seeds - index, step, shrinks: true }, onRan),
    ),
  );
  return failures.flatMap((failed) => failed ?? []).sort((a, b) => a.seed - b.seed)[0];
}

export type Hunt = { readonly mutant: Mutant; readonly failed: Failed | undefined };

/** Each mutant in a thread of its own, because it is loaded in the place of the real source. */
export async function huntMutants(options: {
  readonly mutants: readonly Mutant[];
  readonly firstSeed: number;
  readonly seeds: number;
  readonly threads: number;
  readonly onHunted: (hunt: Hunt) => void;
}): Promise<readonly Hunt[]> {
  const { firstSeed, seeds, threads, onHunted } = options;
  const left = [...options.mutants];
  const hunts: Hunt[] = [];
  const hunter = async () => {
    for (let mutant = left.shift(); mutant; mutant = left.shift()) {
      const task = { firstSeed, seeds, step: 1, mutant, shrinks: false };
      const hunt = { mutant, failed: await runThread(task, () => {}) };
      hunts.push(hunt);
      onHunted(hunt);
    }
  };
  await Promise.all(Array.from({ length: threads }, hunter));
  return hunts;
}
