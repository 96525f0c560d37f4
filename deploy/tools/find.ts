// The search order for one tool, and the same for many at once.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { buildTool, exists, versionOf } from './build.ts';
import { catalogue, pinnedVersion, type ToolName } from './catalogue.ts';

/** A tool that cannot be had; the message says what to install or set. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}

export type FindOptions = {
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Defaults to the environment of this process. */
  readonly environment?: NodeJS.ProcessEnv;
};

export type FoundTool = {
  readonly name: ToolName;
  readonly version: string;
  readonly path: string;
  readonly source: 'environment' | 'PATH' | 'cache' | 'built';
};

export const moduleDirectory = import.meta.dirname;

/** The path of a tool's binary at the version pinned in go.mod, built if need be. */
export async function findTool(name: ToolName, options: FindOptions = {}): Promise<string> {
  return (await locateTool(name, options)).path;
}

/** The paths of several tools; what must be built is built as far in parallel as memory allows. */
export async function findTools<Name extends ToolName>(
  names: readonly Name[],
  options: FindOptions = {},
): Promise<Record<Name, string>> {
  // Every search is waited for, so that a failure of one leaves no build running behind the caller.
  const results = await Promise.allSettled(names.map((name) => locateTool(name, options)));
  const failures = results.filter((result) => result.status === 'rejected').map((r) => r.reason);
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) {
    throw new ToolError(failures.map((failure) => String(failure?.message ?? failure)).join('\n'));
  }
  const found = results.filter((result) => result.status === 'fulfilled').map((r) => r.value);
  return Object.fromEntries(found.map((tool) => [tool.name, tool.path])) as Record<Name, string>;
}

/** Like `findTool`, with the version and where it came from. */
export async function locateTool(name: ToolName, options: FindOptions = {}): Promise<FoundTool> {
  if (!Object.hasOwn(catalogue, name)) {
    const known = Object.keys(catalogue).join(', ');
    throw new ToolError(`There is no tool named ${name}; the tools are ${known}.`);
  }
  const environment = options.environment ?? process.env;
  const onProgress = options.onProgress ?? (() => undefined);
  const { signal } = options;
  const version = await wantedVersion(name);

  const named = fromEnvironment(name, environment);
  if (named !== undefined) {
    const actual = await checkNamed(name, version, named, environment, signal);
    return { name, version: actual, path: named.path, source: 'environment' };
  }
  const onPath = await fromPath(name, version, environment, onProgress, signal);
  if (onPath !== undefined) return { name, version, path: onPath, source: 'PATH' };

  const path = join(cacheDirectory(environment, name, version), name);
  if (await exists(path)) return { name, version, path, source: 'cache' };

  await requireGo(name, version, environment);
  try {
    await buildTool({ name, version, path, moduleDirectory, environment, onProgress, signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ToolError(`${(error as Error).message}\n${remedy(name, version)}`, { cause: error });
  }
  return { name, version, path, source: 'built' };
}

/** The version that go.mod pins, without its leading v. */
export async function wantedVersion(name: ToolName): Promise<string> {
  const goMod = await readFile(join(moduleDirectory, 'go.mod'), 'utf8');
  const { goPackage, sources } = catalogue[name];
  return sources === undefined ? pinnedVersion(goMod, goPackage) : ownVersion(goMod, sources);
}

/** Another digest is another program, whatever was built before. */
async function ownVersion(goMod: string, sources: string): Promise<string> {
  const digest = createHash('sha256').update(goMod);
  const folder = join(moduleDirectory, sources);
  for (const file of (await readdir(folder)).sort()) {
    digest.update(await readFile(join(folder, file)));
  }
  return `0.1.0-${digest.digest('hex').slice(0, 12)}`;
}

export function cacheDirectory(
  environment: NodeJS.ProcessEnv,
  name: ToolName,
  version: string,
): string {
  const cache = environment.XDG_CACHE_HOME || join(environment.HOME || homedir(), '.cache');
  return join(cache, 'fairlead', 'tools', `${name}-${version}`);
}

type Named = { readonly variable: string; readonly path: string };

function variableOf(name: ToolName): string {
  return `FAIRLEAD_TOOL_${name.toUpperCase().replaceAll('-', '_')}`;
}

function fromEnvironment(name: ToolName, environment: NodeJS.ProcessEnv): Named | undefined {
  const variable = variableOf(name);
  const path = environment[variable];
  if (path) return { variable, path };
  const assets = environment.KUBEBUILDER_ASSETS;
  if (assets && catalogue[name].inKubebuilderAssets) {
    return { variable: 'KUBEBUILDER_ASSETS', path: join(assets, name) };
  }
  return undefined;
}

async function checkNamed(
  name: ToolName,
  version: string,
  named: Named,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<string> {
  const actual = await versionOf(name, named.path, signal);
  if (actual === undefined) {
    throw new ToolError(
      `${named.variable} names ${named.path}, which does not run as ${name}. ` +
        `Correct the variable, or unset it to have ${name} ${version} found or built.`,
    );
  }
  if (actual !== version && environment.FAIRLEAD_TOOL_ANY_VERSION !== '1') {
    throw new ToolError(
      `${named.variable} names ${named.path}, which is ${name} ${actual}; go.mod pins ${version}. ` +
        'Set FAIRLEAD_TOOL_ANY_VERSION=1 to use it all the same.',
    );
  }
  return actual;
}

async function fromPath(
  name: ToolName,
  version: string,
  environment: NodeJS.ProcessEnv,
  onProgress: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  for (const folder of (environment.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    if (!(await exists(path))) continue;
    const actual = await versionOf(name, path, signal);
    if (actual === version) return path;
    onProgress(
      `${name}: ${path} is ${actual ?? 'no version that it prints'}, not ${version}; passed over`,
    );
  }
  return undefined;
}

async function requireGo(
  name: ToolName,
  version: string,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  for (const folder of (environment.PATH ?? '').split(delimiter)) {
    if (folder !== '' && (await exists(join(folder, 'go')))) return;
  }
  throw new ToolError(
    `${name} ${version} is neither installed nor cached, and there is no Go to build it. ` +
      remedy(name, version),
  );
}

function remedy(name: ToolName, version: string): string {
  return (
    `Install Go 1.26 or newer (https://go.dev/dl) to have it built, or install ${name} ${version} ` +
    `and put it on the PATH or its path into ${variableOf(name)}.`
  );
}
