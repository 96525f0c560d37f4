import { lstatSync, mkdirSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
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
import { renderPlain, renderPlainFile } from './plain.ts';
import { type Rendered, type RenderSource, realPathOf, type Work } from './rendering.ts';
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
   * Renders the assignment's path in a folder that holds the content of its root, and that is named by the id of that
   * tree. An empty result is a failure, so a caller never sees an empty list.
   */
  readonly render: (
    assignment: Assignment,
    treeDirectory: string,
    signal: AbortSignal,
  ) => Promise<Result<KubernetesObject[], RenderFailure>>;
  /** The same for one manifest in the assignment's path, whatever else lies there. */
  readonly renderFile: (
    file: string,
    assignment: Assignment,
    treeDirectory: string,
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
  /** Units that render the same wait for one rendering. */
  const underWay = new Map<string, Promise<Result<Rendered[], RenderFailure>>>();

  type Request = {
    readonly assignment: Assignment;
    readonly source: Source;
    readonly tree: string;
    readonly path: string;
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
    const { assignment, source, tree, path, signal } = request;
    const { sopsSecret, substitution: _, ...helm } = assignment.render;
    const keys = sopsSecret === '' ? undefined : await keyring(sopsSecret, signal);
    const served = source === 'helm' ? await readCapabilities(signal) : ok(undefined);
    if (!served.ok) return served;
    const versions = await Promise.all([
      source === 'plain' ? 'plain' : tools.versionOf(source, signal),
      sopsSecret === '' ? 'none' : tools.versionOf('sops', signal),
    ]);
    const treeId = basename(tree);
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
          : renderPlain;
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

  /** What is below the root, substituted; `one` is the only file that counts, if given. */
  const renderBelow = async (
    one: string | undefined,
    [assignment, treeDirectory, signal]: Parameters<Renderer['render']>,
  ): Promise<Result<KubernetesObject[], RenderFailure>> => {
    mkdirSync(temporary, { recursive: true, mode: 0o700 });
    const path = pathBelowRoot(assignment);
    if (!path.ok) return path;
    const tree = realPathOf(treeDirectory);
    if (tree === undefined) {
      return renderFailure('ended', 'the folder of the tree is gone; it is written again');
    }
    const source = sourceOf(tree, path.value, assignment.path);
    if (!source.ok) return source;
    const request = { assignment, source: source.value, tree, path: path.value, signal };
    const rendered = await (one === undefined ? renderCached(request) : renderOne(request, one));
    if (!rendered.ok) return rendered;
    const substituted = substitute(rendered.value, assignment, limits);
    return substituted.ok ? ok(substituted.value.map(({ object }) => object)) : substituted;
  };

  const renderOne = async (request: Request, file: string) => {
    const { sopsSecret } = request.assignment.render;
    const keys = sopsSecret === '' ? undefined : await keyring(sopsSecret, request.signal);
    return renderFresh({ ...request, source: 'plain' }, renderPlainFile(file), keys);
  };

  const clipped = (rendered: Result<KubernetesObject[], RenderFailure>) =>
    rendered.ok ? rendered : err(clipFailure(rendered.error));

  return {
    render: async (...request) => clipped(await renderBelow(undefined, request)),
    renderFile: async (file, ...request) => clipped(await renderBelow(file, request)),
  };
}

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
