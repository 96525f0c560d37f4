import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { createRenderer } from '../../agent/src/render/index.ts';
import { treeOfFolder } from '../../agent/src/render/testing/index.ts';
import { findTools } from '../../deploy/tools/index.ts';
import { temporaryDirectory } from '../stack/index.ts';
import { unitName, unitObjects } from './units.ts';

const run = promisify(execFile);
/** As many as the reconciler lets work at once. */
const unitsInParallel = 24;
/** Of the units rendered one process after another, which takes the same time each. */
const sampleMax = 200;

type Assignment = Parameters<ReturnType<typeof createRenderer>['render']>[0];
type Kind = 'kustomize' | 'helm';

/**
 * Overlays over one base, and one chart with a values file a unit: each rendered by a process of its own, one after
 * another; by a fresh agent's renderer; and by another renderer on the same cache, as after a restart. Processes are
 * counted by what starts them.
 */
export async function benchRender({ unitsTotal }: { readonly unitsTotal: number }) {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  await using directory = await temporaryDirectory();
  const tools = await findTools(['render-host', 'kustomize', 'helm', 'sops']);
  const tree = join(directory.path, createHash('sha1').update('bench').digest('hex'));
  await writeTree(tree, unitsTotal);
  const startsFile = join(directory.path, 'starts');
  const counted = join(directory.path, 'render-host');
  await writeFile(
    counted,
    `#!/bin/sh\n[ "$1" = version ] || echo start >> ${startsFile}\nexec ${tools['render-host']} "$@"\n`,
  );
  await chmod(counted, 0o755);

  const opened = treeOfFolder(tree);
  const measure = async (kind: Kind) => {
    const sample = Math.min(unitsTotal, sampleMax);
    const bare = await timed(sample, 1, async (index) => {
      await run(tools[kind], bareArguments(kind, tree, index), { maxBuffer: 2 ** 24 });
    });
    say(`${kind}: one process after another ${bare.toFixed(0)} units/s (${sample} units)`);
    const figures: Record<string, number> = { bareUnitsPerSecond: round(bare) };
    for (const round_ of ['cold', 'warm'] as const) {
      await writeFile(startsFile, '');
      const renderer = createRenderer({
        programs: { renderHost: counted, sops: tools.sops },
        cacheDirectory: join(directory.path, `data-${kind}`),
        readSecret: async () => undefined,
        agentNamespace: 'fairlead-system',
        capabilities: async () => ({ kubeVersion: 'v1.37.2', apiVersions: ['v1', 'apps/v1'] }),
      });
      const { signal } = new AbortController();
      const perSecond = await timed(unitsTotal, unitsInParallel, async (index) => {
        const rendered = await renderer.render(assignmentOf(kind, index), opened, signal);
        if (!rendered.ok) throw new Error(rendered.error.message);
        if (rendered.value.length !== 4) throw new Error(`${kind} ${index} is not whole`);
      });
      const processes = (await readFile(startsFile, 'utf8')).split('\n').length - 1;
      say(
        `${kind}: ${round_} ${perSecond.toFixed(0)} units/s with ${processes} processes, ` +
          `${(perSecond / bare).toFixed(1)} times one process after another`,
      );
      figures[`${round_}UnitsPerSecond`] = round(perSecond);
      figures[`${round_}Processes`] = processes;
      figures[`${round_}Ratio`] = round(perSecond / bare);
    }
    return figures;
  };
  return { unitsTotal, kustomize: await measure('kustomize'), helm: await measure('helm') };
}

const bareArguments = (kind: Kind, tree: string, index: number): string[] =>
  kind === 'kustomize'
    ? ['build', join(tree, 'overlays', unitName(index))]
    : ['template', unitName(index), join(tree, 'chart'), '--values'].concat(
        join(tree, 'values', `${unitName(index)}.yaml`),
      );

const assignmentOf = (kind: Kind, index: number): Assignment =>
  ({
    pipeline: unitName(index),
    stage: 'production',
    path: kind === 'kustomize' ? `overlays/${unitName(index)}` : 'chart',
    root: '',
    render: {
      helmReleaseName: '',
      helmValuesFiles: kind === 'helm' ? [`../values/${unitName(index)}.yaml`] : [],
      helmValues: {},
      substitution: undefined,
      sopsSecret: '',
    },
    apply: { namespace: 'bench' },
    clusterName: 'production-1',
    clusterLabels: {},
  }) as unknown as Assignment;

async function writeTree(tree: string, unitsTotal: number): Promise<void> {
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text);
  };
  const objects = unitObjects(0, 'bench').map((object) => JSON.stringify(object));
  await write('base/all.yaml', objects.join('\n---\n'));
  await write('base/kustomization.yaml', 'resources: [all.yaml]\n');
  await write('chart/Chart.yaml', 'apiVersion: v2\nname: bench\nversion: 1.0.0\n');
  await write('chart/values.yaml', 'replicas: 0\nimage: none\n');
  const templates = objects
    .map((text) => text.replaceAll(unitName(0), '{{ .Release.Name }}'))
    .map((text) => text.replaceAll('"replicas":0', '"replicas":{{ .Values.replicas }}'));
  await write('chart/templates/all.yaml', templates.join('\n---\n'));
  for (let index = 0; index < unitsTotal; index++) {
    const name = unitName(index);
    await write(
      `overlays/${name}/kustomization.yaml`,
      `resources: [../../base]\nnameSuffix: -${name}\nlabels: [{pairs: {unit: ${name}}}]\n` +
        'patches: [{target: {kind: Deployment}, patch: "- {op: replace, path: /spec/replicas, value: 0}"}]\n',
    );
    await write(`values/${name}.yaml`, `image: registry.example.com/${name}:1.0.0\n`);
  }
}

/** Units a second. */
async function timed(
  total: number,
  inParallel: number,
  work: (index: number) => Promise<void>,
): Promise<number> {
  const startedAt = performance.now();
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < total; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: inParallel }, worker));
  return (total * 1_000) / (performance.now() - startedAt);
}

const round = (value: number): number => Math.round(value * 10) / 10;
