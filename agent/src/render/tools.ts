import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ok, type Result } from '@fairlead/shared/result';
import type { RenderFailure } from './failure.ts';
import { createRenderHosts } from './render-host.ts';
import { runTool, type ToolFailure } from './run-tool.ts';
import { createTurns } from './turns.ts';

export type ToolName = 'kustomize' | 'helm' | 'sops';

export type ToolCall = {
  readonly parameters: readonly string[];
  readonly directory: string;
  readonly input?: string | Buffer;
  readonly signal: AbortSignal;
};

export type Tools = {
  readonly run: (name: ToolName, call: ToolCall) => Promise<Result<Buffer, ToolFailure>>;
  /** Empty when it cannot be had; another version may render the same tree to other objects. */
  readonly versionOf: (name: ToolName, signal: AbortSignal) => Promise<string>;
};

/** Paths of programs. Without one of its own, kustomize or helm is run by the render host. */
export type Programs = {
  readonly kustomize?: string | undefined;
  readonly helm?: string | undefined;
  readonly sops: string;
  readonly renderHost: string;
};

export type ToolsDependencies = {
  readonly programs: Programs;
  /** For the homes of the tools, which are empty and go when they end. */
  readonly directory: string;
  readonly limits: {
    readonly durationMsMax: number;
    readonly outputBytesMax: number;
    readonly processesMax: number;
  };
};

const versionParameters: Readonly<Record<ToolName, readonly string[]>> = {
  kustomize: ['version'],
  helm: ['version'],
  sops: ['--version', '--disable-version-check'],
};

export function createTools({ programs, directory, limits }: ToolsDependencies): Tools {
  const inTurn = createTurns(limits.processesMax);
  const versions = new Map<string, Promise<string>>();
  const hosts = createRenderHosts({
    program: programs.renderHost,
    directory,
    environmentOf: toolEnvironment,
    limits,
  });

  const runProcess = async (file: string, call: ToolCall) =>
    inTurn(async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const home = await mkdtemp(join(directory, 'tool-'));
      try {
        const { durationMsMax, outputBytesMax } = limits;
        return await runTool({
          file,
          arguments: call.parameters,
          directory: call.directory,
          environment: toolEnvironment(home),
          ...(call.input === undefined ? {} : { input: call.input }),
          signal: call.signal,
          durationMsMax,
          outputBytesMax,
        });
      } finally {
        await rm(home, { recursive: true, force: true });
      }
    });

  const readVersion = async (
    file: string,
    parameters: readonly string[],
    signal: AbortSignal,
  ): Promise<string> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const found = await runProcess(file, { parameters, directory, signal });
    return found.ok ? found.value.toString('utf8').trim() : '';
  };

  return {
    run: (name, call) => {
      const file = programs[name];
      if (file !== undefined) return runProcess(file, call);
      return name === 'sops' ? runProcess(programs.sops, call) : hosts.run(name, call);
    },
    versionOf: async (name, signal) => {
      const file = programs[name] ?? programs.renderHost;
      const parameters = programs[name] === undefined ? ['version'] : versionParameters[name];
      const known = versions.get(file) ?? readVersion(file, parameters, signal);
      versions.set(file, known);
      const version = await known;
      if (version === '') versions.delete(file);
      return version;
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
  GNUPGHOME: join(home, 'gnupg'),
  HTTP_PROXY: 'http://127.0.0.1:9',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  GOMAXPROCS: '2',
});

export type ToolPlace = {
  readonly name: ToolName;
  /** Of the rendered folder, in the repository. */
  readonly shownPath: string;
  /** The folder on this machine, which says nothing to a person. */
  readonly tree: string;
};

export function toolFault(
  { name, shownPath, tree }: ToolPlace,
  { kind, message }: ToolFailure,
): RenderFailure {
  const text = message.replaceAll(`${tree}/`, '').replaceAll(tree, '.');
  const place = `${name} at ${shownPath || '.'}`;
  switch (kind) {
    case 'missing':
      return { code: 'tool_missing', message: `${name} cannot be run: ${text}`, terminal: false };
    case 'aborted':
      return { code: 'ended', message: `${place}: ${text}`, terminal: false };
    case 'too-slow':
      // A busy machine may be the reason, so the same commit is tried again.
      return { code: 'limit_exceeded', message: `${place} ${text}`, terminal: false };
    case 'too-large':
      return { code: 'limit_exceeded', message: `${place} ${text}`, terminal: true };
    case 'failed':
      return { code: 'tool_failed', message: `${place}: ${text}`, terminal: true };
  }
}

/** What a tool printed, as text. */
export const printed = (output: Result<Buffer, ToolFailure>): Result<string, ToolFailure> =>
  output.ok ? ok(output.value.toString('utf8')) : output;
