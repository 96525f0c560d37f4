// Builds one tool with Go into the cache.

import { access, mkdir, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { acquireBuildLock } from './build-lock.ts';
import { catalogue, printedVersion, type ToolName } from './catalogue.ts';
import {
  buildTimeoutMs,
  kubernetesBuildBytes,
  otherBuildBytes,
  progressIntervalMs,
  versionTimeoutMs,
} from './limits.ts';
import { run } from './run.ts';

export type BuildRequest = {
  readonly name: ToolName;
  readonly version: string;
  /** The finished binary's place in the cache. */
  readonly path: string;
  /** The folder of go.mod. */
  readonly moduleDirectory: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
};

/** Builds unless another process does so first; the binary appears whole or not at all. */
export async function buildTool(request: BuildRequest): Promise<void> {
  const { name, path, onProgress, signal } = request;
  await using lock = await acquireBuildLock(`${dirname(path)}.lock`, {
    done: () => exists(path),
    onWait: (holder) => onProgress(`${name}: process ${holder} is building it; waiting`),
    signal,
  });
  if (lock === undefined) return;
  using _slot = await takeBuildSlot(name, onProgress, signal);
  await build(request);
}

async function build(request: BuildRequest): Promise<void> {
  const { name, version, path, onProgress, signal } = request;
  const tool = catalogue[name];
  const flags = ['-s', '-w', ...tool.stamp(version).flatMap((assignment) => ['-X', assignment])];
  const temporary = join(dirname(path), `.${name}.${process.pid}.tmp`);
  await mkdir(dirname(path), { recursive: true });
  const startedAt = performance.now();
  const elapsed = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
  onProgress(`${name} ${version}: building with Go (minutes when nothing is cached)`);
  const timer = setInterval(() => {
    onProgress(`${name} ${version}: still building, ${elapsed()}`);
  }, progressIntervalMs);
  try {
    const built = await run(
      'go',
      ['build', '-trimpath', '-ldflags', flags.join(' '), '-o', temporary, tool.goPackage],
      {
        cwd: request.moduleDirectory,
        environment: { ...request.environment, CGO_ENABLED: '0' },
        timeoutMs: buildTimeoutMs,
        signal,
      },
    );
    if (built.code !== 0) {
      throw new Error(
        `go build of ${tool.goPackage} failed (exit ${built.code}):\n${built.stderr}`,
      );
    }
    const printed = await versionOf(name, temporary, signal);
    if (printed !== version) {
      throw new Error(
        `The built ${name} says it is ${printed ?? 'nothing'}, go.mod says ${version}.`,
      );
    }
    await rename(temporary, path);
    onProgress(`${name} ${version}: built in ${elapsed()}`);
  } finally {
    clearInterval(timer);
    await rm(temporary, { force: true });
  }
}

/** What a binary says its version is; undefined when it does not run or names none. */
export async function versionOf(
  name: ToolName,
  path: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const result = await run(path, catalogue[name].versionArguments, {
      timeoutMs: versionTimeoutMs,
      signal,
    });
    return result.code === 0 ? printedVersion(`${result.stdout}\n${result.stderr}`) : undefined;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

type Waiting = { readonly bytes: number; readonly start: () => void };
const running = new Set<{ readonly bytes: number }>();
const waiting: Waiting[] = [];

/**
 * Room for one more build in this process. The first always gets it; a further one starts when the
 * memory that is free now, less what running builds may still take, holds its link step.
 */
async function takeBuildSlot(
  name: ToolName,
  onProgress: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<Disposable> {
  const kubernetes = catalogue[name].goPackage.startsWith('k8s.io/kubernetes/');
  const bytes = kubernetes ? kubernetesBuildBytes : otherBuildBytes;
  if (!roomFor(bytes)) {
    onProgress(`${name}: waiting for memory or a processor`);
    await new Promise<void>((resolve, reject) => {
      const entry: Waiting = { bytes, start: resolve };
      waiting.push(entry);
      signal?.addEventListener(
        'abort',
        () => {
          const index = waiting.indexOf(entry);
          if (index >= 0) waiting.splice(index, 1);
          reject(signal.reason);
        },
        { once: true },
      );
    });
  }
  const slot = { bytes };
  running.add(slot);
  return {
    [Symbol.dispose]() {
      running.delete(slot);
      const next = waiting[0];
      if (next !== undefined && roomFor(next.bytes)) waiting.shift()?.start();
    },
  };
}

function roomFor(bytes: number): boolean {
  if (running.size === 0) return true;
  if (running.size >= availableParallelism()) return false;
  let promised = bytes;
  for (const build of running) promised += build.bytes;
  return promised <= process.availableMemory();
}
