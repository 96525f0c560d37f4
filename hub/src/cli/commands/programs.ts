import type { Command } from 'commander';
import type { AcceptedRestoreDocument } from '../../http/index.ts';
import type { CliContext } from '../context.ts';
import type { OutputFormat } from '../output.ts';
import { openSession } from '../session.ts';

export function addProgramCommands(program: Command, context: CliContext): void {
  const hub = program
    .command('hub')
    .description('run the hub; it is configured by FAIRLEAD_* variables')
    .action(() => context.becomeProgram('hub'));
  hub
    .command('accept-restore')
    .description(
      'after a restore: let what the hub knows count though agents hold newer assignments',
    )
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action(async ({ reason }: { reason: string }, command: Command) => {
      const session = await openSession(context, command);
      const path = '/hub:accept-restore';
      const accepted = await session.api.send<AcceptedRestoreDocument>('POST', path, { reason });
      session.print(accepted, () => acceptedText(accepted.epoch));
    });
  program
    .command('agent')
    .description("run a cluster's agent; it is configured by FAIRLEAD_* variables")
    .action(() => context.becomeProgram('agent'));
  program
    .command('health')
    .description('print the health of objects in files, as an agent would judge them; needs no hub')
    .requiredOption('-f, --file <path...>', 'YAML, JSON or JSON lines, or - for standard input')
    .option('--checks <path>', "file with entries as a stage's apply.healthChecks, to try them out")
    .action((options: { file: string[]; checks?: string }, command: Command) => {
      const { output } = command.optsWithGlobals<{ output: OutputFormat }>();
      return context.becomeProgram('health', [
        ...options.file.map((path) => `--file=${path}`),
        ...(options.checks === undefined ? [] : [`--checks=${options.checks}`]),
        `--output=${output}`,
      ]);
    });
}

/** Agents believe their own cluster only: a hub that fell into wrong hands must not lead them back. */
const acceptedText = (epoch: number): string =>
  [
    `The epoch of the hub is ${epoch}. Each agent refuses it until its own cluster says so:`,
    `  kubectl -n fairlead-system set env statefulset/fairlead-agent FAIRLEAD_ACCEPTED_EPOCH=${epoch}`,
  ].join('\n');
