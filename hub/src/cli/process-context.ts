import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cliInputBytesMax } from '../limits.ts';
import { CliError } from './cli-error.ts';
import type { CliContext, Program } from './context.ts';
import { exitCodes } from './exit-codes.ts';

/** The terminal, the clock and the workspace of this process. */
export function createProcessContext(
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): CliContext {
  return {
    environment,
    signal,
    write: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
    readInput,
    now: () => Date.now(),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    becomeProgram: (program, args = []) => becomeProgram(program, args, environment),
  };
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of process.stdin) {
    total += chunk.length;
    if (total > cliInputBytesMax) {
      throw new CliError(
        exitCodes.usage,
        `Standard input has more than ${cliInputBytesMax} bytes: send less at once.`,
      );
    }
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString('utf8');
}

const programs = {
  hub: '../main.ts',
  agent: '../../../agent/src/main.ts',
  health: '../../../agent/src/offline-health/main.ts',
} as const satisfies Record<Program, string>;

/**
 * Replaces this process by the program, so that signals, exit codes and a kill reach it as if it had been started itself.
 */
async function becomeProgram(
  program: Program,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<never> {
  const path = fileURLToPath(new URL(programs[program], import.meta.url));
  if (!existsSync(path) || process.execve === undefined) {
    throw new CliError(
      exitCodes.refused,
      `The ${program} cannot be started from here: ${path} is missing, or this system cannot replace a process.`,
    );
  }
  process.execve(process.execPath, [process.execPath, ...process.execArgv, path, ...args], {
    ...environment,
  } as NodeJS.ProcessEnv);
  throw new CliError(exitCodes.refused, `The ${program} could not be started.`);
}
