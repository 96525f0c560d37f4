import { describe, expect, test } from 'vitest';
import { type KubernetesObject, parseManifests } from './index.ts';

const limits = { bytesMax: 100_000, objectsMax: 10 };
const head = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n';

function objectsOf(text: string): KubernetesObject[] {
  const parsed = parseManifests(text, 'a.yaml', limits);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}
function faultsOf(text: string): string[] {
  const parsed = parseManifests(text, 'a.yaml', limits);
  if (parsed.ok) throw new Error('no fault');
  return parsed.error.map(({ document, message }) => `${document}: ${message}`);
}

describe('manifests', () => {
  test('are read from YAML streams, JSON and lists; empty documents are nothing', () => {
    const json = '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"y"}}';
    const list = `kind: List\nitems:\n- ${json}\n- ${json}\n`;
    const objects = objectsOf(`# first\n---\n${head}---\n${json}\n---\n${list}---\n`);
    expect(objects.map(({ kind }) => kind)).toEqual(['ConfigMap', 'Secret', 'Secret', 'Secret']);
  });

  test('keep words and dates as text, and read numbers and merge keys as YAML 1.2 does', () => {
    const [object] = objectsOf(
      `${head}data: {a: on, b: yes, c: 2020-01-01, d: 0x10, e: "08"}\nbase: &base {k: 1}\nmerged: {<<: *base, l: 2}\n`,
    );
    expect(object?.data).toEqual({ a: 'on', b: 'yes', c: '2020-01-01', d: 16, e: '08' });
    expect(object?.merged).toEqual({ k: 1, l: 2 });
  });

  test('with faults tell all of them at once, each with its document, line and column', () => {
    expect(faultsOf(`${head}---\nkind: [\n---\n${head}kind: Secret\n---\nkind: Job\n`)).toEqual([
      '2: line 3, column 1: deficient indentation',
      '3: line 5, column 1: duplicated mapping key',
      '4: lacks apiVersion, metadata.name (kind Job)',
    ]);
  });

  test('S11: with faults do not repeat their text', () => {
    expect(
      faultsOf(`${head}data: {password: canary-7531, password: "canary-7531"`).join(),
    ).not.toContain('canary');
  });

  test('S9: cannot grow by their aliases', () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join(', ')}]`,
    );
    expect(faultsOf(`${head}l0: &l0 [x]\n${levels.join('\n')}\n`)).toEqual([
      '1: its aliases stand for more than 200000 values',
    ]);
    expect(faultsOf(`${head}deep: ${'['.repeat(5_000)}`)[0]).toMatch(/nesting exceeded/);
  });

  test('over the limits are refused', () => {
    expect(faultsOf(`${head}---\n`.repeat(11))[0]).toMatch(/more than 10 objects/);
    expect(faultsOf(`# ${'x'.repeat(100_001)}`)[0]).toMatch(/larger than 100000 bytes/);
  });
});
