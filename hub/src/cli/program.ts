import { Command, CommanderError, Option } from 'commander';
import { CliError } from './cli-error.ts';
import { addApprovalCommands } from './commands/approvals.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addClusterCommands } from './commands/clusters.ts';
import { addDeletionCommand } from './commands/deletions.ts';
import { addDriftCommand } from './commands/drift.ts';
import { addEventsCommand } from './commands/events.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addFreezeCommands } from './commands/freezes.ts';
import { addLoginCommand } from './commands/login.ts';
import { addPlanCommands } from './commands/plan.ts';
import { addProgramCommands } from './commands/programs.ts';
import { addReadModelCommands } from './commands/read-model.ts';
import { addReportStatusCommand } from './commands/report-status.ts';
import { addResourceCommands } from './commands/resources.ts';
import { addStageCommands } from './commands/stages.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTokenCommands } from './commands/tokens.ts';
import { addVerificationCommands } from './commands/verifications.ts';
import { addWaitCommand } from './commands/wait.ts';
import { defaultUrl } from './connection.ts';
import type { CliContext } from './context.ts';
import { type ExitCode, exitCodeHelp, exitCodes } from './exit-codes.ts';
import { outputFormats } from './output.ts';

export function createProgram(context: CliContext): Command {
  const program = new Command('fairlead')
    .description('Promotes commits of environment repositories through stages of clusters.')
    .version('0.1.0')
    .addOption(new Option('--url <url>', `address of the hub (FAIRLEAD_URL; ${defaultUrl})`))
    .addOption(new Option('--token <token>', 'API token (FAIRLEAD_TOKEN)'))
    .addOption(
      new Option('-o, --output <format>', 'how to print').choices(outputFormats).default('table'),
    )
    .configureHelp({ showGlobalOptions: true, helpWidth: 100 })
    .configureOutput({
      writeOut: context.write,
      writeErr: context.writeError,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError('(add --help for what is allowed)')
    .addHelpText('after', exitCodeHelp)
    .exitOverride();
  for (const add of [
    addProgramCommands,
    addLoginCommand,
    addStatusCommand,
    addClusterCommands,
    addResourceCommands,
    addStageCommands,
    addApprovalCommands,
    addReportStatusCommand,
    addFreezeCommands,
    addDeletionCommand,
    addExplainCommand,
    addDriftCommand,
    addPlanCommands,
    addVerificationCommands,
    addWaitCommand,
    addEventsCommand,
    addAuditCommands,
    addTokenCommands,
    addReadModelCommands,
  ]) {
    add(program, context);
  }
  return program;
}

/** Runs one command line and says how it ended; everything thrown becomes a message and an exit code. */
export async function runCli(args: readonly string[], context: CliContext): Promise<ExitCode> {
  try {
    await createProgram(context).parseAsync([...args], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    }
    if (error instanceof CliError) {
      context.writeError(`${error.message}\n`);
      return error.exitCode;
    }
    const { message = String(error) } = error as Partial<Error>;
    context.writeError(`A fault of the command line: ${message}\n`);
    return exitCodes.refused;
  }
}
