// Finds or builds the tools named on the command line, or all: node deploy/tools/main.ts [names…]

import { type FoundTool, kwokStages, locateTool, type ToolName, toolNames } from './index.ts';

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => interrupt.abort(new Error(`Interrupted by ${name}.`)));
}

const wanted = process.argv.slice(2) as ToolName[];
const names = wanted.length === 0 ? toolNames : wanted;
const options = {
  onProgress: (line: string) => void process.stderr.write(`${line}\n`),
  signal: interrupt.signal,
};

const results = await Promise.allSettled(names.map((name) => locateTool(name, options)));
const found: FoundTool[] = [];
for (const result of results) {
  if (result.status === 'fulfilled') found.push(result.value);
  else fail(result.reason);
}
const widths = { name: 24, version: 10, source: 12 };
for (const tool of found) {
  process.stdout.write(
    tool.name.padEnd(widths.name) +
      tool.version.padEnd(widths.version) +
      tool.source.padEnd(widths.source) +
      `${tool.path}\n`,
  );
}
if (found.some((tool) => tool.name === 'kwok')) {
  try {
    const stages = await kwokStages(options);
    process.stdout.write(`${'kwok stages'.padEnd(46)}${stages}\n`);
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
