import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { basename, isAbsolute, join, posix } from 'node:path';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Assignment } from '../domain/link/index.ts';
import {
  renderCacheBytesMax,
  renderCacheEntriesMax,
  renderDurationMsMax,
  renderFilesMax,
  renderObjectDepthMax,
  renderObjectsMax,
  renderOutputBytesMax,
  renderProcessesMax,
} from '../limits.ts';
import { createRenderCache, renderKey } from './cache.ts';
import { type RenderFailure, renderFailure } from './failure.ts';
import { mapHelmHooks } from './helm-hooks.ts';
import { checkKustomizeReferences, kustomizationNames } from './kustomize-references.ts';
import { type ManifestText, readObjects } from './objects.ts';
import { readPlain } from './plain.ts';
import { runTool, type ToolFailure } from './run-tool.ts';
import { createTurns } from './turns.ts';

export type RenderLimits = {
  readonly outputBytesMax: number;
  readonly objectsMax: number;
  readonly depthMax: number;
  readonly filesMax: number;
  readonly durationMsMax: number;
  readonly processesMax: number;
};

export const renderLimits: RenderLimits = {
  outputBytesMax: renderOutputBytesMax,
  objectsMax: renderObjectsMax,
  depthMax: renderObjectDepthMax,
  filesMax: renderFilesMax,
  durationMsMax: renderDurationMsMax,
  processesMax: renderProcessesMax,
};

export type RendererDependencies = {
  /** Paths of the programs. */
  readonly kustomize: string;
  readonly helm: string;
  /** For the cache and for the tools' temporary files. */
  readonly cacheDirectory: string;
  readonly limits?: Partial<RenderLimits>;
};

export type Renderer = {
  /**
   * Renders the assignment's path in a folder that holds the content of its root, and that is named by the id of that
   * tree. An empty result is a failure, so a caller never sees an empty list.
   */
  readonly render: (
    assignment: Assignment,
    treeDirectory: string,
    signal: AbortSignal,
  ) => Promise<Result<KubernetesObject[], RenderFailure>>;
};

type Source = 'kustomize' | 'helm' | 'plain';
/** Raised when the same tree would render to other objects, so that old entries of the cache are not used. */
const renderVersion = 1;

export function createRenderer(dependencies: RendererDependencies): Renderer {
  const { kustomize, helm, cacheDirectory } = dependencies;
  const limits: RenderLimits = { ...renderLimits, ...dependencies.limits };
  const cache = createRenderCache(join(cacheDirectory, 'rendered'), {
    entriesMax: renderCacheEntriesMax,
    bytesMax: renderCacheBytesMax,
  });
  const inTurn = createTurns(limits.processesMax);
  const versions = new Map<string, string>();

  const tool = async (
    file: string,
    parameters: readonly string[],
    directory: string,
    signal: AbortSignal,
  ): Promise<Result<Buffer, ToolFailure>> => {
    const temporary = join(cacheDirectory, 'temporary');
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    const home = await mkdtemp(join(temporary, 'tool-'));
    try {
      const { durationMsMax, outputBytesMax } = limits;
      const environment = toolEnvironment(home);
      const run = { file, arguments: parameters, directory, environment, signal };
      return await inTurn(() => runTool({ ...run, durationMsMax, outputBytesMax }));
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  };

  /** The version is part of the cache's key: another version may render the same tree to other objects. */
  const versionOf = async (source: Source, signal: AbortSignal): Promise<string> => {
    if (source === 'plain') return '';
    const file = source === 'helm' ? helm : kustomize;
    const known = versions.get(file);
    if (known !== undefined) return known;
    const found = await tool(file, ['version'], cacheDirectory, signal);
    const version = found.ok ? found.value.toString('utf8').trim() : '';
    if (found.ok) versions.set(file, version);
    return version;
  };

  const runKustomize = async (
    assignment: Assignment,
    tree: string,
    path: string,
    signal: AbortSignal,
  ): Promise<Result<ManifestText[], RenderFailure>> => {
    const checked = await checkKustomizeReferences(tree, path);
    if (!checked.ok) return checked;
    const built = await tool(kustomize, ['build', join(tree, path)], tree, signal);
    if (!built.ok) return toolFailure('kustomize', assignment.path, tree, built.error);
    return ok([{ source: 'kustomize build', text: built.value.toString('utf8') }]);
  };

  const runHelm = async (
    assignment: Assignment,
    tree: string,
    path: string,
    signal: AbortSignal,
  ): Promise<Result<ManifestText[], RenderFailure>> => {
    const { helmReleaseName, helmValuesFiles, helmValues } = assignment.render;
    const values: string[] = [];
    for (const name of helmValuesFiles) {
      const file = await insideTree(tree, path, name);
      if (!file.ok) return file;
      values.push('--values', file.value);
    }
    const temporary = join(cacheDirectory, 'temporary');
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    const inline = await mkdtemp(join(temporary, 'values-'));
    try {
      if (Object.keys(helmValues).length > 0) {
        const file = join(inline, 'values.json');
        await writeFile(file, JSON.stringify(helmValues), { mode: 0o600, flag: 'wx' });
        values.push('--values', file);
      }
      const release = helmReleaseName || assignment.pipeline;
      const namespace = assignment.apply.namespace || 'default';
      const built = await tool(
        helm,
        ['template', release, join(tree, path), ...values, '--namespace', namespace].concat(
          '--include-crds',
          '--skip-tests',
        ),
        tree,
        signal,
      );
      if (!built.ok) return toolFailure('helm', assignment.path, tree, built.error);
      return ok([{ source: 'helm template', text: built.value.toString('utf8') }]);
    } finally {
      await rm(inline, { recursive: true, force: true });
    }
  };

  const renderFresh = async (
    source: Source,
    assignment: Assignment,
    tree: string,
    path: string,
    signal: AbortSignal,
  ): Promise<Result<KubernetesObject[], RenderFailure>> => {
    const texts =
      source === 'kustomize'
        ? await runKustomize(assignment, tree, path, signal)
        : source === 'helm'
          ? await runHelm(assignment, tree, path, signal)
          : await readPlain(join(tree, path), assignment.path, limits);
    if (!texts.ok) return texts;
    const read = await readObjects(texts.value, assignment.apply.namespace || 'default', limits);
    if (!read.ok) return read;
    const objects = source === 'helm' ? mapHelmHooks(read.value) : read.value;
    if (objects.length === 0) {
      return renderFailure('renders_nothing', `${assignment.path || '.'} renders no objects`);
    }
    return ok(objects);
  };

  return {
    render: async (assignment, treeDirectory, signal) => {
      mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
      const path = pathBelowRoot(assignment);
      if (!path.ok) return path;
      const tree = realPathOf(treeDirectory);
      if (tree === undefined) {
        return renderFailure('ended', 'the folder of the tree is gone; it is written again');
      }
      const source = sourceOf(tree, path.value, assignment.path);
      if (!source.ok) return source;
      const version = await versionOf(source.value, signal);
      const treeId = basename(treeDirectory);
      const key = renderKey([
        renderVersion,
        treeId,
        path.value,
        source.value,
        version,
        source.value === 'helm' ? assignment.render : {},
        source.value === 'helm' ? assignment.pipeline : '',
        assignment.apply.namespace,
      ]);
      // Plain manifests are read as fast from the tree as from the cache: what the cache saves is a process.
      const cacheable =
        /^[0-9a-f]{40,64}$/.test(treeId) && source.value !== 'plain' && version !== '';
      const cached = cacheable ? await cache.read(key) : undefined;
      if (cached !== undefined) return ok(cached);
      const rendered = await renderFresh(source.value, assignment, tree, path.value, signal);
      if (rendered.ok && cacheable) await cache.write(key, rendered.value);
      return rendered;
    },
  };
}

/**
 * What a tool may see: a home of its own and nothing of the agent's environment. There is no PATH, so that nothing else
 * can be run (git above all), and the proxy is a closed port, so that nothing is fetched over HTTP.
 */
const toolEnvironment = (home: string): Record<string, string> => ({
  HOME: home,
  TMPDIR: home,
  PATH: '',
  XDG_CACHE_HOME: join(home, 'cache'),
  XDG_CONFIG_HOME: join(home, 'config'),
  XDG_DATA_HOME: join(home, 'data'),
  HELM_CACHE_HOME: join(home, 'cache'),
  HELM_CONFIG_HOME: join(home, 'config'),
  HELM_DATA_HOME: join(home, 'data'),
  HELM_PLUGINS: join(home, 'plugins'),
  KUBECONFIG: join(home, 'none'),
  HTTP_PROXY: 'http://127.0.0.1:9',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  GOMAXPROCS: '2',
});

function pathBelowRoot({ path, root }: Assignment): Result<string, RenderFailure> {
  const below = root === '' ? path : path === root ? '' : path.slice(root.length + 1);
  const inside = root === '' || path === root || path.startsWith(`${root}/`);
  if (!inside || isAbsolute(below) || below.split('/').includes('..')) {
    return renderFailure('path_missing', `${path} is not below ${root}, which the agent receives`);
  }
  return ok(below);
}

function sourceOf(tree: string, path: string, shownPath: string): Result<Source, RenderFailure> {
  const folder = realPathOf(join(tree, path));
  const inside = folder !== undefined && (folder === tree || folder.startsWith(`${tree}/`));
  if (!inside || !lstatSync(folder).isDirectory()) {
    return renderFailure('path_missing', `the commit has no folder ${shownPath || '.'}`);
  }
  if (kustomizationNames.some((name) => exists(join(folder, name)))) return ok('kustomize');
  return ok(exists(join(folder, 'Chart.yaml')) ? 'helm' : 'plain');
}

// Names in a folder that was written a moment ago: asking the thread pool for them costs more than the answer.
const exists = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined;

function realPathOf(folder: string): string | undefined {
  try {
    return realpathSync(folder);
  } catch {
    return undefined;
  }
}

async function insideTree(
  tree: string,
  path: string,
  name: string,
): Promise<Result<string, RenderFailure>> {
  const relative = posix.normalize(posix.join(path, name));
  const place = `Helm values file ${JSON.stringify(name)}`;
  if (isAbsolute(name) || relative.startsWith('..') || name.includes('://')) {
    return renderFailure('reference_refused', `${place} is outside the tree`);
  }
  const file = await realpath(join(tree, relative)).catch(() => undefined);
  if (file === undefined) return renderFailure('path_missing', `${place} does not exist`);
  if (!file.startsWith(`${tree}/`)) {
    return renderFailure('reference_refused', `${place} leads out of the tree`);
  }
  return ok(file);
}

function toolFailure(
  name: string,
  path: string,
  tree: string,
  { kind, message }: ToolFailure,
): Result<never, RenderFailure> {
  // The folder on this machine says nothing to a person; the place in the tree does.
  const text = message.replaceAll(`${tree}/`, '').replaceAll(tree, '.');
  const place = `${name} at ${path || '.'}`;
  switch (kind) {
    case 'missing':
      return renderFailure('tool_missing', `${name} cannot be run: ${text}`);
    case 'aborted':
      return renderFailure('ended', `${place}: ${text}`);
    case 'too-slow':
      // A busy machine may be the reason, so the same commit is tried again.
      return err({ code: 'limit_exceeded', message: `${place} ${text}`, terminal: false });
    case 'too-large':
      return renderFailure('limit_exceeded', `${place} ${text}`);
    case 'failed': {
      const vendored = text.includes('missing in charts/ directory');
      const remedy = vendored
        ? ' Run `helm dependency build` and commit the charts/ folder; the agent fetches nothing.'
        : '';
      return renderFailure('tool_failed', `${place}: ${text}${remedy}`);
    }
  }
}
