import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutate, root } from './loader.ts';
import { mutants } from './mutants.ts';

test('there are at least fourteen mutants, each with a name of its own', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  expect(mutants.length).toBeGreaterThanOrEqual(14);
});

test.each(mutants)('the text of "$name" is in its file exactly once', (mutant) => {
  const text = readFileSync(root + mutant.file, 'utf8');
  const mutated = mutate(mutant, text);
  expect(mutated).not.toBe(text);
});

test('a mutant whose text is gone says which one, and what to do', () => {
  const mutant = { name: 'gone', file: 'a.ts', find: 'x', replace: 'y' };
  expect(() => mutate(mutant, 'abc')).toThrow(/mutant "gone".*change the mutant/s);
  expect(() => mutate(mutant, 'x and x')).toThrow(/2 times/);
});
