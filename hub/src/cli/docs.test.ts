import { readdirSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { parseResources } from '../domain/pipeline/index.ts';
import { createProgram } from './index.ts';

const docs = new URL('../../../docs/', import.meta.url);
const program = createProgram({
  environment: {},
  write: () => {},
  writeError: () => {},
  readInput: async () => '',
  now: () => 0,
  columns: undefined,
  signal: new AbortController().signal,
  becomeProgram: () => Promise.reject(new Error('not here')),
});

const shellBlocks = (text: string): string[] =>
  [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);

const examples = readdirSync(docs)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    shellBlocks(readFileSync(new URL(name, docs), 'utf8'))
      .flatMap((block) => block.match(/^fairlead .+$/gm) ?? [])
      .map((line) => ({ name, line: line.replace(/\s+#.*$|\s+\|.*$/, '') })),
  );

const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

/** The command that the words name, and what is left for it. */
function commandOf(words: readonly string[]): { command: Command; rest: string[] } {
  let command: Command = program;
  let rest = [...words];
  for (;;) {
    const child = command.commands.find((candidate) => candidate.name() === rest[0]);
    if (child === undefined) return { command, rest };
    command = child;
    rest = rest.slice(1);
  }
}

test.each(examples)('$name: `$line` is a command with these options', ({ line }) => {
  const { command, rest } = commandOf(wordsOf(line).slice(1));
  expect(command).not.toBe(program);
  const { operands, unknown } = command.parseOptions(rest);
  expect(unknown).toEqual([]);
  const { registeredArguments } = command;
  const isVariadic = registeredArguments.at(-1)?.variadic === true;
  expect(operands.length).toBeGreaterThanOrEqual(
    registeredArguments.filter(({ required }) => required).length,
  );
  expect(isVariadic || operands.length <= registeredArguments.length).toBe(true);
});

test('the examples are found', () => {
  expect(examples.length).toBeGreaterThan(5);
});

const pipelines = readdirSync(docs)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    [...readFileSync(new URL(name, docs), 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```$/gm)]
      .map(([, text = '']) => ({ name, text }))
      .filter(({ text }) => text.startsWith('apiVersion: fairlead.dev/')),
  );

test.each(pipelines)('$name: a whole resource is one that the hub takes', ({ text }) => {
  expect(parseResources(text)).toMatchObject({ ok: true });
});

test('the resources are found', () => {
  expect(pipelines.map(({ name }) => name)).toContain('rollouts.md');
});
