import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { err, ok, type Result } from '@fairlead/shared/result';
import {
  renderErrorBytesMax,
  renderHostIdleMs,
  renderHostMemoryBytesMax,
  renderHostRendersMax,
  renderHostsMax,
} from '../limits.ts';
import type { ToolFailure } from './run-tool.ts';
import type { ToolCall } from './tools.ts';
import { createTurns } from './turns.ts';

export type RenderHosts = {
  readonly run: (
    tool: 'kustomize' | 'helm',
    call: ToolCall,
  ) => Promise<Result<Buffer, ToolFailure>>;
};

export type RenderHostsDependencies = {
  readonly program: string;
  /** For the homes of the processes. */
  readonly directory: string;
  readonly environmentOf: (home: string) => Readonly<Record<string, string>>;
  readonly limits: { readonly durationMsMax: number; readonly outputBytesMax: number };
};

type Host = {
  readonly child: ChildProcess;
  readonly home: string;
  rendersTotal: number;
  idleTimer: NodeJS.Timeout | undefined;
};

type Answer = { readonly output?: string; readonly error?: string; readonly tooLarge?: boolean };

/** JSON writes a control character in six. */
const encodedBytesPerByteMax = 6;

/**
 * A few processes of the render host (deploy/tools/render-host), each serving one rendering after another. One that
 * exceeds a limit is killed and another takes its place; each ends after a number of renderings, so that nothing
 * gathers in it, and when there is nothing to do, so that its memory comes back.
 */
export function createRenderHosts(dependencies: RenderHostsDependencies): RenderHosts {
  const { program, directory, environmentOf, limits } = dependencies;
  const inTurn = createTurns(renderHostsMax);
  const idle: Host[] = [];

  const start = async (): Promise<Host> => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const home = await mkdtemp(join(directory, 'host-'));
    const child = spawn(program, ['serve', String(renderHostMemoryBytesMax)], {
      cwd: home,
      env: environmentOf(home),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    // Requests that wait keep the agent alive, idle hosts do not.
    unref(child);
    child.stdin?.on('error', () => {});
    child.once('error', () => {});
    child.once('close', () => void rm(home, { recursive: true, force: true }));
    return { child, home, rendersTotal: 0, idleTimer: undefined };
  };

  const take = async (): Promise<Host> => {
    for (let host = idle.pop(); host !== undefined; host = idle.pop()) {
      clearTimeout(host.idleTimer);
      if (host.child.exitCode === null && host.child.signalCode === null) return host;
    }
    return start();
  };

  const giveBack = (host: Host): void => {
    if (++host.rendersTotal >= renderHostRendersMax) {
      host.child.stdin?.end();
      return;
    }
    host.idleTimer = setTimeout(() => {
      idle.splice(idle.indexOf(host), 1);
      host.child.stdin?.end();
    }, renderHostIdleMs);
    host.idleTimer.unref();
    idle.push(host);
  };

  return {
    run: (tool, call) =>
      inTurn(async () => {
        if (call.signal.aborted) return err({ kind: 'aborted', message: 'ended before it began' });
        const host = await take();
        const request = {
          tool,
          arguments: call.parameters,
          directory: call.directory,
          input: call.input?.toString() ?? '',
          outputBytesMax: limits.outputBytesMax,
        };
        const answer = await ask(host, `${JSON.stringify(request)}\n`, call.signal, limits);
        if (!answer.ok) return answer;
        giveBack(host);
        const { output = '', error, tooLarge } = answer.value;
        if (tooLarge) {
          const message = `wrote more than ${limits.outputBytesMax} bytes`;
          return err({ kind: 'too-large', message });
        }
        if (error === undefined) return ok(Buffer.from(output));
        return err({ kind: 'failed', message: error.slice(0, renderErrorBytesMax) });
      }),
  };
}

/** One request and its answer. A host that gives none is killed, with whatever it started. */
function ask(
  { child }: Host,
  request: string,
  signal: AbortSignal,
  limits: RenderHostsDependencies['limits'],
): Promise<Result<Answer, ToolFailure>> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let errorText = '';
    const settle = (result: Result<Answer, ToolFailure>): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      child.stdout?.off('data', onData);
      child.stderr?.off('data', onError);
      child.off('error', onMissing);
      child.off('close', onClose);
      unref(child);
      if (!result.ok) kill(child);
      resolve(result);
    };
    const fail = (failure: ToolFailure): void => settle(err(failure));
    const onAbort = (): void => fail({ kind: 'aborted', message: 'ended on request' });
    const timer = setTimeout(
      () => fail({ kind: 'too-slow', message: `took longer than ${limits.durationMsMax} ms` }),
      limits.durationMsMax,
    );
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > (limits.outputBytesMax + renderErrorBytesMax) * encodedBytesPerByteMax) {
        fail({ kind: 'too-large', message: `wrote more than ${limits.outputBytesMax} bytes` });
        return;
      }
      chunks.push(chunk);
      // An answer is one line, and the next request comes after it.
      if (chunk.at(-1) !== 0x0a) return;
      try {
        settle(ok(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Answer));
      } catch {
        fail({ kind: 'failed', message: 'the render host gave no answer that can be read' });
      }
    };
    const onError = (chunk: Buffer): void => {
      errorText = (errorText + chunk.toString('utf8')).slice(0, renderErrorBytesMax);
    };
    const onMissing = (error: NodeJS.ErrnoException): void =>
      fail({ kind: 'missing', message: `${child.spawnfile}: ${error.code ?? error.message}` });
    const onClose = (): void => fail(closedFailure(errorText));
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onError);
    child.once('error', onMissing);
    child.once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    ref(child);
    // It may have been aborted while the host was starting.
    if (signal.aborted) onAbort();
    else child.stdin?.write(request);
  });
}

function closedFailure(errorText: string): ToolFailure {
  // Go says this when the system gives it no more memory.
  if (/out of memory|cannot allocate memory/.test(errorText)) {
    const message = `took more than ${renderHostMemoryBytesMax} bytes of memory`;
    return { kind: 'too-large', message };
  }
  const reason = errorText.split('\n', 1)[0] ?? '';
  return { kind: 'failed', message: `the render host ended: ${reason || 'without a word'}` };
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

type Handle = { ref?: () => void; unref?: () => void };
const handlesOf = (child: ChildProcess): (Handle | null)[] => [
  child,
  child.stdin as (Writable & Handle) | null,
  child.stdout as (Readable & Handle) | null,
  child.stderr as (Readable & Handle) | null,
];

function ref(child: ChildProcess): void {
  for (const handle of handlesOf(child)) handle?.ref?.();
}

function unref(child: ChildProcess): void {
  for (const handle of handlesOf(child)) handle?.unref?.();
}
