import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findTool, findTools } from '../../../deploy/tools/index.ts';
import { createRenderWorld, type RenderWorld } from './testing/index.ts';
import { createTools } from './tools.ts';

let world: RenderWorld;
beforeEach(async () => {
  world = await createRenderWorld();
}, 600_000);
afterEach(() => world.remove());

const deployment = (name: string): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${name}}\nspec: {replicas: 1, template: {spec: {containers: [{name: web, image: web}]}}}\n`;

describe('the render host', () => {
  it('renders what the programs themselves print', async () => {
    world.write({
      'base/kustomization.yaml':
        'resources: [a.yaml]\nconfigMapGenerator: [{name: c, literals: [a=b]}]\n',
      'base/a.yaml': deployment('web'),
      'app/kustomization.yaml':
        'resources: [../base]\ncomponents: [../part]\nnamePrefix: east-\nimages: [{name: web, newTag: "2"}]\npatches: [{target: {kind: Deployment}, patch: "- {op: replace, path: /spec/replicas, value: 3}"}]\nreplacements:\n- source: {kind: Deployment, fieldPath: spec.replicas}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.replicas], options: {create: true}}]\n',
      'part/kustomization.yaml':
        'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {part: one}, includeSelectors: true}]\n',
      'chart/Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: "7"\n',
      'chart/values.yaml': 'image: {tag: x}\n',
      'chart/templates/_h.tpl': '{{ define "labels" }}app: {{ .Chart.Name }}{{ end }}',
      'chart/templates/a.yaml': `${deployment('{{ .Release.Name }}')}---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-3", helm.sh/hook-delete-policy: hook-succeeded}\n  labels: {{- include "labels" . | nindent 4 }}\ndata: {all: {{ .Values | toJson | quote }}, v: {{ .Chart.AppVersion | quote }}}\n`,
    });
    const { kustomize, helm } = await findTools(['kustomize', 'helm']);
    const helmValues = { image: { tag: 'y' } };
    for (const path of ['app', 'chart']) {
      const byHost = await world.render({ path, render: { helmValues } });
      expect(byHost.objects).toHaveLength(2);
      const programs = { kustomize, helm };
      expect(await world.render({ path, render: { helmValues } }, { programs })).toEqual(byHost);
    }
  });

  it('keeps nothing of a rendering that was killed, ended or failed', async () => {
    world.write({
      'good/Chart.yaml': 'apiVersion: v2\nname: good\nversion: 1.0.0\n',
      'good/templates/a.yaml': deployment('{{ .Release.Name }}'),
      'loop/Chart.yaml': 'apiVersion: v2\nname: loop\nversion: 1.0.0\n',
      'loop/templates/a.yaml': '{{ range until 20000 }}{{ range until 20000 }}{{ end }}{{ end }}',
    });
    const starts = join(world.folder, 'starts');
    const renderHost = join(world.folder, 'host');
    const real = await findTool('render-host');
    writeFileSync(renderHost, `#!/bin/sh\necho $$ >> ${starts}\nexec ${real} "$@"\n`, {
      mode: 0o755,
    });
    const tools = createTools({
      programs: { renderHost, sops: '/nowhere' },
      directory: join(world.folder, 'homes'),
      limits: { durationMsMax: 4_000, outputBytesMax: 10_000, processesMax: 1 },
    });
    const end = new AbortController();
    const template = (name: string, { signal = end.signal, input = '{}' } = {}) => {
      const parameters = ['template', name, name, '--values', '-', '--namespace', 'n'];
      return tools.run('helm', { parameters, directory: world.tree(), input, signal });
    };
    const good = await template('good');
    expect(good).toMatchObject({ ok: true });
    expect(await template('loop')).toMatchObject({ ok: false, error: { kind: 'too-slow' } });
    expect(await template('good')).toEqual(good);
    expect(await template('good', { input: 'a: [' })).toMatchObject({
      ok: false,
      error: { kind: 'failed', message: expect.stringContaining('yaml') },
    });
    const aborted = new AbortController();
    const running = template('loop', { signal: aborted.signal });
    aborted.abort();
    expect(await running).toMatchObject({ ok: false, error: { kind: 'aborted' } });
    expect(await template('good')).toEqual(good);
    // The first, and one after the loop; the rendering that was ended at once may have had none yet.
    const pids = readFileSync(starts, 'utf8').trim().split('\n');
    expect(pids.length).toBeGreaterThanOrEqual(2);
    expect(pids.length).toBeLessThanOrEqual(4);
  });
});
