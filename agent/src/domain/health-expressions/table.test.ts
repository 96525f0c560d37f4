import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { healthTableFile, healthTableSource } from '../../../build/health-table.ts';
import { compileExpression } from './expression.ts';
import { groupNames, healthTable } from './index.ts';
import { expand, type TableRule } from './rule-table.ts';

const files = healthTable.files.map((text) => JSON.parse(text) as TableRule[]);
const rules = files.flat().map((rule) => ({ ...rule, ...expand(rule, healthTable.templates) }));

describe('the table of custom kinds', () => {
  test('is what agent/health holds; `npm run generate` makes it anew', () => {
    expect(readFileSync(healthTableFile, 'utf8') === healthTableSource()).toBe(true);
  });

  test('has only expressions that can be read', () => {
    const sources = rules.flatMap((rule) =>
      (
        ['suspended', 'missing', 'unknown', 'inProgress', 'failed', 'current', 'message'] as const
      ).flatMap((field) => rule[field] ?? []),
    );
    for (const source of new Set(sources)) {
      const compiled = compileExpression(source);
      expect(compiled.ok ? '' : compiled.error, source).toBe('');
    }
  }, 60_000);

  test('can find every kind healthy', () => {
    expect(rules.filter(({ current }) => current === undefined).map(({ kinds }) => kinds)).toEqual(
      [],
    );
  });

  test('names a kind of a group once', () => {
    for (const file of files) {
      const kinds = file.flatMap((rule) => rule.kinds);
      expect(kinds.filter((kind, index) => kinds.indexOf(kind) !== index)).toEqual([]);
    }
  });

  test('uses every template', () => {
    const used = new Set(files.flat().map(({ use }) => use));
    expect(Object.keys(healthTable.templates).filter((name) => !used.has(name))).toEqual([]);
  });

  test('looks for a group itself and then for its families, the narrowest first', () => {
    expect([...groupNames('ec2.aws.upbound.io')]).toEqual([
      'ec2.aws.upbound.io',
      '*.aws.upbound.io',
      '*.upbound.io',
      '*.io',
    ]);
  });
});
