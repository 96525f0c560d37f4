import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findTools } from '../../../deploy/tools/index.ts';
import type { Assignment } from '../domain/link/index.ts';
import { assignmentOf } from '../journal/testing/index.ts';
import { createRenderer, type Renderer, type RenderLimits } from './index.ts';
import { treeOfFolder } from './testing/index.ts';

let tools: { kustomize: string; helm: string; sops: string };
let folder: string;
let tree: string;
let renderer: Renderer;
let requests: string[];
const server = createServer((request, response) => {
  requests.push(request.url ?? '');
  response.end('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: remote}\n');
});
let address: string;

beforeAll(async () => {
  tools = await findTools(['kustomize', 'helm', 'sops']);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}, 600_000);
afterAll(() => server.close());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'render-'));
  tree = join(folder, 'a'.repeat(40));
  requests = [];
  mkdirSync(tree);
  renderer = rendererOf();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const rendererOf = (limits: Partial<RenderLimits> = {}, changes: Partial<typeof tools> = {}) =>
  createRenderer({
    programs: { ...tools, ...changes, renderHost: '/nowhere' },
    cacheDirectory: join(folder, 'cache'),
    readSecret: async () => undefined,
    agentNamespace: 'fairlead-system',
    capabilities: async () => ({ kubeVersion: 'v1.37.2', apiVersions: ['v1', 'apps/v1'] }),
    limits,
  });

function write(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
}
const configMap = (name: string, more = ''): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n${more}`;

async function render(changes: Partial<Assignment> = {}, using = renderer) {
  const result = await using.render(
    assignmentOf(changes),
    treeOfFolder(tree),
    new AbortController().signal,
  );
  return result.ok
    ? {
        names: result.value.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
        objects: result.value,
      }
    : { failure: result.error };
}
const failureOf = async (changes: Partial<Assignment> = {}, using = renderer) =>
  (await render(changes, using)).failure;

describe('plain manifests', () => {
  it('are read from every file below the path, in order, hidden ones left out', async () => {
    write({
      'app/b.yml': `${configMap('b1')}---\n${configMap('b2')}`,
      'app/a/x.json': '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}',
      'app/.hidden/c.yaml': configMap('hidden'),
      'app/README.md': '# no manifest',
      'elsewhere.yaml': configMap('elsewhere'),
    });
    const { names } = await render({ path: 'app' });
    expect(names).toEqual(['ConfigMap/x', 'ConfigMap/b1', 'ConfigMap/b2']);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['no object at all', { 'app/a.yaml': '# only a comment\n' }, /renders no objects/],
    ['no manifest file', { 'app/README.md': 'x' }, /renders no objects/],
    ['no such folder', { 'other/a.yaml': configMap('a') }, /no folder app/],
    [
      'a document that is no object',
      { 'app/values.yaml': 'replicas: 2\n' },
      /^app\/values\.yaml lacks apiVersion/,
    ],
    ['text that is no YAML', { 'app/a.yaml': 'a: [1\n' }, /a\.yaml/],
    [
      'an unquoted label',
      { 'app/a.yaml': configMap('a', '  labels: {on: 1.10}\n') },
      /labels value of on is no text/,
    ],
    [
      'nesting without end',
      { 'app/a.yaml': configMap('a', `data: ${'['.repeat(60_000)}`) },
      /a\.yaml/,
    ],
    ['a billion laughs', { 'app/a.yaml': laughs() }, /a\.yaml/],
    [
      'the same object twice, one with the default namespace',
      { 'app/a.yaml': configMap('a'), 'app/b.yaml': configMap('a', '  namespace: shop\n') },
      /b\.yaml: ConfigMap a is rendered already by app\/a\.yaml/,
    ],
  ])('F04: %s is a failure and never an empty or a smaller list', async (_name, files, message) => {
    write(files);
    const namespace = { ...assignmentOf().apply, namespace: 'shop' };
    const failure = await failureOf({ path: 'app', apply: namespace });
    expect(failure?.message).toMatch(message);
    expect(failure?.terminal).toBe(true);
  });

  it('F38: ten thousand objects are read in bounded time', async () => {
    const big = Array.from({ length: 10_000 }, (_, i) => configMap(`c${i}`)).join('---\n');
    write({ 'app/a.yaml': big });
    expect((await render({ path: 'app' })).names).toHaveLength(10_000);
  }, 30_000);

  it('are limited in objects, files, bytes and depth, each with its own message', async () => {
    write({
      'app/a.yaml': `${configMap('a')}---\n${configMap('b')}`,
      'app/b.yaml': configMap('c'),
    });
    const of = (limits: Partial<RenderLimits>) => failureOf({ path: 'app' }, rendererOf(limits));
    expect((await of({ objectsMax: 2 }))?.message).toMatch(/over 2 objects/);
    expect((await of({ filesMax: 1 }))?.message).toMatch(/over 1 manifest files/);
    expect((await of({ outputBytesMax: 60 }))?.message).toMatch(/over 60 bytes/);
    write({ 'app/b.yaml': configMap('c', 'data: {a: {b: {c: d}}}\n') });
    expect((await of({ depthMax: 2 }))?.message).toMatch(/nested over 2 levels/);
  });
});

describe('a kustomization', () => {
  it('is built with bases and components elsewhere below the root', async () => {
    write({
      'overlays/east/kustomization.yaml':
        'resources: [../../base]\ncomponents: [../../tls]\nnamePrefix: east-\n',
      'base/kustomization.yaml': 'resources: [a.yaml]\n',
      'base/a.yaml': configMap('a'),
      'tls/kustomization.yaml':
        'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [t.yaml]\n',
      'tls/t.yaml': configMap('t'),
    });
    const { names } = await render({ path: 'apps/x/overlays/east', root: 'apps/x' });
    expect(names).toEqual(['ConfigMap/east-a', 'ConfigMap/east-t']);
  });

  it.each<[string, string, RegExp]>([
    ['a remote base', 'resources: ["https://example.com/base?ref=1"]', /resources\[0\].*is remote/],
    ['a remote file', 'resources: ["ADDRESS/a.yaml"]', /is remote/],
    [
      'a remote patch',
      'resources: [a.yaml]\npatches: [{path: "ADDRESS/a.yaml"}]',
      /patches\[0\]\.path.*is remote/,
    ],
    [
      'a remote generator file',
      'configMapGenerator: [{name: g, files: ["k=ADDRESS/a"]}]',
      /is remote/,
    ],
    ['a repository address', 'resources: ["git@example.com:org/repo.git"]', /is remote/],
    [
      'a folder outside the tree',
      'resources: ["../../outside"]',
      /outside the folder that the pipeline includes/,
    ],
    ['an absolute file', 'resources: ["/etc/passwd"]', /outside the folder/],
    ['a file that is missing', 'resources: [nothing.yaml]', /"nothing.yaml" does not exist/],
    [
      'a chart to inflate',
      'helmCharts: [{name: x, repo: "https://x"}]',
      /helmCharts is not allowed.*Chart\.yaml/,
    ],
    ['a generator with an address', 'generators: [g.yaml]', /which is remote/],
    ['a plugin that runs', 'transformers: [exec.yaml]', /kustomize at app/],
    ['nothing to render', 'resources: []', /kustomization|renders no objects/],
  ])('S9: %s is refused', async (_name, text, message) => {
    mkdirSync(join(folder, 'outside'));
    writeFileSync(join(folder, 'outside/kustomization.yaml'), 'resources: [a.yaml]');
    writeFileSync(join(folder, 'outside/a.yaml'), configMap('outside'));
    write({
      'app/kustomization.yaml': text.replaceAll('ADDRESS', address),
      'app/a.yaml': configMap('a'),
      'app/g.yaml': `apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nfiles: [${address}/x]\n`,
      'app/exec.yaml':
        'apiVersion: v1\nkind: Run\nmetadata:\n  name: r\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: ./run.sh}\n',
      'app/run.sh': `#!/bin/sh\ntouch ${join(folder, 'ran')}\n`,
    });
    chmodSync(join(tree, 'app/run.sh'), 0o755);
    const failure = await failureOf({ path: 'app' });
    expect(failure?.message).toMatch(message);
    expect(failure?.terminal).toBe(true);
    expect(requests).toEqual([]);
    expect(readdirSync(folder)).not.toContain('ran');
  });

  it('S9: a link inside the tree to a folder outside of it is not followed', async () => {
    mkdirSync(join(folder, 'outside'));
    writeFileSync(join(folder, 'outside/kustomization.yaml'), 'resources: [a.yaml]');
    writeFileSync(join(folder, 'outside/a.yaml'), configMap('outside'));
    write({ 'app/kustomization.yaml': 'resources: [linked]' });
    symlinkSync(join(folder, 'outside'), join(tree, 'app/linked'));
    expect((await failureOf({ path: 'app' }))?.message).toMatch(/leads out of the tree/);
  });
});

describe('a chart', () => {
  const chart = (templates: Record<string, string>, chartYaml = '') => ({
    'app/Chart.yaml': `apiVersion: v2\nname: shop\nversion: 1.0.0\n${chartYaml}`,
    'app/values.yaml': 'a: chart\nb: chart\nc: chart\n',
    ...Object.fromEntries(Object.entries(templates).map(([k, v]) => [`app/templates/${k}`, v])),
  });

  it('is rendered with its values in rising precedence, definitions and mapped hooks', async () => {
    write({
      ...chart({
        'a.yaml': configMap(
          '{{ .Release.Name }}',
          '  namespace: {{ .Release.Namespace }}\ndata: {a: {{ .Values.a }}, b: {{ .Values.b }}, c: {{ .Values.c }}}\n',
        ),
        'pre.yaml': configMap('pre', '  annotations: {helm.sh/hook: pre-install}\n'),
        'gone.yaml': configMap('gone', '  annotations: {helm.sh/hook: post-delete}\n'),
        'test.yaml': configMap('test', '  annotations: {helm.sh/hook: test}\n'),
      }),
      'app/crds/w.yaml':
        'apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: w.example.com}\n',
      'values/east.yaml': 'b: file\nc: file\n',
    });
    const { objects = [], names } = await render({
      path: 'app',
      apply: { ...assignmentOf().apply, namespace: 'shop' },
      render: {
        ...assignmentOf().render,
        helmReleaseName: 'live',
        helmValuesFiles: ['../values/east.yaml'],
        helmValues: { c: 'inline' },
      },
    });
    expect(names?.sort()).toEqual([
      'ConfigMap/live',
      'ConfigMap/pre',
      'CustomResourceDefinition/w.example.com',
    ]);
    const live = objects.find(({ metadata }) => metadata.name === 'live');
    expect(live?.data).toEqual({ a: 'chart', b: 'file', c: 'inline' });
    expect(live?.metadata.namespace).toBe('shop');
  });

  it('S11: that fails says where, without the values of the assignment', async () => {
    write(chart({ 'a.yaml': '{{ fail "no such size" }}' }));
    const failure = await failureOf({
      path: 'app',
      render: { ...assignmentOf().render, helmValues: { key: 'canary-7531' } },
    });
    expect(failure?.message).toMatch(/helm at app.*no such size/s);
    expect(failure?.message).not.toContain('canary-7531');
    expect(failure?.message).not.toContain(folder);
    expect(readdirSync(join(folder, 'cache/temporary'))).toEqual([]);
  });

  it('with dependencies that are not in the repository is refused with the remedy', async () => {
    write(
      chart(
        { 'a.yaml': configMap('a') },
        'dependencies: [{name: d, version: 1.0.0, repository: "https://example.com"}]\n',
      ),
    );
    expect((await failureOf({ path: 'app' }))?.message).toMatch(/commit the charts\/ folder/);
  });

  it.each([
    ['../../outside.yaml', /outside the tree/],
    ['https://example.com/values.yaml', /outside the tree|does not exist/],
    ['nothing.yaml', /does not exist/],
  ])('S9: takes no values from %s', async (name, message) => {
    write(chart({ 'a.yaml': configMap('a') }));
    const values = { ...assignmentOf().render, helmValuesFiles: [name] };
    expect((await failureOf({ path: 'app', render: values }))?.message).toMatch(message);
  });
});

describe('a tool', () => {
  const script = (text: string): string => {
    const file = join(folder, 'tool');
    writeFileSync(file, `#!/bin/sh\n[ "$1" = version ] && echo 1 && exit 0\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  beforeEach(() => write({ 'app/kustomization.yaml': 'resources: []' }));

  it('that takes too long is killed with everything it started', async () => {
    const kustomize = script(`/bin/sleep 300 & echo $! > ${folder}/child; wait`);
    const failure = await failureOf(
      { path: 'app' },
      rendererOf({ durationMsMax: 300 }, { kustomize }),
    );
    expect(failure).toMatchObject({ code: 'limit_exceeded', terminal: false });
    expect(failure?.message).toMatch(/longer than 300 ms/);
    const child = Number(
      await import('node:fs').then((fs) => fs.readFileSync(`${folder}/child`, 'utf8')),
    );
    await expect.poll(() => isAlive(child), { timeout: 5_000 }).toBe(false);
  });

  it('that writes too much is stopped', async () => {
    const kustomize = script('while :; do echo 0123456789012345678901234567890123456789; done');
    const failure = await failureOf(
      { path: 'app' },
      rendererOf({ outputBytesMax: 5_000 }, { kustomize }),
    );
    expect(failure?.message).toMatch(/more than 5000 bytes/);
  });

  it('that is missing is named, and tried again later', async () => {
    const failure = await failureOf(
      { path: 'app' },
      rendererOf({}, { kustomize: '/nowhere/kustomize' }),
    );
    expect(failure).toMatchObject({ code: 'tool_missing', terminal: false });
  });

  it('sees nothing of the environment of the agent', async () => {
    process.env.FAIRLEAD_CANARY = 'canary-8642';
    const kustomize = script(`/usr/bin/env > ${folder}/environment; exit 1`);
    await failureOf({ path: 'app' }, rendererOf({}, { kustomize }));
    delete process.env.FAIRLEAD_CANARY;
    const seen = await import('node:fs').then((fs) =>
      fs.readFileSync(`${folder}/environment`, 'utf8'),
    );
    expect(seen).not.toContain('canary-8642');
    expect(seen).toContain('HELM_PLUGINS=');
  });

  it('F35: is not started again for a tree that was rendered before, even after a restart', async () => {
    const kustomize = script(
      `echo run >> ${folder}/runs\nprintf '${configMap('a').replaceAll('\n', '\\n')}'`,
    );
    const first = await render({ path: 'app' }, rendererOf({}, { kustomize }));
    const second = await render({ path: 'app' }, rendererOf({}, { kustomize }));
    expect(second).toEqual(first);
    const runs = await import('node:fs').then((fs) => fs.readFileSync(`${folder}/runs`, 'utf8'));
    expect(runs).toBe('run\n');
    const [entry = ''] = readdirSync(join(folder, 'cache/rendered'));
    writeFileSync(join(folder, 'cache/rendered', entry), 'torn');
    expect(await render({ path: 'app' }, rendererOf({}, { kustomize }))).toEqual(first);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function laughs(): string {
  const levels = Array.from({ length: 9 }, (_, level) =>
    level === 0 ? 'l0: &l0 [lol]' : `l${level}: &l${level} [${`*l${level - 1},`.repeat(10)}]`,
  );
  return configMap('a', `data:\n  ${levels.join('\n  ')}\n`);
}
