import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from './index.ts';

const context = {
  environment: {},
  write: () => {},
  writeError: () => {},
  readInput: async () => '',
  now: () => 0,
  columns: undefined,
  signal: new AbortController().signal,
  becomeProgram: () => Promise.reject(new Error('not here')),
};

const helpOf = (command: Command, path: string): string[] => [
  `$ ${path} --help\n${helpText(command)}`,
  ...command.commands.flatMap((child) => helpOf(child, `${path} ${child.name()}`)),
];

function helpText(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

// `vitest run hub/src/cli/help.test.ts -u` writes it anew.
test('the help of every command is as committed', async () => {
  const text = helpOf(createProgram(context), 'fairlead').join('\n');
  await expect(text).toMatchFileSnapshot('./help.golden.txt');
});
