import { expect, test } from 'vitest';
import { expressionCharactersMax, parseExpression } from './index.ts';

test('an expression that cannot be read is refused with the place', () => {
  const read = parseExpression("status.phase = 'Up'");
  expect(read.ok ? '' : read.error).toContain('<input>:1:14: found =');
});

test('an expression that is too long is refused', () => {
  expect(parseExpression(`'${'a'.repeat(expressionCharactersMax)}'`).ok).toBe(false);
});

test('the depth of loops is that of loops within loops', () => {
  const depth = (source: string) => {
    const read = parseExpression(source);
    return read.ok ? read.value.loopDepth : -1;
  };
  expect(depth('a.b')).toBe(0);
  expect(depth('a.all(b, b) && c.all(d, d)')).toBe(1);
  expect(depth('a.all(b, c.exists(d, d == b))')).toBe(2);
  expect(depth('a.filter(b, b.?c.orValue([]).exists(d, d)).map(e, e)')).toBe(2);
});
