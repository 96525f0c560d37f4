import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findTool } from '../../../deploy/tools/index.ts';
import { createRenderWorld, type RenderWorld, tarFile } from './testing/index.ts';

let world: RenderWorld;
beforeEach(async () => {
  world = await createRenderWorld();
}, 600_000);
afterEach(() => world.remove());

const configMap = (name: string, data: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: ${data}\n`;
const chartYaml = (name: string, more = ''): string =>
  `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n${more}`;
const dataOf = async (changes = {}, options = {}) =>
  (await world.render({ path: 'app', ...changes }, options)).objects?.map(({ data }) => data);

describe('a chart', () => {
  it('brings its vendored dependencies, unpacked and as archives, with their values', async () => {
    const packed = gzipSync(
      Buffer.concat([
        tarFile('packed/Chart.yaml', chartYaml('packed')),
        tarFile('packed/values.yaml', 'size: 1\n'),
        tarFile(
          'packed/templates/a.yaml',
          configMap('packed', '{size: "{{ .Values.size }}", all: "{{ .Values.global.all }}"}'),
        ),
        Buffer.alloc(1_024),
      ]),
    );
    world.write({
      'app/Chart.yaml': chartYaml(
        'shop',
        'dependencies:\n- {name: packed, version: 1.0.0, repository: "https://example.com"}\n- {name: folder, version: 1.0.0, repository: "https://example.com", condition: folder.on}\n',
      ),
      'app/charts/packed-1.0.0.tgz': packed,
      'app/charts/folder/Chart.yaml': chartYaml('folder'),
      'app/charts/folder/templates/a.yaml': configMap('folder', '{on: "yes"}'),
    });
    const helmValues = { global: { all: 'g' }, packed: { size: 2 }, folder: { on: false } };
    expect(await dataOf({ render: { helmValues } })).toEqual([{ size: '2', all: 'g' }]);
    expect(
      await dataOf({ render: { helmValues: { ...helmValues, folder: { on: true } } } }),
    ).toEqual([{ on: 'yes' }, { size: '2', all: 'g' }]);
  });

  it('asks the cluster what it is, and is rendered again when that changes', async () => {
    const data =
      '{version: "{{ .Capabilities.KubeVersion.Version }}", monitor: "{{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor" }}"}';
    world.write({
      'app/Chart.yaml': chartYaml('shop'),
      'app/templates/a.yaml': configMap('a', data),
    });
    expect(await dataOf()).toEqual([{ version: 'v1.37.2', monitor: 'false' }]);
    const apiVersions = ['monitoring.coreos.com/v1', 'monitoring.coreos.com/v1/ServiceMonitor'];
    const capabilities = async () => ({ kubeVersion: 'v1.36.1', apiVersions });
    expect(await dataOf({}, { capabilities })).toEqual([{ version: 'v1.36.1', monitor: 'true' }]);
  });

  it('that refuses the cluster says so', async () => {
    world.write({
      'app/Chart.yaml': chartYaml('shop', 'kubeVersion: ">=1.99.0"\n'),
      'app/templates/a.yaml': configMap('a', '{}'),
    });
    const { failure } = await world.render({ path: 'app' });
    expect(failure?.message).toMatch(/requires kubeVersion: >=1\.99\.0 .* v1\.37\.2/);
  });

  it('waits for a cluster that does not answer', async () => {
    world.write({
      'app/Chart.yaml': chartYaml('shop'),
      'app/templates/a.yaml': configMap('a', '{}'),
    });
    const capabilities = async () => {
      throw new Error('no route');
    };
    expect((await world.render({ path: 'app' }, { capabilities })).failure).toMatchObject({
      terminal: false,
      message: 'the cluster does not say what it serves: no route',
    });
  });

  it('that calls lookup gets nothing, and a person hears of it', async () => {
    const template = '{{ $found := lookup "v1" "Secret" "shop" "password" }}';
    world.write({
      'app/Chart.yaml': chartYaml('shop'),
      'app/templates/a.yaml': `${template}${configMap('a', '{found: {{ $found | toJson | quote }}}')}`,
    });
    expect(await dataOf()).toEqual([{ found: '{}' }]);
    expect(world.notices).toEqual([expect.stringMatching(/^app: The chart uses `lookup`/)]);
    world.write({ 'app/templates/b.yaml': '{{ required "no password" .Values.password }}' });
    const { failure } = await world.render({ path: 'app', apply: { namespace: 'other' } });
    expect(failure?.message).toMatch(/no password.*The chart uses `lookup`/s);
  });

  it('has its values files merged as Helm does, null and documents of one file included', async () => {
    world.write({
      'app/Chart.yaml': chartYaml('shop'),
      'app/values.yaml': 'a: {keep: 1, drop: 1}\n',
      'app/one.yaml': 'a: {drop: null, flag: yes}\nlist: [1, 2]\n---\na: {more: 2}\n',
      'app/two.yaml': '# nothing but a comment\n',
      'app/templates/a.yaml': configMap('a', '{all: {{ .Values | toJson | quote }}}'),
    });
    const render = { helmValuesFiles: ['one.yaml', 'two.yaml'], helmValues: { list: [3] } };
    const [data] = (await dataOf({ render })) ?? [];
    expect(JSON.parse((data as { all: string }).all)).toEqual({
      a: { keep: 1, flag: true, more: 2 },
      list: [3],
    });
  });
});

describe('substitution and rendering', () => {
  it('renders a chart once for clusters and stages that differ in values alone', async () => {
    world.write({
      'app/Chart.yaml': chartYaml('shop'),
      'app/templates/a.yaml': configMap('a', '{region: "${cluster.labels.region}"}'),
    });
    const of = (region: string) => ({
      clusterLabels: { region },
      render: { substitution: {} },
    });
    expect(await dataOf(of('eu'))).toEqual([{ region: 'eu' }]);
    // It says its version, and can render nothing.
    const renderHost = join(world.folder, 'stopped');
    const real = await findTool('render-host');
    writeFileSync(renderHost, `#!/bin/sh\n[ "$1" = version ] && exec ${real} version\nexit 9\n`);
    chmodSync(renderHost, 0o755);
    expect(await dataOf(of('us'), { programs: { renderHost } })).toEqual([{ region: 'us' }]);
  });
});
