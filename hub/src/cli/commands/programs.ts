import type { Command } from 'commander';
import type { CliContext } from '../context.ts';

export function addProgramCommands(program: Command, context: CliContext): void {
  program
    .command('hub')
    .description('run the hub; it is configured by FAIRLEAD_* variables')
    .action(() => context.becomeProgram('hub'));
  program
    .command('agent')
    .description("run a cluster's agent; it is configured by FAIRLEAD_* variables")
    .action(() => context.becomeProgram('agent'));
}
