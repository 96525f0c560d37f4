import type { CliContext, ExitCode } from '../index.ts';
import { runCli } from '../index.ts';

export type Terminal = {
  readonly run: (...args: string[]) => Promise<{ code: ExitCode; out: string; err: string }>;
  readonly interrupt: () => void;
  /** What came on standard output up to now, while a command runs. */
  readonly printed: () => string;
  readonly programs: readonly string[];
};

export type TerminalOptions = {
  readonly environment: Record<string, string | undefined>;
  readonly input?: string;
  /** Milliseconds since 1970; each look at the clock moves it on by `step`. */
  readonly at?: number;
  readonly stepMs?: number;
};

export function createTerminal(options: TerminalOptions): Terminal {
  let out = '';
  let err = '';
  let now = options.at ?? 0;
  const programs: string[] = [];
  const interrupted = new AbortController();
  const context: CliContext = {
    environment: options.environment,
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    readInput: async () => options.input ?? '',
    now: () => {
      now += options.stepMs ?? 0;
      return now;
    },
    columns: undefined,
    signal: interrupted.signal,
    becomeProgram: async (program, args = []) => {
      programs.push([program, ...args].join(' '));
      return undefined as never;
    },
  };
  return {
    programs,
    printed: () => out,
    interrupt: () => interrupted.abort(),
    run: async (...args) => {
      out = '';
      err = '';
      const code = await runCli(args, context);
      return { code, out, err };
    },
  };
}
