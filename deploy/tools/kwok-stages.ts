// kwok's own fast stages, which make nodes ready and pods run, built once from the pinned module.

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from './build.ts';
import {
  cacheDirectory,
  type FindOptions,
  findTool,
  moduleDirectory,
  ToolError,
  wantedVersion,
} from './find.ts';
import { downloadTimeoutMs } from './limits.ts';
import { run } from './run.ts';

/** The path of a file with kwok's fast stages (nodes and their leases, pods) at the pinned version. */
export async function kwokStages(options: FindOptions = {}): Promise<string> {
  const environment = options.environment ?? process.env;
  const directory = cacheDirectory(environment, 'kwok', await wantedVersion('kwok'));
  const path = join(directory, 'stages.yaml');
  if (await exists(path)) return path;

  const kustomize = await findTool('kustomize', options);
  options.onProgress?.('kwok: building its stages with kustomize');
  const source = await kwokSource(environment, options.signal);
  const built = await run(kustomize, ['build', join(source, 'kustomize', 'stage', 'fast')], {
    timeoutMs: downloadTimeoutMs,
    signal: options.signal,
    wholeOutput: true,
  });
  if (built.code !== 0)
    throw new ToolError(`kustomize could not build kwok's stages:\n${built.stderr}`);
  await mkdir(directory, { recursive: true });
  const temporary = join(directory, `.stages.${process.pid}.tmp`);
  await writeFile(temporary, built.stdout);
  await rename(temporary, path);
  return path;
}

/** The folder of kwok's module, downloaded if need be. */
async function kwokSource(
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<string> {
  let problem: string;
  try {
    const downloaded = await run('go', ['mod', 'download', '-json', 'sigs.k8s.io/kwok'], {
      cwd: moduleDirectory,
      environment,
      timeoutMs: downloadTimeoutMs,
      signal,
      wholeOutput: true,
    });
    const answer = JSON.parse(downloaded.stdout || '{}') as { Dir?: string; Error?: string };
    if (answer.Dir !== undefined) return answer.Dir;
    problem = answer.Error ?? downloaded.stderr;
  } catch (error) {
    signal?.throwIfAborted();
    problem = (error as Error).message;
  }
  throw new ToolError(
    `kwok's stages come from its Go module, which could not be fetched: ${problem}\n` +
      'Install Go 1.26 or newer (https://go.dev/dl) and let it reach a module proxy (GOPROXY).',
  );
}
