// `npm run sim`: stories of the whole system, each decided by its seed. See README.md beside this file.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { mutants } from './mutants/mutants.ts';
import type { Run } from './simulate.ts';
import { huntMutants, runSeeds } from './threads.ts';

const usage = `npm run sim -- [--seeds N] [--seed S] [--threads T] [--hashes]
npm run sim -- --mutants [--only WORDS] [--seeds N] [--seed S] [--threads T]

--seeds N    stories to tell (default 2,000, or 1 with --seed)
--seed S     the first seed (default 1)
--threads T  stories at once (default: one a processor)
--hashes     also print the hash of each story's trace
--mutants    tell stories of sources with a mistake in them; each mistake must be found
--only WORDS only the mutants with these words in their name; several parted by commas
`;

function readArguments() {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      threads: { type: 'string' },
      hashes: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  const count = (text: string | undefined, otherwise: number): number => {
    const value = text === undefined ? otherwise : Number(text);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw new Error(`${text} is no whole number above 0`);
  };
  return {
    ...values,
    firstSeed: count(values.seed, 1),
    seeds: count(values.seeds, values.seed !== undefined && !values.mutants ? 1 : 2_000),
    threads: count(values.threads, availableParallelism()),
  };
}

const say = (text: string) => process.stdout.write(`${text}\n`);

const since = (started: bigint): number => Number(process.hrtime.bigint() - started) / 1e9;

function sayFailure(run: Run, shortest: Run): void {
  say(`\nSeed ${run.seed} breaks "${run.violation?.property}".`);
  say(`  ${run.violation?.meaning}`);
  say(`  ${run.violation?.detail}\n`);
  const isSame = shortest.violation?.property === run.violation?.property;
  const told = isSame ? shortest : run;
  say(`The shortest story that was found, of ${run.lines.length} lines at first:\n`);
  for (const line of told.lines) say(line);
  say(`\nTell it again: npm run sim -- --seed ${run.seed}`);
}

async function tellStories(options: ReturnType<typeof readArguments>): Promise<number> {
  const { firstSeed, seeds, threads, hashes } = options;
  const started = process.hrtime.bigint();
  const ran = new Map<number, string>();
  const failed = await runSeeds({
    firstSeed,
    seeds,
    threads,
    onRan: (seed, hash) => {
      ran.set(seed, hash);
      if (ran.size % 500 === 0)
        say(`${ran.size} seeds, ${(ran.size / since(started)).toFixed(1)}/s`);
    },
  });
  if (hashes) for (const [seed, hash] of [...ran].sort(([a], [b]) => a - b)) say(`${seed} ${hash}`);
  if (failed) sayFailure(failed.run, failed.shortest ?? failed.run);
  const seconds = since(started);
  say(
    `${ran.size} seeds in ${seconds.toFixed(1)} s, ${(ran.size / seconds).toFixed(1)} seeds/s: ` +
      (failed ? `seed ${failed.seed} fails` : 'every property holds'),
  );
  return failed ? 1 : 0;
}

async function hunt(options: ReturnType<typeof readArguments>): Promise<number> {
  const words = options.only.split(',').map((word) => word.trim());
  const wanted = mutants.filter(({ name }) => words.some((word) => name.includes(word)));
  if (wanted.length === 0) throw new Error(`no mutant has "${options.only}" in its name`);
  say(`${'seeds'.padStart(6)}  ${'mutant'.padEnd(52)}  property that it breaks`);
  const hunts = await huntMutants({
    ...options,
    mutants: wanted,
    onHunted: ({ mutant, failed }) => {
      const needed = failed ? String(failed.seed - options.firstSeed + 1) : '-';
      const property = failed?.run.violation?.property ?? 'NONE: it survives';
      say(`${needed.padStart(6)}  ${mutant.name.padEnd(52)}  ${property}`);
    },
  });
  const survivors = hunts.filter(({ failed }) => failed === undefined);
  say(`${hunts.length - survivors.length} of ${hunts.length} mutants were found`);
  return survivors.length > 0 ? 1 : 0;
}

try {
  const options = readArguments();
  if (options.help) say(usage);
  else process.exitCode = await (options.mutants ? hunt(options) : tellStories(options));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${usage}`);
  process.exitCode = 2;
}
