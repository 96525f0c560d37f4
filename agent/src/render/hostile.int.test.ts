// S9: hostile repositories, from the Git objects of a commit to its rendering. Whatever the tree holds, the answer is a
// refusal that names the place, within limits; nothing is written outside the agent's folder and nothing is fetched.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { err } from '@fairlead/shared/result';
import { systemRandom } from '@fairlead/shared/time';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findTools } from '../../../deploy/tools/index.ts';
import { createObjectStore, createTreeFolders, openJournal } from '../journal/index.ts';
import { assignmentOf, buildCommit, type Folder } from '../journal/testing/index.ts';
import { createRenderer } from './index.ts';
import { tarFile } from './testing/index.ts';

let programs: { renderHost: string; sops: string };
let folder: string;
let server: Server;
let address: string;
let requests: string[];

beforeAll(async () => {
  const found = await findTools(['render-host', 'sops']);
  programs = { renderHost: found['render-host'], sops: found.sops };
  folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  mkdirSync(join(folder, 'outside'));
  writeFileSync(join(folder, 'outside/secret.yaml'), configMap('outside'));
  server = createServer((request, response) => {
    requests.push(request.url ?? '');
    response.end(configMap('remote'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}, 600_000);
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  requests = [];
});

const configMap = (name: string, more = ''): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n${more}`;
const kustomization = (text: string, more: Folder = {}): Folder => ({
  app: { 'kustomization.yaml': text, 'a.yaml': configMap('a'), ...more },
});
const chart = (templates: Folder, more: Folder = {}): Folder => ({
  app: {
    'Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\n',
    templates,
    ...more,
  },
});

const archive = (files: Record<string, Buffer>): string =>
  gzipSync(
    Buffer.concat([
      ...Object.entries(files).map(([name, content]) => tarFile(name, content)),
      Buffer.alloc(1024),
    ]),
  ).toString('latin1');

const laughs = Array.from({ length: 9 }, (_, level) =>
  level === 0 ? 'l0: &l0 [lol]' : `l${level}: &l${level} [${`*l${level - 1},`.repeat(10)}]`,
).join('\n  ');

const manyObjects = Array.from(
  { length: 2_001 },
  (_, index) => `---\n{apiVersion: v1, kind: N, metadata: {name: n${index}}}\n`,
).join('');

const nested = (depth: number): Folder =>
  depth === 0 ? { 'a.yaml': configMap('a') } : { d: nested(depth - 1) };

async function render(top: Folder, valuesFiles: readonly string[] = []): Promise<string> {
  const clock = { now: () => Date.now() };
  const directory = mkdtempSync(join(folder, 'agent-'));
  using journal = openJournal({
    file: join(directory, 'journal.sqlite'),
    clock,
    random: systemRandom,
  });
  const objects = createObjectStore({
    rows: journal.gitObjects,
    directory: join(directory, 'objects'),
    clock,
    random: systemRandom,
  });
  const built = buildCommit(top);
  for (const [id, object] of built.objects) await objects.write(id, object);
  const folders = createTreeFolders({
    directory: join(directory, 'trees'),
    objects,
    clock,
    random: systemRandom,
  });
  const opened = await folders.open(built.commit, '');
  if (!opened.ok) return opened.error.message;
  const folderOf = async () => {
    const written = await opened.value.folder();
    return written.ok ? written : err({ message: written.error.message, terminal: true });
  };
  const tree = { ...opened.value, folder: folderOf };
  const renderer = createRenderer({
    programs,
    cacheDirectory: join(directory, 'render'),
    readSecret: async () => undefined,
    agentNamespace: 'fairlead-system',
    capabilities: async () => ({ kubeVersion: 'v1.37.2', apiVersions: ['v1'] }),
    limits: { durationMsMax: 4_000, objectsMax: 2_000 },
  });
  const base = assignmentOf({ path: 'app', commit: built.commit as never });
  const assignment = { ...base, render: { ...base.render, helmValuesFiles: valuesFiles } };
  const rendered = await renderer.render(assignment, tree, new AbortController().signal);
  if (!rendered.ok) return rendered.error.message;
  return `rendered ${JSON.stringify(rendered.value)}`;
}

const cases: [string, () => Folder, RegExp][] = [
  // The tree itself.
  ['a name that leads up', () => ({ app: { '..': { a: 'x' } } }), /a path of its own/],
  ['a .git folder', () => ({ app: { '.git': { config: 'x' } } }), /\.git/],
  ['a .GIT folder', () => ({ app: { '.GiT': { config: 'x' } } }), /\.GiT/],
  ['a name with a slash', () => ({ app: { 'a/../../b': 'x' } }), /path separator/],
  [
    'a name with a line break',
    () => ({ app: { 'a\nb.yaml': configMap('a') } }),
    /control character/,
  ],
  ['names that are one on some disks', () => ({ app: { A: '1', a: '2' } }), /differ|case/],
  [
    'an absolute link',
    () => ({ app: { 'a.yaml': { link: '/etc/passwd' } } }),
    /not a relative path/,
  ],
  [
    'a link out',
    () => ({ app: { 'a.yaml': { link: '../../outside/secret.yaml' } } }),
    /outside the tree/,
  ],
  [
    'a link out by another',
    () => ({ app: { a: { link: '.' }, b: { link: 'a/../../x' } } }),
    /is a link to/,
  ],
  ['links in a circle', () => ({ app: { a: { link: 'b' }, b: { link: 'a' } } }), /is a link to/],
  ['folders without end', () => ({ app: nested(80) }), /nested more than 64 folders/],
  [
    'a path without end',
    () => ({
      app: {
        [`${'x'.repeat(250)}`]: {
          ['y'.repeat(250)]: {
            ['z'.repeat(250)]: { ['a'.repeat(250)]: { ['b'.repeat(250)]: 'x' } },
          },
        },
      },
    }),
    /longer than 1024 bytes/,
  ],
  // Plain manifests.
  [
    'a billion laughs',
    () => ({ app: { 'a.yaml': configMap('a', `data:\n  ${laughs}\n`) } }),
    /app\/a\.yaml/,
  ],
  [
    'an alias of itself',
    () => ({ app: { 'a.yaml': configMap('a', 'data: &a {a: *a}\n') } }),
    /app\/a\.yaml/,
  ],
  [
    'nesting without end',
    () => ({ app: { 'a.yaml': configMap('a', `data: ${'['.repeat(60_000)}`) } }),
    /app\/a\.yaml/,
  ],
  ['objects without end', () => ({ app: { 'a.yaml': manyObjects } }), /over 2000 objects/],
  // Kustomize.
  ['a remote base', () => kustomization(`resources: ["${address}/base?ref=main"]`), /is remote/],
  ['a remote file', () => kustomization(`resources: ["${address}/a.yaml"]`), /is remote/],
  [
    'a repository by its short name',
    () => kustomization('resources: ["github.com/a/b"]'),
    /is remote/,
  ],
  [
    'a repository over ssh',
    () => kustomization('resources: ["git@example.com:a/b.git"]'),
    /is remote/,
  ],
  [
    'a remote schema',
    () => kustomization(`openapi: {path: "${address}/schema.json"}`),
    /is remote/,
  ],
  [
    'a remote file to generate from',
    () => kustomization(`secretGenerator: [{name: s, files: ["a=${address}/x"]}]`),
    /is remote/,
  ],
  [
    'a base above the tree',
    () => kustomization('resources: ["../../../outside"]'),
    /outside the folder/,
  ],
  ['an absolute base', () => kustomization('resources: ["/etc"]'), /outside the folder/],
  [
    'kustomizations in a circle',
    () => kustomization('resources: [b]', { b: { 'kustomization.yaml': 'resources: [../]' } }),
    /cycle/,
  ],
  [
    'a chart to inflate',
    () => kustomization(`helmCharts: [{name: x, repo: "${address}"}]`),
    /helmCharts is not allowed/,
  ],
  [
    'a program to run',
    () =>
      kustomization('transformers: [t.yaml]', {
        't.yaml': configMap('t').replace(
          '{name: t}',
          '{name: t, annotations: {config.kubernetes.io/function: "exec: {path: /bin/touch}"}}',
        ),
      }),
    /kustomize at app/,
  ],
  [
    'a container to run',
    () =>
      kustomization('generators: [t.yaml]', {
        't.yaml': configMap('t').replace(
          '{name: t}',
          '{name: t, annotations: {config.kubernetes.io/function: "container: {image: x}"}}',
        ),
      }),
    /kustomize at app/,
  ],
  [
    'laughs in a kustomization',
    () => kustomization(`commonAnnotations:\n  ${laughs}\nresources: [a.yaml]`),
    /kustomization\.yaml/,
  ],
  // Helm.
  [
    'a template that calls itself',
    () => chart({ 'a.yaml': '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}' }),
    /helm at app/,
  ],
  [
    'a template that loops',
    () => chart({ 'a.yaml': '{{ range until 20000 }}{{ range until 20000 }}{{ end }}{{ end }}' }),
    /helm at app (?:took|wrote)/,
  ],
  [
    'a template that takes all memory',
    () => chart({ 'a.yaml': '{{ until 1000000000 }}' }),
    /helm at app took more than \d+ bytes of memory/,
  ],
  [
    'a template that writes without end',
    () =>
      chart({
        'a.yaml':
          '{{ range until 20000 }}{{ range until 20000 }}xxxxxxxxxxxxxxxx{{ end }}{{ end }}',
      }),
    /helm at app (?:took|wrote)/,
  ],
  [
    'a template that reads the environment',
    () => chart({ 'a.yaml': '{{ env "PATH" }}' }),
    /function "env" not defined/,
  ],
  [
    'an archive that unpacks without end',
    () =>
      chart(
        { 'a.yaml': configMap('a') },
        {
          charts: {
            'bomb-1.0.0.tgz': archive({
              'bomb/Chart.yaml': Buffer.from('apiVersion: v2\nname: bomb\nversion: 1.0.0\n'),
              'bomb/files/zero': Buffer.alloc(40 * 1024 * 1024),
            }),
          },
        },
      ),
    /helm at app/,
  ],
  [
    'an archive that leads up',
    () =>
      chart(
        { 'a.yaml': configMap('a') },
        { charts: { 'up-1.0.0.tgz': archive({ 'up/../../../../written': Buffer.from('x') }) } },
      ),
    /helm at app/,
  ],
  [
    'a dependency to fetch',
    () =>
      chart(
        { 'a.yaml': configMap('a') },
        {
          'Chart.yaml': `apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies: [{name: d, version: 1.0.0, repository: "${address}"}]\n`,
        },
      ),
    /commit the charts\/ folder/,
  ],
];

describe('S9: a hostile repository', () => {
  it.each(cases)(
    'with %s is refused',
    async (_name, top, message) => {
      const said = await render(top());
      expect(said).toMatch(message);
      expect(said).not.toMatch(/^rendered/);
      expect(said.length).toBeLessThanOrEqual(2_000);
      expect(requests).toEqual([]);
      expect(readdirSync(join(folder, 'outside'))).toEqual(['secret.yaml']);
      expect(readdirSync(folder).filter((name) => !name.startsWith('agent-'))).toEqual(['outside']);
    },
    30_000,
  );

  it.each([`../../outside/secret.yaml`, '/etc/passwd', 'http://example.com/values.yaml'])(
    'gets no values from %s',
    async (name) => {
      expect(await render(chart({ 'a.yaml': configMap('a') }), [name])).toMatch(
        /outside the tree|does not exist/,
      );
    },
  );

  it('sees no file beside its chart, no name server and no cluster', async () => {
    const template = configMap(
      'a',
      'data:\n  file: {{ .Files.Get "../../outside/secret.yaml" | quote }}\n  host: {{ getHostByName "localhost" | quote }}\n  found: {{ lookup "v1" "Secret" "" "" | toJson | quote }}\n',
    );
    const [rendered] = JSON.parse((await render(chart({ 'a.yaml': template }))).slice(9));
    expect(rendered.data).toEqual({ file: '', host: '', found: '{}' });
  });
});
