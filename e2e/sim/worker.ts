import { parentPort, workerData } from 'node:worker_threads';
import type { Mutant } from './mutants/mutants.ts';
import type { Run } from './simulate.ts';

/** What a thread is asked: to run these seeds, up to the first that fails, over the real source or a mutant of it. */
export type Task = {
  readonly firstSeed: number;
  readonly seeds: number;
  /** Every so-manieth seed, so that several threads share one range. */
  readonly step: number;
  readonly mutant?: Mutant;
  readonly shrinks: boolean;
};

export type Progress =
  | { readonly type: 'begins'; readonly seed: number }
  | { readonly type: 'ran'; readonly seed: number; readonly hash: string }
  | {
      readonly type: 'failed';
      readonly seed: number;
      readonly run: Run;
      /** The shortest run that was found with the same broken property. */
      readonly shortest?: Run;
    }
  | { readonly type: 'done' };

const { firstSeed, seeds, step, mutant, shrinks } = workerData as Task;

/** The mutant must be in place before the first module of the hub or the agent is loaded. */
async function load() {
  const { installMutant } = await import('./mutants/loader.ts');
  const installed = mutant && installMutant(mutant);
  const { generateScenario } = await import('./scenario/generate.ts');
  const { shrink } = await import('./scenario/shrink.ts');
  const { simulate } = await import('./simulate.ts');
  if (installed && !installed.wasLoaded()) throw new Error(`${mutant?.file} is not loaded at all`);
  return { generateScenario, shrink, simulate };
}

const tell = (progress: Progress) => parentPort?.postMessage(progress);
const { generateScenario, shrink, simulate } = await load();
for (let seed = firstSeed; seed < firstSeed + seeds; seed += step) {
  tell({ type: 'begins', seed });
  const run = await simulate(generateScenario(String(seed)));
  tell({ type: 'ran', seed, hash: run.hash });
  if (!run.violation) continue;
  const shortest = shrinks
    ? (await shrink(generateScenario(String(seed)), simulate)).run
    : undefined;
  tell({ type: 'failed', seed, run, shortest });
  break;
}
tell({ type: 'done' });
