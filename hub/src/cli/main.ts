import { runCli } from './index.ts';
import { createProcessContext } from './process-context.ts';

// The environment, the arguments and the signals are read here and nowhere else of the command line.
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupted.abort());
}
process.exitCode = await runCli(
  process.argv.slice(2),
  createProcessContext(process.env, interrupted.signal),
);
