import { expect, test } from 'vitest';
import { offlineHealth } from './index.ts';

const widget = (name: string, phase: string) => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name, namespace: 'shop' },
  status: { phase },
});

function run(files: Record<string, string>, more: { output?: string; checks?: string } = {}) {
  let out = '';
  let err = '';
  const { output = 'json', checks = '' } = more;
  const code = offlineHealth({
    files: Object.keys(files).filter((name) => name !== checks),
    checks,
    output,
    read: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error('no such file');
      return text;
    },
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

const statuses = (text: string) =>
  (JSON.parse(run({ file: text }).out) as { name: string; status: string }[]).map(
    ({ name, status }) => `${name} ${status}`,
  );

const expected = ['a Healthy', 'b Degraded'];
const a = widget('a', 'Ready');
const b = widget('b', 'Failed');
const yaml = (phase: string, name: string) =>
  `apiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: ${name}\nstatus:\n  phase: ${phase}\n`;

test.each([
  [
    'a YAML stream',
    `# first\n---\n${yaml('Ready', 'a')}---\n# nothing\n---\n${yaml('Failed', 'b')}...\n`,
  ],
  ['a YAML stream without a first mark', `${yaml('Ready', 'a')}--- # next\n${yaml('Failed', 'b')}`],
  [
    'a YAML list',
    `apiVersion: v1\nkind: List\nitems:\n- ${JSON.stringify(a)}\n- ${JSON.stringify(b)}\n`,
  ],
  ['JSON lines', `${JSON.stringify(a)}\n${JSON.stringify(b)}\n`],
  ['an array', JSON.stringify([a, b], null, 2)],
  ['a List in JSON', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [a, b] }, null, 2)],
  [
    'a typed list, whose items leave their kind out',
    JSON.stringify({
      apiVersion: 'example.com/v1',
      kind: 'WidgetList',
      items: [a, b].map(({ metadata, status }) => ({ metadata, status })),
    }),
  ],
  [
    'lines with an object inside',
    [a, b].map((object) => JSON.stringify({ object, status: 'x' })).join('\n'),
  ],
])('%s is read', (_, text) => expect(statuses(text)).toEqual(expected));

test('one object prints an array of one, with the id that its line gave it', () => {
  const { code, out } = run({ file: JSON.stringify({ id: 7, object: b }) });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual([
    {
      id: '7',
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      namespace: 'shop',
      name: 'b',
      status: 'Degraded',
      message: 'phase is Failed',
    },
  ]);
});

test('an object without metadata is judged as well', () => {
  expect(
    statuses('{"apiVersion": "example.com/v1", "kind": "Widget", "status": {"phase": "Ready"}}'),
  ).toEqual([' Healthy']);
});

test('what is wrong is told with file and document, and the rest is judged', () => {
  const { code, out, err } = run({
    one: `${yaml('Ready', 'a')}---\na: [\n---\nkind: Widget\n---\n${yaml('Failed', 'b')}`,
    two: `${JSON.stringify(a)}\nnot json\n`,
    three: '\n',
  });
  expect(code).toBe(1);
  expect(JSON.parse(out)).toHaveLength(3);
  expect(err).toMatch(/^one: document 2 is not YAML: line \d+, column \d+: /m);
  expect(err).toMatch(/^one: document 3 lacks apiVersion: it is not a Kubernetes object$/m);
  expect(err).toMatch(/^two: document 2 is not JSON: /m);
  expect(err).toMatch(/^three: holds no object$/m);
});

test('people read a table', () => {
  expect(run({ file: JSON.stringify([a, b]) }, { output: 'table' }).out).toBe(
    'STATUS    KIND    NAME    MESSAGE\nHealthy   Widget  shop/a\nDegraded  Widget  shop/b  phase is Failed\n',
  );
});

test('entries of a stage can be tried out', () => {
  const checks = `healthChecks:\n- {apiVersion: example.com, kind: Widget, current: "status.phase == 'Failed'"}\n`;
  const { out } = run({ file: JSON.stringify([a, b]), checks }, { checks: 'checks' });
  expect((JSON.parse(out) as { status: string }[]).map(({ status }) => status)).toEqual([
    'Progressing',
    'Healthy',
  ]);
});

test.each([
  [
    '- {apiVersion: example.com, kind: Widget, current: "1 +"}',
    'checks: healthChecks[0].current <input>:1:3',
  ],
  ['- {apiVersion: example.com, kind: Widget}', 'checks: healthChecks[0][current]: '],
  [
    '- {apiVersion: example.com, kind: Widget, current: "true", often: 1}',
    'checks: healthChecks[0]: ',
  ],
])('a faulty entry %s is refused with its place', (checks, message) => {
  const { code, err } = run({ file: JSON.stringify(a), checks }, { checks: 'checks' });
  expect(code).toBe(1);
  expect(err).toContain(message);
});
