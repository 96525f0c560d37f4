import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { importRules, sourceRules } from './rules.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

type Source = { path: string; text: string; imports: string[] };

function readSources(): Source[] {
  return ['shared', 'hub', 'agent', 'proto', 'deploy/tools', 'e2e/sim']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
        .map((entry) => relative(root, join(entry.parentPath, entry.name))),
    )
    .filter((path) => !/node_modules|\/dist\/|\/web\/|\.test\.ts$/.test(path))
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, imports: importsOf(path, text) };
    });
}

/** The specifiers of a file's imports; a relative one as the path of the imported file from the root. */
function importsOf(path: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*)'([^']+)'/g)];
  return specifiers.map(([, specifier = '']) =>
    specifier.startsWith('.') ? posix.normalize(posix.join(dirname(path), specifier)) : specifier,
  );
}

const sources = readSources();

const applies = (rule: { from: RegExp; except?: RegExp }, source: Source): boolean =>
  rule.from.test(source.path) && !rule.except?.test(source.path);

test.each(importRules)('$name', (rule) => {
  const breaches = sources
    .filter((source) => applies(rule, source))
    .flatMap((source) =>
      source.imports
        .filter((imported) => rule.bans.test(imported))
        .map((imported) => `${source.path} imports ${imported}`),
    );
  expect(breaches, `not allowed, because ${rule.reason}`).toEqual([]);
});

test.each(sourceRules)('$name', (rule) => {
  const breaches = sources
    .filter((source) => applies(rule, source) && rule.bans.test(source.text))
    .map((source) => `${source.path}: ${rule.bans.exec(source.text)?.[0]}`);
  expect(breaches, `not allowed, because ${rule.reason}`).toEqual([]);
});

test('a module is entered by its index', () => {
  const breaches = sources.flatMap((source) =>
    source.imports
      .filter((imported) => imported.endsWith('.ts') && !isOpenTo(source.path, imported))
      .map((imported) => `${source.path} imports ${imported}`),
  );
  expect(breaches, 'not allowed, because inner files may change without notice').toEqual([]);
});

/**
 * A file is open to its own module and to what lies below it. To others are open: a module's index, a package's limits,
 * and the core's vocabulary, which is types alone.
 */
function isOpenTo(importer: string, imported: string): boolean {
  if (/\/(index|limits|main)\.ts$/.test(imported)) return true;
  if (/^hub\/src\/domain\/(.+\/)?(events|commands|definition)\.ts$/.test(imported)) return true;
  return importer.startsWith(`${moduleOf(imported)}/`);
}

/** The nearest folder that has an index. */
function moduleOf(path: string): string {
  let folder = dirname(path);
  while (folder !== '.' && !existsSync(join(root, folder, 'index.ts'))) folder = dirname(folder);
  return folder;
}
