import type { ProblemDocument } from '../http/index.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';

/** Ends the command with a message for a person and an exit code. */
export class CliError extends Error {
  override name = 'CliError';
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** The hub's answer to a request that it did not carry out. */
export class ApiError extends CliError {
  override name = 'ApiError';
  readonly problem: Partial<ProblemDocument>;
  constructor(status: number, problem: Partial<ProblemDocument>) {
    super(exitCodeOf(status), describeProblem(status, problem));
    this.problem = problem;
  }
}

function exitCodeOf(status: number): ExitCode {
  if (status === 404) return exitCodes.notFound;
  return status === 502 || status === 503 || status === 504
    ? exitCodes.unreachable
    : exitCodes.refused;
}

/** The code and the detail, each fault at its path, and what to do. */
function describeProblem(status: number, problem: Partial<ProblemDocument>): string {
  const code = problem.rule ?? problem.code ?? `http_${status}`;
  const lines = [`${code}: ${problem.detail ?? problem.title ?? `the hub answered ${status}`}`];
  for (const { path, message } of problem.faults ?? []) lines.push(`  ${path}: ${message}`);
  if (problem.remedy) lines.push(`Remedy: ${problem.remedy}`);
  if (status >= 500 && problem.requestId) lines.push(`Request: ${problem.requestId}`);
  return lines.join('\n');
}
