// The `fairlead` command: parses arguments, speaks to the hub's HTTP API, prints for people or for programs.
// Imports the API's document types alone; the decision log's verification is loaded only by the offline verbs.
export { CliError } from './cli-error.ts';
export type { CliContext } from './context.ts';
export { type ExitCode, exitCodes } from './exit-codes.ts';
export { createProgram, runCli } from './program.ts';
