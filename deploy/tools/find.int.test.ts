import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireBuildLock } from './build-lock.ts';
import { findTool, findTools, locateTool, wantedVersion } from './find.ts';

let directory: string;
let wanted: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-tools-'));
  wanted = await wantedVersion('kwok');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function writeProgram(path: string, script: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const writeTool = (path: string, version: string) =>
  writeProgram(path, `echo "Kubernetes v${version}"`);

/** An environment in which only what the test wrote is found. */
const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  XDG_CACHE_HOME: join(directory, 'cache'),
  PATH: `${join(directory, 'bin')}:${join(directory, 'other')}`,
  ...more,
});

/** In place of Go: records each build and writes a program that prints the version. */
const writeGo = (version: string, before = '') =>
  writeProgram(
    join(directory, 'bin', 'go'),
    `PATH=/usr/bin:/bin
    echo "$@" >> ${join(directory, 'builds')}
    ${before}
    while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\\necho v${version}\\n' > "$2"
    chmod +x "$2"`,
  );

const builds = async () =>
  (await readFile(join(directory, 'builds'), 'utf8').catch(() => '')).split('\n').filter(Boolean);

const cached = (name: string, version: string) =>
  join(directory, 'cache', 'fairlead', 'tools', `${name}-${version}`, name);

describe('a tool', { timeout: 30_000 }, () => {
  test('named in the environment comes before all others', async () => {
    const path = await writeTool(join(directory, 'mine'), wanted);
    await writeTool(join(directory, 'bin', 'kwok'), wanted);
    const found = await locateTool('kwok', {
      environment: environment({ FAIRLEAD_TOOL_KWOK: path }),
    });
    expect(found).toEqual({ name: 'kwok', version: wanted, path, source: 'environment' });
  });

  test('of the control plane is found in the folder in KUBEBUILDER_ASSETS', async () => {
    const version = await wantedVersion('kube-apiserver');
    const path = await writeTool(join(directory, 'assets', 'kube-apiserver'), version);
    const assets = environment({ KUBEBUILDER_ASSETS: join(directory, 'assets') });
    expect(await findTool('kube-apiserver', { environment: assets })).toBe(path);
  });

  test('named in the environment at another version is an error with both versions', async () => {
    const path = await writeTool(join(directory, 'old'), '0.1.2');
    const named = environment({ FAIRLEAD_TOOL_KWOK: path });
    await expect(findTool('kwok', { environment: named })).rejects.toThrow(
      `FAIRLEAD_TOOL_KWOK names ${path}, which is kwok 0.1.2; go.mod pins ${wanted}`,
    );
    const anyVersion = { ...named, FAIRLEAD_TOOL_ANY_VERSION: '1' };
    expect(await locateTool('kwok', { environment: anyVersion })).toMatchObject({
      version: '0.1.2',
    });
  });

  test('on the PATH is passed over with a note when its version differs', async () => {
    const old = await writeTool(join(directory, 'bin', 'kwok'), '0.1.2');
    const path = await writeTool(join(directory, 'other', 'kwok'), wanted);
    const notes: string[] = [];
    const onProgress = (line: string) => notes.push(line);
    const found = await locateTool('kwok', { environment: environment(), onProgress });
    expect(found).toMatchObject({ path, source: 'PATH' });
    expect(notes).toEqual([`kwok: ${old} is 0.1.2, not ${wanted}; passed over`]);
  });

  test('in the cache is used as it is', async () => {
    const path = await writeTool(cached('kwok', wanted), wanted);
    const found = await locateTool('kwok', { environment: environment() });
    expect(found).toMatchObject({ path, source: 'cache' });
  });

  test('that is nowhere is an error that says what to install when there is no Go', async () => {
    await expect(findTool('kwok', { environment: environment() })).rejects.toThrow(
      /no Go to build it.*Install Go.*FAIRLEAD_TOOL_KWOK/,
    );
  });

  test('that is nowhere is built once, with its version stamped in', async () => {
    await writeGo(wanted);
    const found = await locateTool('kwok', { environment: environment() });
    expect(found).toMatchObject({ path: cached('kwok', wanted), source: 'built' });
    expect(await locateTool('kwok', { environment: environment() })).toMatchObject({
      source: 'cache',
    });
    expect(await builds()).toHaveLength(1);
    expect((await builds())[0]).toContain(`-X sigs.k8s.io/kwok/pkg/consts.Version=v${wanted}`);
  });

  test('asked for many times at once is built once', async () => {
    await writeGo(wanted, 'sleep 0.3');
    const options = { environment: environment() };
    await Promise.all([1, 2, 3, 4].map(() => findTool('kwok', options)));
    expect(await builds()).toHaveLength(1);
  });

  test('whose build prints another version never reaches the cache', async () => {
    await writeGo('0.0.1');
    await expect(findTool('kwok', { environment: environment() })).rejects.toThrow(
      `says it is 0.0.1, go.mod says ${wanted}`,
    );
    expect(await readdir(dirname(cached('kwok', wanted)))).toEqual([]);
  });

  test('whose build fails is an error with the end of what Go said', async () => {
    await writeGo(wanted, 'echo "cannot find module" >&2; exit 1');
    const search = findTools(['kwok', 'helm'], { environment: environment() });
    await expect(search).rejects.toThrow(/kwok failed.*\n?.*cannot find module[\s\S]*helm failed/);
  });

  test('whose build is aborted leaves nothing behind', async () => {
    await writeGo(wanted, 'sleep 20');
    const controller = new AbortController();
    const search = findTool('kwok', {
      environment: environment(),
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(search).rejects.toThrow('enough');
    expect(await readdir(join(directory, 'cache', 'fairlead', 'tools'))).toEqual([
      `kwok-${wanted}`,
    ]);
    expect(await readdir(dirname(cached('kwok', wanted)))).toEqual([]);
  });

  test('that does not exist is an error with all that do', async () => {
    await expect(findTool('kubelet' as 'kwok')).rejects.toThrow(
      /no tool named kubelet.*etcd, helm/,
    );
  });
});

describe('a build lock', { timeout: 30_000 }, () => {
  const lockFile = () => join(directory, 'kwok.lock');
  const acquire = () =>
    acquireBuildLock(lockFile(), { done: async () => false, pollIntervalMs: 5, staleAfterMs: 500 });

  test('of a process that is gone is taken over', async () => {
    // No process has this id: Linux gives at most 2^22.
    await writeFile(lockFile(), '99999999\n');
    await using lock = await acquire();
    expect(lock).toBeDefined();
    expect(await readFile(lockFile(), 'utf8')).toBe(`${process.pid}\n`);
  });

  test('that nobody has touched for long is taken over', async () => {
    await writeFile(lockFile(), `${process.pid}\n`);
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(lockFile(), longAgo, longAgo);
    await using lock = await acquire();
    expect(lock).toBeDefined();
  });

  test('that is held is waited for, until it is free or the work is done', async () => {
    const holder = await acquire();
    let done = false;
    const waiting = acquireBuildLock(lockFile(), {
      done: async () => done,
      onWait: () => {
        done = true;
      },
      pollIntervalMs: 5,
    });
    expect(await waiting).toBeUndefined();
    await holder?.[Symbol.asyncDispose]();
    await using next = await acquire();
    expect(next).toBeDefined();
  });
});
