import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openApiDocument } from './openapi.ts';

const golden = fileURLToPath(new URL('../../openapi.json', import.meta.url));

test('the committed OpenAPI document is the one that the hub serves (UPDATE_GOLDEN=1 rewrites it)', () => {
  const text = `${JSON.stringify(openApiDocument(), null, 2)}\n`;
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
  expect(text).toBe(readFileSync(golden, 'utf8'));
});

test('every operation has an id of its own', () => {
  const { paths } = openApiDocument() as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const ids = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
});
