import { lstatSync, mkdirSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
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
import { clipFailure, type RenderFailure, renderFailure } from './failure.ts';
import { type Capabilities, encryptedFault, renderHelm } from './helm.ts';
import { renderKustomize } from './kustomize.ts';
import { kustomizationNames } from './kustomize-references.ts';
import { renderPlain, renderPlainFile, renderPlainOf } from './plain.ts';
import {
  type Rendered,
  type RenderSource,
  type RenderTree,
  realPathOf,
  type Work,
} from './rendering.ts';
import {
  createFileDecrypter,
  createKeyring,
  type DecryptFile,
  hasSopsMetadata,
  type ReadSecret,
  type SopsKeys,
} from './sops/index.ts';
import { substitute } from './substitution.ts';
import { createTools, type Programs } from './tools.ts';

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
  readonly programs: Programs;
  /** For the cache, for the tools' temporary files and for sockets. */
  readonly cacheDirectory: string;
  /** A Secret of the agent's own namespace. */
  readonly readSecret: ReadSecret;
  readonly agentNamespace: string;
  /** What the cluster serves, for charts; it may throw. */
  readonly capabilities: (signal: AbortSignal) => Promise<Capabilities>;
  /** Hears what a person should know of a rendering that went well. */
  readonly onNotice?: (assignment: Assignment, message: string) => void;
  readonly limits?: Partial<RenderLimits>;
};

export type Renderer = {
  /**
   * Renders the assignment's path in the tree of its root. An empty result is a failure, so a caller never sees an empty
   * list.
   */
  readonly render: (
    assignment: Assignment,
    tree: RenderTree,
    signal: AbortSignal,
  ) => Promise<Result<KubernetesObject[], RenderFailure>>;
  /** The same for one manifest in the assignment's path, whatever else lies there. */
  readonly renderFile: (
    file: string,
    assignment: Assignment,
    tree: RenderTree,
    signal: AbortSignal,
  ) => Promise<Result<KubernetesObject[], RenderFailure>>;
};

type Source = 'kustomize' | 'helm' | 'plain';
/** Raised when the same tree would render to other objects, so that old entries of the cache are not used. */
const renderVersion = 2;

export function createRenderer(dependencies: RendererDependencies): Renderer {
  const { programs, cacheDirectory, readSecret, agentNamespace, capabilities } = dependencies;
  const limits: RenderLimits = { ...renderLimits, ...dependencies.limits };
  const temporary = join(cacheDirectory, 'temporary');
  const tools = createTools({ programs, directory: temporary, limits });
  const keyring = createKeyring({
    readSecret,
    namespace: agentNamespace,
    now: () => performance.now(),
  });
  const cache = createRenderCache(join(cacheDirectory, 'rendered'), {
    entriesMax: renderCacheEntriesMax,
    bytesMax: renderCacheBytesMax,
  });
  let isTemporaryMade = false;
  const makeTemporary = () => {
    if (!isTemporaryMade) mkdirSync(temporary, { recursive: true, mode: 0o700 });
    isTemporaryMade = true;
  };
  /** Units that render the same wait for one rendering. */
  const underWay = new Map<string, Promise<Result<Rendered[], RenderFailure>>>();

  type Request = {
    readonly assignment: Assignment;
    readonly source: Source;
    readonly treeId: string;
    /** Empty when it is rendered from the store. */
    readonly tree: string;
    readonly path: string;
    readonly renderPlain: RenderSource;
    readonly signal: AbortSignal;
  };

  const renderFresh = async (
    { assignment, source, tree, path, signal }: Request,
    render: RenderSource,
    keys: Result<SopsKeys, RenderFailure> | undefined,
  ): Promise<Result<Rendered[], RenderFailure>> => {
    const work: Work = {
      assignment,
      tools,
      limits,
      tree,
      path,
      decryptFile: keys && decrypterOf(keys, signal),
      signal,
      onNotice: (message) => dependencies.onNotice?.(assignment, message),
    };
    const rendered = await render(work);
    if (!rendered.ok) return rendered;
    if (rendered.value.length === 0) {
      return renderFailure('renders_nothing', `${assignment.path || '.'} renders no objects`);
    }
    const left = rendered.value.find(({ object }) => hasSopsMetadata(object))?.object;
    if (left === undefined) return rendered;
    const place = `${left.kind} ${left.metadata.name}`;
    return renderFailure(
      'object_invalid',
      keys === undefined
        ? encryptedFault(place)
        : `${place} is encrypted by SOPS and comes from ${source === 'helm' ? "a chart's template" : 'no file of the unit'}: ` +
            'keep encrypted values in Helm values files or in manifests.',
    );
  };

  const readCapabilities = async (
    signal: AbortSignal,
  ): Promise<Result<Capabilities, RenderFailure>> => {
    try {
      return ok(await capabilities(signal));
    } catch (error) {
      const reason = (error as Error).message;
      return renderFailure('ended', `the cluster does not say what it serves: ${reason}`);
    }
  };

  const decrypterOf = (keys: Result<SopsKeys, RenderFailure>, signal: AbortSignal): DecryptFile =>
    // Only what is encrypted needs the keys, so their absence is no fault before.
    keys.ok
      ? createFileDecrypter(keys.value, temporary, (parameters, input) =>
          tools.run('sops', { parameters, directory: temporary, input, signal }),
        )
      : async () => keys;

  const renderCached = async (request: Request): Promise<Result<Rendered[], RenderFailure>> => {
    const { assignment, source, treeId, path, signal } = request;
    const { sopsSecret, substitution: _, ...helm } = assignment.render;
    const keys = sopsSecret === '' ? undefined : await keyring(sopsSecret, signal);
    const served = source === 'helm' ? await readCapabilities(signal) : ok(undefined);
    if (!served.ok) return served;
    const versions = await Promise.all([
      source === 'plain' ? 'plain' : tools.versionOf(source, signal),
      sopsSecret === '' ? 'none' : tools.versionOf('sops', signal),
    ]);
    const parts: unknown[] = [renderVersion, treeId, path, source, versions, sopsSecret !== ''];
    parts.push(assignment.apply.namespace);
    if (source === 'helm') parts.push(helm, assignment.pipeline, served.value);
    const openKey = renderKey(parts);
    const sealedKey = keys?.ok ? renderKey([...parts, keys.value.digest]) : undefined;
    const sealKey = keys?.ok ? keys.value.sealKey : undefined;

    // Plain manifests are read as fast from the tree as from the cache: what the cache saves is a process.
    const cacheable =
      /^[0-9a-f]{40,64}$/.test(treeId) &&
      !versions.includes('') &&
      (source !== 'plain' || sopsSecret !== '');
    const render =
      source === 'kustomize'
        ? renderKustomize
        : source === 'helm'
          ? renderHelm(served.value)
          : request.renderPlain;
    if (!cacheable) return renderFresh(request, render, keys);

    const known =
      (await cache.read(openKey)) ?? (sealedKey && (await cache.read(sealedKey, sealKey)));
    if (known) return ok(known);
    const flight = sealedKey ?? openKey;
    const shared = underWay.get(flight);
    if (shared !== undefined) {
      const result = await shared;
      // Whoever began may have ended before it was done; that says nothing about this one.
      if (result.ok || result.error.code !== 'ended' || signal.aborted) return result;
    }
    const rendering = renderFresh(request, render, keys).then(async (rendered) => {
      if (!rendered.ok) return rendered;
      const isDecrypted = rendered.value.some((entry) => entry.isDecrypted);
      if (!isDecrypted) await cache.write(openKey, rendered.value);
      else if (sealedKey !== undefined) await cache.write(sealedKey, rendered.value, sealKey);
      return rendered;
    });
    underWay.set(flight, rendering);
    try {
      return await rendering;
    } finally {
      if (underWay.get(flight) === rendering) underWay.delete(flight);
    }
  };

  const requestOf = async (
    assignment: Assignment,
    tree: RenderTree,
    signal: AbortSignal,
  ): Promise<Result<Request, RenderFailure>> => {
    const path = pathBelowRoot(assignment);
    if (!path.ok) return path;
    const base = { assignment, treeId: tree.id, path: path.value, signal };
    // A link may lead a path elsewhere, which only a file system tells.
    if (!tree.files.some(({ mode }) => mode === 'symlink')) {
      const source = sourceIn(tree, path.value, assignment.path);
      if (!source.ok) return source;
      if (source.value === 'plain') {
        return ok({ ...base, source: 'plain', tree: '', renderPlain: renderPlainOf(tree) });
      }
    }
    const directory = await directoryOf(tree);
    if (!directory.ok) return directory;
    const source = sourceOf(directory.value, path.value, assignment.path);
    const written = { ...base, tree: directory.value, renderPlain };
    return source.ok ? ok({ ...written, source: source.value }) : source;
  };

  const renderUnit: Renderer['render'] = async (assignment, tree, signal) => {
    makeTemporary();
    const request = await requestOf(assignment, tree, signal);
    if (!request.ok) return request;
    return substituted(await renderCached(request.value), assignment);
  };

  const renderOne: Renderer['renderFile'] = async (file, assignment, tree, signal) => {
    makeTemporary();
    const path = pathBelowRoot(assignment);
    if (!path.ok) return path;
    const directory = await directoryOf(tree);
    if (!directory.ok) return directory;
    const place = { assignment, treeId: tree.id, tree: directory.value, path: path.value, signal };
    const { sopsSecret } = assignment.render;
    const keys = sopsSecret === '' ? undefined : await keyring(sopsSecret, signal);
    const request: Request = { ...place, source: 'plain', renderPlain };
    return substituted(await renderFresh(request, renderPlainFile(file), keys), assignment);
  };

  const substituted = (
    rendered: Result<Rendered[], RenderFailure>,
    assignment: Assignment,
  ): Result<KubernetesObject[], RenderFailure> => {
    if (!rendered.ok) return rendered;
    const outcome = substitute(rendered.value, assignment, limits);
    return outcome.ok ? ok(outcome.value.map(({ object }) => object)) : outcome;
  };

  const clipped = (rendered: Result<KubernetesObject[], RenderFailure>) =>
    rendered.ok ? rendered : err(clipFailure(rendered.error));

  return {
    render: async (...request) => clipped(await renderUnit(...request)),
    renderFile: async (...request) => clipped(await renderOne(...request)),
  };
}

/** The tree in a folder of this machine, without links on its way. */
async function directoryOf(tree: RenderTree): Promise<Result<string, RenderFailure>> {
  const folder = await tree.folder();
  if (!folder.ok) {
    const { message, terminal } = folder.error;
    return renderFailure(terminal ? 'object_invalid' : 'ended', message);
  }
  const directory = realPathOf(folder.value);
  return directory === undefined
    ? renderFailure('ended', 'the folder of the tree is gone; it is written again')
    : ok(directory);
}

function pathBelowRoot({ path, root }: Assignment): Result<string, RenderFailure> {
  const below = root === '' ? path : path === root ? '' : path.slice(root.length + 1);
  const inside = root === '' || path === root || path.startsWith(`${root}/`);
  if (!inside || isAbsolute(below) || below.split('/').includes('..')) {
    return renderFailure('path_missing', `${path} is not below ${root}, which the agent receives`);
  }
  return ok(below);
}

const noFolder = (shownPath: string) =>
  renderFailure('path_missing', `the commit has no folder ${shownPath || '.'}`);

/** What the path of a tree without links holds. */
function sourceIn(
  tree: RenderTree,
  path: string,
  shownPath: string,
): Result<Source, RenderFailure> {
  const prefix = path === '' ? '' : `${path}/`;
  const names = new Set<string>();
  for (const file of tree.files) {
    if (file.path.startsWith(prefix))
      names.add(file.path.slice(prefix.length).split('/', 1)[0] ?? '');
  }
  if (names.size === 0) return noFolder(shownPath);
  if (kustomizationNames.some((name) => names.has(name))) return ok('kustomize');
  return ok(names.has('Chart.yaml') ? 'helm' : 'plain');
}

function sourceOf(tree: string, path: string, shownPath: string): Result<Source, RenderFailure> {
  const folder = realPathOf(join(tree, path));
  const inside = folder !== undefined && (folder === tree || folder.startsWith(`${tree}/`));
  if (!inside || !lstatSync(folder).isDirectory()) {
    return noFolder(shownPath);
  }
  if (kustomizationNames.some((name) => exists(join(folder, name)))) return ok('kustomize');
  return ok(exists(join(folder, 'Chart.yaml')) ? 'helm' : 'plain');
}

// Names in a folder that was written a moment ago: asking the thread pool for them costs more than the answer.
const exists = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined;
