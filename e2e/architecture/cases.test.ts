import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cases = join(root, '../shared/cases/promotion.md');

/** Each row of a table of cases starts with its id. */
const idsIn = (text: string): string[] =>
  [...text.matchAll(/^\| ([A-Z]+-\d+) \|/gm)].map(([, id = '']) => id);

const tests = (): string =>
  ['hub/src', 'agent/src', 'shared/src', 'e2e']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter(({ name }) => /\.test\.ts$|^conformance\.ts$/.test(name))
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
    )
    .join('\n');

// The cases are kept beside a developer's checkout; elsewhere there is nothing to compare with.
test.skipIf(!existsSync(cases))('every case of promotion is named by a test', () => {
  const ids = idsIn(readFileSync(cases, 'utf8'));
  expect(ids).toHaveLength(113);
  const named = new Set(tests().match(/\b[A-Z]{1,4}-\d{2}\b/g));
  expect(ids.filter((id) => !named.has(id))).toEqual([]);
});
